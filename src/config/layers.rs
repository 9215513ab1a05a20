//! File, environment and flags laid over each other. The only file that names figment.

use std::collections::BTreeMap;

use figment::{
    Error, Figment, Metadata, Profile, Provider,
    error::{Actual, Kind},
    providers::{Format as _, Toml},
    value::{Dict, Map, Value},
};

use super::file::{Period, Settings, Size};

/// More misfits than this are not looked for: whoever has a hundred repairs them in more than one go.
const MISFITS_MAX: usize = 100;

/// The keys from the top of the file down to one value; an element of a list by its number.
pub(super) type KeyPath = Vec<String>;

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// In no layer but the defaults, or in the file.
    File,
    /// By this environment variable.
    Variable(String),
    /// By this flag.
    Flag(String),
}

/// One value of the environment or the command line.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) origin: Origin,
    pub(super) path: KeyPath,
    pub(super) value: Given,
}

/// What an [`Entry`] carries.
#[derive(Clone, Debug)]
pub(super) enum Given {
    /// Text; read as the type of its key when it comes from the environment.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
}

/// A value whose key or type the file shape does not know.
#[derive(Clone, Debug)]
pub(super) struct Misfit {
    pub(super) path: KeyPath,
    pub(super) kind: MisfitKind,
}

/// See [`Misfit`]. None of these carries a text value: it may be a secret (P10).
#[derive(Clone, Debug)]
pub(super) enum MisfitKind {
    /// The last key of the path is not one of these.
    UnknownKey(&'static [&'static str]),
    /// The word is not one of these.
    UnknownWord(String, &'static [&'static str]),
    /// Another type.
    Type { found: String, expected: String, unitless: Option<u64> },
}

/// The layers, lowest first.
pub(super) struct Layers(Figment);

impl Layers {
    /// The file, which may be empty.
    pub(super) fn new(file: &str) -> Self {
        Self(Figment::from(Toml::string(file)))
    }

    /// Lays one value over all that is there.
    pub(super) fn put(self, entry: &Entry) -> Self {
        Self(self.0.merge(entry))
    }

    /// The names in a table, such as those of all watches.
    pub(super) fn names(&self, table: &str) -> Vec<String> {
        let value = self.0.find_value(table).ok();
        value.and_then(Value::into_dict).map(|d| d.into_keys().collect()).unwrap_or_default()
    }

    /// Where a value was set, or the nearest table around it that was set at all.
    pub(super) fn origin(&self, path: &[String]) -> Origin {
        let Ok(root) = self.0.find_value("") else { return Origin::File };
        let mut here = &root;
        for key in path {
            match here.as_dict().and_then(|dict| dict.get(key)) {
                Some(value) => here = value,
                None => break,
            }
        }
        let Some(set_by) = self.0.get_metadata(here.tag()) else { return Origin::File };
        match set_by.source.as_ref().and_then(figment::Source::custom) {
            Some(VARIABLE) => Origin::Variable(set_by.name.clone().into_owned()),
            Some(FLAG) => Origin::Flag(set_by.name.clone().into_owned()),
            _ => Origin::File,
        }
    }

    /// Whether some layer sets this key, and not only keys below it.
    pub(super) fn has_value(&self, path: &[String]) -> bool {
        let mut root = self.0.find_value("").ok();
        root.as_mut().and_then(|root| find_mut(root, path)).is_some_and(|v| v.as_dict().is_none())
    }

    /// The file shape, and everything that does not fit into it.
    ///
    /// serde stops at the first misfit; so each one found is struck out and the rest read again.
    /// No shape where there are too many.
    pub(super) fn settings(&self) -> (Option<Settings>, Vec<Misfit>) {
        let mut root = self.0.find_value("").unwrap_or_else(|_| Value::from(Dict::new()));
        let (mut misfits, mut struck) = (Vec::new(), Struck::default());
        while misfits.len() < MISFITS_MAX {
            match root.deserialize::<Settings>() {
                Ok(settings) => return (Some(settings), misfits),
                Err(error) => {
                    if self.is_text_of_variable(&error) && retype(&mut root, &error.path) {
                        continue;
                    }
                    if !strike(&mut root, &error.path) {
                        break;
                    }
                    misfits.push(Misfit {
                        kind: kind_of(&error),
                        path: struck.as_written(error.path),
                    });
                }
            }
        }
        (None, misfits)
    }

    /// Whether this is a value of the environment that was read as text and must be something else.
    fn is_text_of_variable(&self, error: &Error) -> bool {
        matches!(error.kind, Kind::InvalidType(Actual::Str(_), _))
            && matches!(self.origin(&error.path), Origin::Variable(_))
    }
}

const VARIABLE: &str = "variable";
const FLAG: &str = "flag";

