//! `watchd check` and `--print-config`: is this configuration good, and what does it amount to?

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use crate::{
    config::{self, Problems, Sources},
    terminal::say,
};

/// What a process ends with; sysexits.h calls 78 `EX_CONFIG`, and systemd does not restart after it.
pub const EXIT_CONFIG: u8 = 78;

/// Says everything that is wrong, the files that are named included.
pub fn check(sources: &Sources) -> ExitCode {
    match config::inspect(sources) {
        Ok(loaded) => {
            report(&loaded.warnings);
            let watches = count(loaded.config.watches.len(), "watch", "watches");
            let endpoints = count(loaded.config.endpoints.len(), "endpoint", "endpoints");
            say(&format!("ok: {watches}, {endpoints}\n"), ExitCode::SUCCESS)
        }
        Err(problems) => refused(&problems),
    }
}

/// Prints the effective configuration.
pub fn print_config(sources: &Sources) -> ExitCode {
    match config::load(sources) {
        Ok(loaded) => {
            report(&loaded.warnings);
            say(&loaded.to_toml(), ExitCode::SUCCESS)
        }
        Err(problems) => refused(&problems),
    }
}

/// Says why nothing can be done with this configuration, and what to exit with.
pub fn refused(problems: &Problems) -> ExitCode {
    report(problems);
    ExitCode::from(EXIT_CONFIG)
}

/// Writes problems or warnings to standard error, in colour only for a person.
pub fn report(problems: &Problems) {
    if problems.is_empty() {
        return;
    }
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colour = io::stderr().is_terminal() && !plain;
    let text = problems.render(colour);
    // Nobody is left to tell when standard error is closed.
    let _closed = writeln!(io::stderr().lock(), "{text}");
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
