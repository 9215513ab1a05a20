//! The command line: what was asked for. Doing it is the business of others.

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, error::ErrorKind};

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
    /// What is in the journal.
    EventsList {
        /// Where the journal is.
        journal: JournalAt,
        /// One JSON object a line.
        json: bool,
        /// Which events.
        state: Events,
    },
}

/// Where a command finds the journal.
pub enum JournalAt {
    /// In the state directory of this configuration.
    Config(Box<Sources>),
    /// In this directory.
    StateDir(PathBuf),
}

/// Which events to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Events {
    /// Given up.
    Dead,
    /// Not yet delivered.
    Waiting,
    /// Held back: their endpoint is gone, or was told to stop.
    Parked,
    /// Each of these.
    #[default]
    All,
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
    /// Look into the journal
    #[command(subcommand)]
    Events(EventsVerb),
}

#[derive(Subcommand)]
enum EventsVerb {
    /// List events that are not delivered
    List(ListArgs),
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

#[derive(Args)]
struct ListArgs {
    /// The configuration file of the daemon
    #[arg(long, value_name = "FILE", conflicts_with = "state_dir")]
    config: Option<PathBuf>,
    /// Its state directory
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// Which events
    #[arg(long, value_enum, default_value_t)]
    state: Events,
}

impl Cli {
    fn asked(self) -> Result<Command, clap::Error> {
        match self.verb {
            None => self.run.asked(),
            Some(Verb::Run(args)) => args.asked(),
            Some(Verb::Check(args)) => Ok(Command::Check(args.sources()?)),
            Some(Verb::Demo { keep }) => Ok(Command::Demo { keep }),
            Some(Verb::Events(EventsVerb::List(args))) => Ok(args.asked()),
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

impl ListArgs {
    fn asked(self) -> Command {
        let of_config = || Sources::of_process(self.config, Flags::default());
        let journal = self
            .state_dir
            .map_or_else(|| JournalAt::Config(Box::new(of_config())), JournalAt::StateDir);
        Command::EventsList { journal, json: self.json, state: self.state }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Command, ErrorKind> {
        let words = std::iter::once("watchd").chain(words.split_whitespace());
        parse_from(words).map_err(|error| error.kind())
    }

    #[test]
    fn the_definition_is_sound() {
        <Cli as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn run_is_what_happens_without_a_command() {
        for words in ["--config f --quiet 5s", "run --config f --quiet 5s"] {
            let Ok(Command::Run(sources)) = parse(words) else { panic!("{words}") };
            assert_eq!(sources.config, Some("f".into()));
            assert_eq!(sources.flags.quiet.as_deref(), Some("5s"));
        }
        let Ok(Command::Run(sources)) =
            parse("--dir a --dir b --url u --secret-file s --exclude x")
        else {
            panic!()
        };
        assert_eq!(sources.flags.dir, [PathBuf::from("a"), PathBuf::from("b")]);
        assert!(matches!(parse("--config f --print-config"), Ok(Command::PrintConfig(_))));
        assert!(matches!(parse("run --config f --print-config"), Ok(Command::PrintConfig(_))));
    }

    #[test]
    fn other_commands() {
        assert!(matches!(parse("check --config f"), Ok(Command::Check(_))));
        assert!(matches!(parse("check --dir a --url u"), Ok(Command::Check(_))));
        assert!(matches!(parse("demo"), Ok(Command::Demo { keep: false })));
        assert!(matches!(parse("demo --keep"), Ok(Command::Demo { keep: true })));
        let Ok(Command::EventsList { journal, json, state }) =
            parse("events list --state-dir /s --json")
        else {
            panic!()
        };
        assert!(matches!(journal, JournalAt::StateDir(dir) if dir == std::path::Path::new("/s")));
        assert!(json && state == Events::All);
        for (word, expected) in
            [("dead", Events::Dead), ("waiting", Events::Waiting), ("parked", Events::Parked)]
        {
            let Ok(Command::EventsList { journal, state, .. }) =
                parse(&format!("events list --state {word}"))
            else {
                panic!()
            };
            assert!(matches!(journal, JournalAt::Config(_)) && state == expected);
        }
    }

    #[test]
    fn usage_errors() {
        for words in [
            "",
            "run",
            "check",
            "--url u",
            "--quiet",
            "events",
            "events list --state x",
            "--config a b",
            "events list --config f --state-dir d",
            "--config f check",
        ] {
            assert!(parse(words).is_err(), "{words}");
        }
        let Err(error) = parse_from(["watchd"]) else { panic!() };
        let text = error.to_string();
        assert!(text.contains("watchd --dir") && text.contains("watchd run --config"), "{text}");
        assert_eq!(error.exit_code(), 2);
    }
}
