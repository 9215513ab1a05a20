//! The program: reads the command line and hands over.

use std::process::ExitCode;

use watchd::{
    check,
    cli::{self, Command},
    config,
};

fn main() -> ExitCode {
    match cli::parse() {
        Command::Check(sources) => check::check(&sources),
        Command::PrintConfig(sources) => check::print_config(&sources),
        Command::Run(sources) => match config::load(&sources) {
            Ok(_) => ExitCode::FAILURE,
            Err(problems) => check::refused(&problems),
        },
        Command::Demo { .. } | Command::EventsList { .. } => ExitCode::FAILURE,
    }
}
