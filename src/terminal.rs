//! What commands say: results on standard output, complaints on standard error.

use std::{
    fmt::Display,
    io::{self, Write as _},
    process::ExitCode,
};

/// Prints a result; `done` unless nobody takes it. A reader that went away, such as `head`, is no success.
pub(crate) fn say(text: &str, done: ExitCode) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => done,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Says what is wrong.
pub(crate) fn complain(what: &impl Display) {
    // Nobody is left to tell when standard error is closed.
    let _closed = writeln!(io::stderr(), "watchd: {what}");
}

/// Says why a command failed.
pub(crate) fn failed(why: &impl Display) -> ExitCode {
    complain(why);
    ExitCode::FAILURE
}
