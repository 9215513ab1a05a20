//! The program: reads the command line and hands over.

use std::process::ExitCode;

use watchd::{
    check,
    cli::{self, Command},
    config, daemon, demo, events, http, logging, operator, systemd,
};

/// musl's own is made to be small, not to be fast: it cost as much time as all the rest of a burst (measured).
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    match cli::parse() {
        Command::Check(sources) => check::check(&sources),
        Command::PrintConfig(sources) => check::print_config(&sources),
        Command::Run(sources) => run(&sources),
        Command::Demo { keep } => demo::run(keep),
        Command::Events(asked) => events::run(asked),
        Command::Status { which, json } => operator::status::run(which, json),
        Command::Resume { which, json, name } => operator::endpoint::resume(which, &name, json),
        Command::Test { sources, json, name } => operator::trial::run(&sources, &name, json),
        Command::Completions(shell) => cli::paper::completions(shell),
        Command::Manual(out) => cli::paper::manual(out.as_deref()),
    }
}

fn run(sources: &config::Sources) -> ExitCode {
    // Before there is another thread.
    let inherited = systemd::inherit();
    let loaded = match config::load(sources) {
        Ok(loaded) => loaded,
        Err(problems) => {
            systemd::last_words("the configuration is wrong, nothing was started: see the log");
            return check::refused(&problems);
        }
    };
    check::report(&loaded.warnings);
    let filter = logging::start(&loaded.config.log);
    http::install_provider();
    daemon::run(loaded.config, sources.clone(), filter, inherited)
}
