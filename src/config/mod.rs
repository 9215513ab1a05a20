//! From file, environment and flags to a [`checked::Config`], or to a list of everything that is wrong.
//!
//! Two shapes, one crossing: `file.rs` is what was typed, `checked.rs` is what is used, and `cross/` is
//! the only way from one to the other. Past [`load`] nothing can be invalid.
//!
//! Precedence: defaults, file, `WATCHD_*` environment, flags. Nothing here opens a file that the
//! configuration names (secrets, certificates, roots): the daemon starts without them and says so.
//! [`inspect`] looks at them, for `watchd check`.

mod advice;
pub mod checked;
mod cross;
mod document;
mod file;
mod flags;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod inspect;
mod layers;
mod mask;
mod print;
mod problem;
mod render;
pub mod units;
mod variables;

use std::{
    ffi::OsString,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use checked::Config;
use document::Document;
use layers::Layers;

pub use flags::Flags;
pub use problem::{Problem, Wrong};
pub use render::Problems;

/// The largest configuration file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Everything that a configuration is made from. Not `Debug`: it may hold a URL that is a secret.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file, if any.
    pub config: Option<PathBuf>,
    /// From the command line.
    pub flags: Flags,
    /// The environment.
    pub env: Vec<(OsString, OsString)>,
    /// What relative paths on the command line are relative to.
    pub cwd: PathBuf,
}

impl Sources {
    /// With the environment and the directory of this process.
    pub fn of_process(config: Option<PathBuf>, flags: Flags) -> Self {
        let cwd = std::env::current_dir().unwrap_or_default();
        Self { config, flags, env: std::env::vars_os().collect(), cwd }
    }

    /// Whether anything says what to watch: a file, a flag, or the environment.
    pub fn name_a_watch(&self) -> bool {
        let watch = |(name, _): &(OsString, OsString)| {
            name.to_str().is_some_and(|name| name.starts_with("WATCHD_WATCH__"))
        };
        self.config.is_some() || !self.flags.dir.is_empty() || self.env.iter().any(watch)
    }

    /// An environment variable that is set and not empty.
    fn variable(&self, name: &str) -> Option<&Path> {
        let found = self.env.iter().find(|(n, value)| n == name && !value.is_empty());
        found.map(|(_, value)| Path::new(value))
    }

    /// What relative paths in the file are relative to.
    fn base(&self) -> PathBuf {
        let parent = self.config.as_deref().and_then(Path::parent);
        self.cwd.join(parent.unwrap_or(Path::new("")))
    }
}

/// A valid configuration, and what should be said about it.
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Nothing that keeps the daemon from starting.
    pub warnings: Problems,
    typed: file::Settings,
}

impl Loaded {
    /// The effective configuration as TOML; [`load`] reads it back as the same. No secret is in it.
    pub fn to_toml(&self) -> String {
        print::toml(&self.config, &self.typed)
    }
}

/// Reads and checks. `Err` holds every problem that was found, not only the first.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    read(sources).into_loaded()
}

/// As [`load`], and looks at the files and directories that the configuration names.
pub fn inspect(sources: &Sources) -> Result<Loaded, Problems> {
    let mut reading = read(sources);
    inspect::files(&mut reading);
    reading.into_loaded()
}

/// Where the state is, for commands that need nothing else of the configuration.
pub fn state_dir(sources: &Sources) -> Result<PathBuf, Problems> {
    if sources.name_a_watch() {
        return load(sources).map(|loaded| loaded.config.state.dir);
    }
    let dir = cross::default_state_dir(sources);
    dir.ok_or_else(|| Problems {
        list: vec![Problem::new("state.dir", Wrong::NoHome, problem::Place::Whole)],
        source: None,
    })
}

/// What came of reading: a configuration as far as it is valid, and the problems.
struct Reading {
    config: Option<Config>,
    typed: file::Settings,
    context: Context,
    problems: Vec<Problem>,
}

/// What tells where each value came from.
struct Context {
    layers: Layers,
    document: Option<Document>,
}

impl Reading {
    fn failed(context: Context, problems: Vec<Problem>) -> Self {
        Self { config: None, typed: file::Settings::default(), context, problems }
    }

    fn into_loaded(self) -> Result<Loaded, Problems> {
        let source = self.context.document.as_ref().map(render::Source::new);
        let valid = self.problems.iter().all(|problem| problem.is_warning);
        let mut list = self.problems;
        list.sort_by_key(|problem| problem.place.order());
        let problems = Problems { list, source };
        match self.config {
            Some(config) if valid => Ok(Loaded { config, warnings: problems, typed: self.typed }),
            _ => Err(problems),
        }
    }
}

fn read(sources: &Sources) -> Reading {
    reading_of(sources, sources.config.as_deref().map(bytes_of).transpose())
}

/// What comes of a file with these bytes in it, under the name that the sources have for it.
fn reading_of(sources: &Sources, file: Result<Option<Vec<u8>>, Wrong>) -> Reading {
    let text = match file.and_then(|bytes| bytes.map(text_of).transpose()) {
        Ok(text) => text,
        Err(wrong) => return Reading::failed(Context::without_file(), vec![whole(sources, wrong)]),
    };
    let document = sources.config.clone().zip(text.as_deref());
    let document = document.map(|(path, text)| Document::new(path, text));
    let (document, error) = document.map_or((None, None), |(d, error)| (Some(d), error));
    if let Some(error) = error {
        let wrong = Wrong::Syntax { message: error.message };
        let place = problem::Place::Span(error.span);
        let context = Context { document, ..Context::without_file() };
        return Reading::failed(context, vec![Problem::new("", wrong, place)]);
    }
    let layers = Layers::new(text.as_deref().unwrap_or_default());
    let (entries, mut problems) = variables::entries(&sources.env);
    let layers = entries.iter().fold(layers, Layers::put);
    let (entries, more) = flags::entries(sources, &layers);
    problems.extend(more);
    let layers = entries.iter().fold(layers, Layers::put);
    let context = Context { layers, document };
    if context.is_empty() {
        problems.push(Problem::new("", Wrong::Empty, problem::Place::Whole));
        return Reading::failed(context, problems);
    }
    cross::cross(sources, context, problems)
}

impl Context {
    fn without_file() -> Self {
        Self { layers: Layers::new(""), document: None }
    }

    /// Whether there is a file that sets nothing, and nothing else says what to watch.
    fn is_empty(&self) -> bool {
        self.document.as_ref().is_some_and(Document::is_empty)
            && self.layers.names("watch").is_empty()
            && self.layers.names("endpoint").is_empty()
    }
}

/// A problem of the whole file, which names it.
fn whole(sources: &Sources, wrong: Wrong) -> Problem {
    let name = sources.config.as_deref().unwrap_or(Path::new("")).display().to_string();
    Problem::new(&name, wrong, problem::Place::Whole)
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Wrong> {
    let unreadable = |error: std::io::Error| Wrong::Unreadable(error.kind());
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn text_of(bytes: Vec<u8>) -> Result<String, Wrong> {
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(Wrong::TooLarge(FILE_BYTES_MAX));
    }
    String::from_utf8(bytes).map_err(|e| Wrong::NotText { at: e.utf8_error().valid_up_to() })
}

#[cfg(test)]
mod tests;
