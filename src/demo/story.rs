//! What the demo tells: happenings in, lines out. Pure.

use std::time::Instant;

use serde_json::Value;

/// The file that is written slowly.
pub(super) const SLOW: &str = "video.mp4";
/// The file that is moved in whole.
pub(super) const SWIFT: &str = "report.pdf";

/// Something that the story is made of.
#[derive(Debug)]
pub(super) enum Happening {
    WriterOpened,
    WriterStalled,
    WriterCloses,
    WriterFailed(String),
    Renamed,
    /// A line of the daemon's log, in JSON.
    Logged(String),
    DaemonEnded,
    /// The receiver's answer to one request.
    Answered {
        name: String,
        size: u64,
        status: u16,
        signed: bool,
    },
}

/// What must happen, in the words of the last line.
const STEPS: [&str; 8] = [
    "the folder is watched",
    "the stalled file is recognised as still being written",
    "both files settle",
    "both events are committed",
    "the receiver answers 503 once",
    "the refused event is retried",
    "report.pdf is delivered, signature ok",
    "video.mp4 is delivered whole, signature ok, after its writer closed it",
];

/// What has happened so far.
pub(super) struct Story {
    began: Instant,
    now: Instant,
    done: [bool; STEPS.len()],
    settled: u32,
    committed: u32,
    closed: bool,
    early: bool,
    ended: bool,
}

impl Story {
    pub(super) fn new(began: Instant) -> Self {
        let done = [false; STEPS.len()];
        Self {
            began,
            now: began,
            done,
            settled: 0,
            committed: 0,
            closed: false,
            early: false,
            ended: false,
        }
    }

    pub(super) fn is_watching(&self) -> bool {
        self.done.first().copied().unwrap_or_default() || self.ended
    }

    pub(super) fn is_complete(&self) -> bool {
        self.missing().is_empty() || self.ended
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Steps that have not happened.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        let mut missing: Vec<_> =
            STEPS.iter().zip(self.done).filter(|(_, done)| !done).map(|(step, _)| *step).collect();
        if self.early {
            missing.push("nothing announced before it is whole");
        }
        missing
    }

    /// The time since the beginning, as each line starts with it.
    pub(super) fn clock(&self) -> String {
        format!("{:6.1} s", self.now.saturating_duration_since(self.began).as_secs_f64())
    }

    /// Takes a happening in; gives the line to print, if it is worth one.
    pub(super) fn take(&mut self, happening: &Happening, now: Instant) -> Option<String> {
        self.now = now;
        let (who, what) = match happening {
            Happening::WriterOpened => (
                "landed",
                format!("{SLOW}: a program starts to write 20 MiB into the folder, slowly"),
            ),
            Happening::WriterStalled => (
                "",
                format!("{SLOW}: half written, and the program stalls for three quiet periods"),
            ),
            Happening::WriterCloses => {
                self.closed = true;
                ("", format!("{SLOW}: the program goes on, finishes and closes the file"))
            }
            Happening::Renamed => {
                ("landed", format!("{SWIFT}: another program moves a finished file in"))
            }
            Happening::WriterFailed(error) => {
                ("failed", format!("cannot write into the folder: {error}"))
            }
            Happening::Logged(line) => return self.logged(line),
            Happening::Answered { name, size, status, signed } => {
                self.answered(name, *size, *status, *signed)
            }
            Happening::DaemonEnded => {
                self.ended = true;
                return None;
            }
        };
        Some(format!("{}  {who:<13}  {what}", self.clock()))
    }

    fn did(&mut self, step: usize) {
        if let Some(done) = self.done.get_mut(step) {
            *done = true;
        }
    }

    fn logged(&mut self, line: &str) -> Option<String> {
        let record: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or_default();
        let path = text("path");
        let (who, what) = match text("message") {
            "watching" => {
                self.did(0);
                ("watching", format!("the folder, by kernel events, on {}", text("filesystem")))
            }
            "waiting for writer" => {
                self.did(1);
                (
                    "still written",
                    format!("{path}: quiet for a while, but somebody has it open. Not announced"),
                )
            }
            "settled" => {
                self.settled += 1;
                if self.settled == 2 {
                    self.did(2);
                }
                ("settled", format!("{path}: unchanged for a quiet period, and no writer left"))
            }
            "committed" => {
                self.committed += 1;
                if self.committed == 2 {
                    self.did(3);
                }
                ("committed", format!("{path}: {} is on disk, now it may be sent", text("event")))
            }
            "not delivered, will be retried" => {
                self.did(5);
                let wait = record.get("retry_in_ms").and_then(Value::as_u64).unwrap_or_default();
                ("retry", format!("{path}: the same event again in {wait} ms"))
            }
            _ => return self.loud(&record),
        };
        Some(format!("{}  {who:<13}  {what}", self.clock()))
    }

    /// Warnings and errors that the story does not know are shown as they are.
    fn loud(&self, record: &Value) -> Option<String> {
        let text = |key: &str| record.get(key).and_then(Value::as_str);
        let level = text("level").filter(|level| matches!(*level, "WARN" | "ERROR"))?;
        let message = text("message").unwrap_or_default();
        let reason = text("reason").or(text("error")).unwrap_or_default();
        Some(format!("{}  {:<13}  {message} {reason}", self.clock(), level.to_lowercase()))
    }

    fn answered(
        &mut self,
        name: &str,
        size: u64,
        status: u16,
        signed: bool,
    ) -> (&'static str, String) {
        if name == SLOW && !self.closed {
            self.early = true;
        }
        let signature = if signed { "signature ok" } else { "SIGNATURE WRONG" };
        if status == 503 {
            self.did(4);
            return ("503", format!("{name}: the receiver is restarting, it says"));
        }
        match (name, signed) {
            (SWIFT, true) => self.did(6),
            (SLOW, true) if size == 20 << 20 => self.did(7),
            _ => {}
        }
        ("delivered", format!("{name}: {size} bytes, {signature}"))
    }
}