impl Provider for Entry {
    fn metadata(&self) -> Metadata {
        match &self.origin {
            Origin::File => Metadata::default(),
            Origin::Variable(name) => {
                Metadata::named(name.clone()).source(figment::Source::Custom(VARIABLE.to_owned()))
            }
            Origin::Flag(name) => {
                Metadata::named(name.clone()).source(figment::Source::Custom(FLAG.to_owned()))
            }
        }
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut value = match &self.value {
            Given::Text(text) => Value::from(text.clone()),
            Given::List(texts) => Value::from(texts.clone()),
        };
        for key in self.path.iter().skip(1).rev() {
            value = Value::from(Dict::from([(key.clone(), value)]));
        }
        let first = self.path.first().cloned().unwrap_or_default();
        Ok(Map::from([(Profile::Default, Dict::from([(first, value)]))]))
    }
}

/// Reads text as the value of a key in TOML, where that makes something else of it than text.
///
/// Not by figment's own reader of variables: it panics on some texts that are not ASCII.
fn retype(root: &mut Value, path: &[String]) -> bool {
    let Some(slot) = find_mut(root, path) else { return false };
    let Some(text) = slot.as_str() else { return false };
    let Ok(mut line) = Toml::from_str::<Dict>(&format!("value = {text}")) else { return false };
    let value = line.remove("value").filter(|value| line.is_empty() && value.as_str().is_none());
    value.map(|value| *slot = value).is_some()
}

/// Takes out the value at `path`.
fn strike(root: &mut Value, path: &[String]) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    match find_mut(root, parents) {
        Some(Value::Dict(_, dict)) => dict.remove(last).is_some(),
        Some(Value::Array(_, array)) => match last.parse::<usize>() {
            Ok(at) if at < array.len() => {
                array.remove(at);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

fn find_mut<'v>(root: &'v mut Value, path: &[String]) -> Option<&'v mut Value> {
    path.iter().try_fold(root, |here, key| match here {
        Value::Dict(_, dict) => dict.get_mut(key),
        Value::Array(_, list) => list.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Which elements of which lists were struck out, so that later ones keep the number they have in the file.
#[derive(Default)]
struct Struck(BTreeMap<KeyPath, Vec<usize>>);

impl Struck {
    fn as_written(&mut self, mut path: KeyPath) -> KeyPath {
        let Some(mut at) = path.last().and_then(|last| last.parse::<usize>().ok()) else {
            return path;
        };
        path.pop();
        let gone = self.0.entry(path.clone()).or_default();
        for earlier in &*gone {
            at += usize::from(*earlier <= at);
        }
        gone.push(at);
        gone.sort_unstable();
        path.push(at.to_string());
        path
    }
}

fn kind_of(error: &Error) -> MisfitKind {
    match &error.kind {
        Kind::UnknownField(_, known) => MisfitKind::UnknownKey(known),
        Kind::UnknownVariant(word, known) => MisfitKind::UnknownWord(word.clone(), known),
        Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
            MisfitKind::Type {
                found: if is_header(&error.path) { UNTOLD.to_owned() } else { describe(found) },
                expected: describe_expected(expected),
                unitless: match found {
                    Actual::Unsigned(number) => u64::try_from(*number).ok(),
                    Actual::Signed(number) => u64::try_from(*number).ok(),
                    _ => None,
                }
                .filter(|_| expected == Period::EXPECTED || expected == Size::EXPECTED),
            }
        }
        _ => MisfitKind::Type {
            found: "something else".to_owned(),
            expected: "a value of another kind".to_owned(),
            unitless: None,
        },
    }
}

const UNTOLD: &str = "something else";

/// Whether this is the value of a header, of which nothing is said, not even a number.
fn is_header(path: &[String]) -> bool {
    matches!(path, [table, _, key, _, ..] if table == "endpoint" && key == "headers")
}

/// What kind of thing a value is, without the value.
fn describe(found: &Actual) -> String {
    match found {
        Actual::Bool(value) => format!("`{value}`"),
        Actual::Unsigned(number) => format!("the number `{number}`"),
        Actual::Signed(number) => format!("the number `{number}`"),
        Actual::Float(number) => format!("the number `{number}`"),
        Actual::Str(_) | Actual::Char(_) => "a text in quotes".to_owned(),
        Actual::Seq => "a list".to_owned(),
        // TOML's dates arrive as tables.
        Actual::Map => "a table or a date".to_owned(),
        _ => "something else".to_owned(),
    }
}

fn describe_expected(expected: &str) -> String {
    match expected {
        "a boolean" => "`true` or `false`".to_owned(),
        "a string" => "a text in quotes".to_owned(),
        "a sequence" => "a list in brackets".to_owned(),
        "a map" => "a table".to_owned(),
        other => other.to_owned(),
    }
}
