//! The daemon's log: one JSON object per line of standard error.

use serde_json::Value;

/// How the messages begin that the proofs wait for: what they rely on is in this list, nowhere else.
pub(crate) mod said {
    /// A watch is armed and its first scan is done.
    pub(crate) const WATCHING: &str = "watching";
    pub(crate) const SUSPENDED: &str = "suspended";
    pub(crate) const WAITING_FOR_WRITER: &str = "waiting for writer";
    pub(crate) const COMMITTED: &str = "committed";
    pub(crate) const DELIVERED: &str = "delivered";
    pub(crate) const RETRY: &str = "not delivered, will be retried";
    /// The breaker of an endpoint has opened.
    pub(crate) const ENDPOINT_FAILING: &str = "endpoint failing";
    pub(crate) const OUTBOX_FULL: &str = "the journal has no room";
    /// A file that is not whole for too long.
    pub(crate) const DOES_NOT_SETTLE: &str = "this file does not settle";
    /// Threads of a watch that do not end when they are asked to.
    pub(crate) const LEFT_BEHIND: &str = "the threads of this watch hang";
    pub(crate) const OVERFLOW: &str = "the kernel lost events";
    /// Files that nobody can look at, with their number.
    pub(crate) const CANNOT_LOOK: &str = "cannot look at files";
    /// A directory that the kernel refuses to watch.
    pub(crate) const CANNOT_WATCH: &str = "cannot watch this directory";
    /// A scan has ended.
    pub(crate) const SCANNED: &str = "scanned";
    /// The pages can be asked.
    pub(crate) const LISTENING: &str = "listening";
    pub(crate) const CANNOT_LISTEN: &str = "cannot listen";
    /// A new program at our path does not answer.
    pub(crate) const NOT_RESTARTED_INTO: &str = "the new program is not restarted into";
    /// A configuration that was read again is in force.
    pub(crate) const RELOADED: &str = "the configuration was read again";
    pub(crate) const REFUSED: &str = "the new configuration is refused";
    pub(crate) const SELF_CHECK_FAILED: &str = "the self check failed";
    /// Sockets of the service manager that are of no use.
    pub(crate) const NOT_INHERITED: &str = "the sockets of the service manager cannot be used";
    pub(crate) const STOPPING: &str = "stopping";
    pub(crate) const STOPPED: &str = "stopped";
}

#[derive(Default)]
pub(crate) struct Log {
    pub(crate) lines: Vec<Line>,
    /// Standard error was closed: the process has ended.
    pub(crate) closed: bool,
}

#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) raw: String,
    json: Option<Value>,
}

impl Line {
    pub(crate) fn new(raw: String) -> Self {
        let json = serde_json::from_str(&raw).ok().filter(Value::is_object);
        Self { raw, json }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json.is_some()
    }

    /// A field as text, whether the formatter nests fields or not.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let json = self.json.as_ref()?;
        let value = json.get("fields").and_then(|fields| fields.get(name)).or(json.get(name))?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    /// Whether the message begins with one of [`said`].
    pub(crate) fn says(&self, message: &str) -> bool {
        self.field("message").is_some_and(|text| text.starts_with(message))
    }

    /// Whether this line says `message` about a file whose shown path ends in `name`.
    pub(crate) fn says_of(&self, message: &str, name: &str) -> bool {
        self.says(message) && self.field("path").is_some_and(|path| path.ends_with(name))
    }
}
