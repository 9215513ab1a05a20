//! The command line: what was asked for. Doing it is the business of others.

mod events;

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, error::ErrorKind};

use self::events::EventsVerb;
pub use self::events::{Ask, Events, JournalAt};

use crate::config::{Flags, Sources};

/// What to do.
pub enum Command {
    /// Be the daemon.
    Run(Sources),
    /// Say whether a configuration is good.
    Check(Sources),
    /// Say what a configuration amounts to.
    PrintConfig(Sources),
    /// A folder, a receiver and the daemon in one terminal.
    Demo {
        /// Go on until Ctrl-C.
        keep: bool,
    },
    /// What has not been delivered.
    Events(Events),
}

/// Reads the command line of this process. Ends it for `--help`, `--version` (0) and errors (2).
pub fn parse() -> Command {
    Cli::parse().asked().unwrap_or_else(|error| error.exit())
}

/// Reads a command line, its first word being the program.
pub fn parse_from<I>(words: I) -> Result<Command, clap::Error>
where
    I: IntoIterator,
    I::Item: Into<std::ffi::OsString> + Clone,
{
    Cli::try_parse_from(words)?.asked()
}

/// Posts a signed webhook when a file has landed
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
#[command(after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    run: RunArgs,
}

const EXAMPLES: &str = "\
Two ways to start:
  watchd --dir /srv/incoming --url https://example.net/hook
  watchd run --config /etc/watchd/watchd.toml";

#[derive(Subcommand)]
enum Verb {
    /// Watch and announce (what happens without a command)
    Run(RunArgs),
    /// Say whether a configuration is good: every problem with line, key and advice
    Check(ConfigArgs),
    /// Show it all in one terminal: a folder, a receiver and the daemon
    Demo {
        /// Go on after the last step, for you to drop files into the folder; Ctrl-C ends it
        #[arg(long)]
        keep: bool,
    },
    /// What has not been delivered: list it, show it
    #[command(subcommand)]
    Events(EventsVerb),
}

#[derive(Args)]
struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the effective configuration and end
    #[arg(long)]
    print_config: bool,
}

#[derive(Args)]
struct ConfigArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
}

impl Cli {
    fn asked(self) -> Result<Command, clap::Error> {
        match self.verb {
            None => self.run.asked(),
            Some(Verb::Run(args)) => args.asked(),
            Some(Verb::Check(args)) => Ok(Command::Check(args.sources()?)),
            Some(Verb::Demo { keep }) => Ok(Command::Demo { keep }),
            Some(Verb::Events(verb)) => Ok(Command::Events(verb.asked())),
        }
    }
}

impl RunArgs {
    fn asked(self) -> Result<Command, clap::Error> {
        let sources = self.config.sources()?;
        Ok(if self.print_config { Command::PrintConfig(sources) } else { Command::Run(sources) })
    }
}

impl ConfigArgs {
    /// A start without anything to watch is a question, not a configuration: it is answered with usage.
    fn sources(self) -> Result<Sources, clap::Error> {
        let sources = Sources::of_process(self.config, self.flags);
        if sources.name_a_watch() {
            return Ok(sources);
        }
        let what = "nothing to watch: neither --config nor --dir is given";
        let message = format!("{what}\n\n{EXAMPLES}");
        Err(<Cli as CommandFactory>::command().error(ErrorKind::MissingRequiredArgument, message))
    }
}

#[cfg(test)]
mod tests;
