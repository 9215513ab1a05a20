//! The command line: what was asked for. Doing it is the business of others.

mod events;
pub mod paper;
mod place;

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, error::ErrorKind};
use clap_complete::Shell;

pub use self::events::{Ask, Events};
use self::{events::EventsVerb, place::PlaceArgs};

use crate::{
    arrival::Name,
    config::{Flags, Sources},
    operator::place::Which,
};

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
    /// What is waited for, and why.
    Status {
        /// Of which daemon.
        which: Which,
        /// For programs.
        json: bool,
    },
    /// Deliver again to an endpoint that answered 410 Gone.
    Resume {
        /// Of which daemon.
        which: Which,
        /// For programs.
        json: bool,
        /// Which endpoint.
        name: Name,
    },
    /// Send one event about nothing to an endpoint, and say how each step went.
    Test {
        /// By which configuration.
        sources: Sources,
        /// For programs.
        json: bool,
        /// Which endpoint.
        name: Name,
    },
    /// How a shell completes this command line.
    Completions(Shell),
    /// The manual, into this directory or to standard output.
    Manual(Option<PathBuf>),
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
    /// What has not been delivered: list it, show it, send it again, forget it
    #[command(subcommand)]
    Events(EventsVerb),
    /// What the daemon is waiting for, and why; exit code 1 when it does not run
    Status(PlaceArgs),
    /// What to do about an endpoint
    #[command(subcommand)]
    Endpoint(EndpointVerb),
    /// Print a script that completes this command line, for bash, zsh, fish, elvish or powershell
    Completions {
        /// For this shell
        shell: Shell,
    },
    /// Print the manual, or write its pages into a directory
    Man {
        /// One page for each command
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum EndpointVerb {
    /// Send it one signed event of the type watchd.ping and time each step; exit code 1 when it is not accepted
    ///
    /// Uses the configuration, secrets, certificates, proxy and address rules of a delivery as they are in the
    /// files now, whether the daemon runs or not. No event and no state of the endpoint is touched.
    Test(Box<TestArgs>),
    /// Deliver again to an endpoint that answered 410 Gone; exit code 1 when it is not parked
    Resume {
        /// Its name
        #[arg(value_parser = name)]
        name: Name,
        #[command(flatten)]
        place: PlaceArgs,
    },
}

#[derive(Args)]
struct TestArgs {
    /// Its name
    #[arg(value_parser = name)]
    name: Name,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

fn name(text: &str) -> Result<Name, &'static str> {
    Name::parse(text).ok_or("a name is lower-case letters, digits and hyphens")
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
            Some(Verb::Status(place)) => {
                let (which, json) = place.found();
                Ok(Command::Status { which, json })
            }
            Some(Verb::Endpoint(EndpointVerb::Resume { name, place })) => {
                let (which, json) = place.found();
                Ok(Command::Resume { which, json, name })
            }
            Some(Verb::Endpoint(EndpointVerb::Test(args))) => {
                let TestArgs { name, json, config } = *args;
                Ok(Command::Test { sources: config.sources()?, json, name })
            }
            Some(Verb::Completions { shell }) => Ok(Command::Completions(shell)),
            Some(Verb::Man { out }) => Ok(Command::Manual(out)),
            Some(Verb::Events(verb)) => Ok(Command::Events(verb.asked()?)),
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
