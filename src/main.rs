//! The program: reads the command line and hands over.

use std::process::ExitCode;

use watchd::{
    check,
    cli::{self, Command},
};

fn main() -> ExitCode {
    match cli::parse() {
        Command::Check(sources) => check::check(&sources),
        Command::PrintConfig(sources) => check::print_config(&sources),
        Command::Run(_) | Command::Demo { .. } | Command::EventsList { .. } => ExitCode::FAILURE,
    }
}
