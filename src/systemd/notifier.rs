//! What we tell the service manager. A thread sends it, so that a manager that does not read holds up nobody.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use sd_notify::NotifyState;
use tracing::{debug, warn};

/// Messages that wait for the manager to read. It has stopped by then, and more of them tell it nothing.
const MESSAGES_MAX: usize = 16;

/// The longest line that `systemctl status` is given.
const STATUS_LEN_MAX: usize = 240;

/// Tells the service manager how we are. Every call returns at once.
#[derive(Clone, Debug, Default)]
pub struct Notifier {
    /// `None`: nobody wants to know.
    messages: Option<SyncSender<Message>>,
    /// The status line told last.
    told: Arc<Mutex<String>>,
    /// Nothing but an end may follow.
    stopping: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Message {
    Tell {
        assignments: Vec<NotifyState<'static>>,
        status: Option<String>,
    },
    /// Everything before this has been sent.
    Flush(SyncSender<()>),
}

impl Notifier {
    /// Starts the thread that sends, if there is somebody to send to.
    pub fn start() -> io::Result<Self> {
        if std::env::var_os("NOTIFY_SOCKET").is_none_or(|socket| socket.is_empty()) {
            return Ok(Self::default());
        }
        Self::over(sd_notify::notify)
    }

    fn over<S>(send: S) -> io::Result<Self>
    where
        S: FnMut(&[NotifyState<'_>]) -> io::Result<()> + Send + 'static,
    {
        let (messages, waiting) = sync_channel(MESSAGES_MAX);
        thread::Builder::new().name("notify".into()).spawn(move || pass_on(&waiting, send))?;
        Ok(Self { messages: Some(messages), ..Self::default() })
    }

    /// Whether anybody listens.
    pub fn is_wanted(&self) -> bool {
        self.messages.is_some()
    }

    /// The start is over, or a reload. Too late when the end has begun.
    pub fn ready(&self, status: &str) {
        if self.stopping.load(Relaxed) {
            return;
        }
        self.tell(vec![NotifyState::Ready], Some(status));
    }

    /// The configuration is being read again; [`Notifier::ready`] ends it, however it went. The manager
    /// takes it for the answer to its request only with a time that is later than that (`sd_notify(3)`).
    pub fn reloading(&self, status: &str) {
        let now = NotifyState::monotonic_usec_now();
        self.tell(std::iter::once(NotifyState::Reloading).chain(now).collect(), Some(status));
    }

    /// We end, whoever wanted it. There is no way back from here (systemd 259).
    pub fn stopping(&self, status: &str) {
        self.stopping.store(true, Relaxed);
        self.tell(vec![NotifyState::Stopping], Some(status));
    }

    /// One line for `systemctl status`; nothing is sent when it is the one told last.
    pub fn status(&self, line: &str) {
        if *self.told.lock().unwrap_or_else(PoisonError::into_inner) != line {
            self.tell(Vec::new(), Some(line));
        }
    }

    /// All stages make progress.
    pub fn ping(&self) {
        self.tell(vec![NotifyState::Watchdog], None);
    }

    /// The present state may last for so long from now. While starting or stopping only: while running it
    /// would put off `RuntimeMaxSec=`.
    pub fn extend(&self, by: Duration) {
        let by = u32::try_from(by.as_micros()).unwrap_or(u32::MAX);
        self.tell(vec![NotifyState::ExtendTimeoutUsec(by)], None);
    }

    /// This start was a good one: the next restart need not wait longer than the last (systemd 258).
    pub fn reset_restarts(&self) {
        self.tell(vec![NotifyState::Custom("RESTART_RESET=1")], None);
    }

    /// Waits until everything has been sent, for at most `limit`: for the last words of a process.
    pub fn flush(&self, limit: Duration) {
        let (sent, all) = sync_channel(1);
        if let Some(messages) = &self.messages
            && messages.try_send(Message::Flush(sent)).is_ok()
        {
            // An error is a manager that does not read, and whom we do not wait for.
            let _late = all.recv_timeout(limit);
        }
    }

    fn tell(&self, assignments: Vec<NotifyState<'static>>, status: Option<&str>) {
        let Some(messages) = &self.messages else { return };
        let message = Message::Tell { assignments, status: status.map(one_line) };
        if let Err(TrySendError::Full(_)) = messages.try_send(message) {
            debug!("the service manager does not read what it is told");
        } else if let Some(line) = status {
            line.clone_into(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Says why there will be no daemon, before there is a thread. Whether it arrives is nobody's concern.
pub fn last_words(status: &str) {
    let _nobody_listens = sd_notify::notify(&[NotifyState::Status(&one_line(status))]);
}

fn pass_on<S>(waiting: &Receiver<Message>, mut send: S)
where
    S: FnMut(&[NotifyState<'_>]) -> io::Result<()>,
{
    let mut fails = false;
    while let Ok(message) = waiting.recv() {
        match message {
            Message::Tell { assignments, status } => {
                let status = status.as_deref().map(NotifyState::Status);
                let all: Vec<NotifyState<'_>> = assignments.into_iter().chain(status).collect();
                let failure = send(&all).err();
                if let Some(error) = failure.as_ref().filter(|_| !fails) {
                    warn!(%error, "the service manager cannot be told how we are");
                }
                fails = failure.is_some();
            }
            Message::Flush(done) => {
                // Nobody waits any more: that is for them to know.
                let _gave_up = done.try_send(());
            }
        }
    }
}

/// A line break would begin another assignment.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(STATUS_LEN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was sent, one string for each message.
    fn listening() -> (Notifier, Arc<Mutex<Vec<String>>>) {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&sent);
        let notifier = Notifier::over(move |states| {
            let lines: Vec<String> = states.iter().map(ToString::to_string).collect();
            log.lock().unwrap().push(lines.join("\n"));
            Ok(())
        });
        (notifier.unwrap(), sent)
    }

    #[test]
    fn each_call_is_one_message_and_they_keep_their_order() {
        let (notifier, sent) = listening();
        notifier.ready("watching");
        notifier.ping();
        notifier.extend(Duration::from_millis(1500));
        notifier.reset_restarts();
        notifier.stopping("asked to");
        notifier.ready("too late");
        notifier.flush(Duration::from_mins(1));
        let expected = [
            "READY=1\nSTATUS=watching",
            "WATCHDOG=1",
            "EXTEND_TIMEOUT_USEC=1500000",
            "RESTART_RESET=1",
            "STOPPING=1\nSTATUS=asked to",
        ];
        assert_eq!(*sent.lock().unwrap(), expected);
    }

    #[test]
    fn a_reload_carries_the_time_of_its_beginning_in_the_same_message() {
        let (notifier, sent) = listening();
        notifier.reloading("reading the configuration");
        notifier.flush(Duration::from_mins(1));
        let message = sent.lock().unwrap().concat();
        let stamp = message.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
        assert!(message.starts_with("RELOADING=1\n"), "{message}");
        assert!(stamp.parse::<u64>().unwrap() > 0, "{message}");
    }

    #[test]
    fn a_status_is_one_line_of_bounded_length_and_is_not_repeated() {
        let (notifier, sent) = listening();
        notifier.status("a\nREADY=1");
        notifier.status("a\nREADY=1");
        notifier.status(&"x".repeat(5000));
        notifier.flush(Duration::from_mins(1));
        let sent = sent.lock().unwrap();
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0], "STATUS=a READY=1");
        assert_eq!(sent[1].len(), "STATUS=".len() + STATUS_LEN_MAX);
    }

    #[test]
    fn a_manager_that_does_not_read_holds_up_nobody() {
        let (hold, release) = sync_channel::<()>(0);
        let notifier = Notifier::over(move |_| {
            let _released = release.recv();
            Ok(())
        });
        let notifier = notifier.unwrap();
        for _ in 0..10 * MESSAGES_MAX {
            notifier.ping();
        }
        notifier.flush(Duration::from_millis(1));
        drop(hold);
    }

    #[test]
    fn without_a_manager_nothing_is_sent_or_waited_for() {
        let notifier = Notifier::default();
        notifier.ready("");
        notifier.flush(Duration::from_hours(1));
        assert!(!notifier.is_wanted());
    }
}
