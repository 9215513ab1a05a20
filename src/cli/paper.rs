//! What the definition of the command line is good for beside parsing: completions and the manual.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use super::Cli;
use crate::terminal::failed;

/// Prints a completion script.
pub fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "watchd", &mut script);
    ended(io::stdout().lock().write_all(&script))
}

/// Prints the manual page of the program, or writes one for each command into `out`.
pub fn manual(out: Option<&Path>) -> ExitCode {
    let mut program = Cli::command();
    program.build();
    ended(match out {
        None => page(&program).and_then(|page| io::stdout().lock().write_all(&page)),
        Some(dir) => fs::create_dir_all(dir).and_then(|()| pages(&program, "watchd", dir)),
    })
}

fn pages(command: &clap::Command, name: &str, dir: &Path) -> io::Result<()> {
    let command = command.clone().display_name(name.to_owned());
    fs::write(dir.join(format!("{name}.1")), page(&command)?)?;
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages(below, &format!("{name}-{}", below.get_name()), dir)?;
    }
    Ok(())
}

fn page(command: &clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

fn ended(written: io::Result<()>) -> ExitCode {
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}
