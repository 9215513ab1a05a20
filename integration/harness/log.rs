//! The daemon's log: one JSON object per line of standard error.

use serde_json::Value;

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

    pub(crate) fn says(&self, message: &str) -> bool {
        self.field("message").as_deref() == Some(message)
    }

    /// Whether this line says `message` about a file whose shown path ends in `name`.
    pub(crate) fn says_of(&self, message: &str, name: &str) -> bool {
        self.says(message) && self.field("path").is_some_and(|path| path.ends_with(name))
    }
}
