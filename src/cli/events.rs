//! `watchd events ...`: which events, and what is to be done with them.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};

use crate::{
    arrival::EventId,
    clock,
    config::{Flags, Sources, units},
    journal::look::{Filter, PathPattern, State},
};

/// Rows that `list` prints unless told otherwise.
const LIST_DEFAULT: usize = 1000;

/// A command about events.
pub struct Events {
    /// Where the journal is.
    pub journal: JournalAt,
    /// For programs: one JSON object a line.
    pub json: bool,
    /// What to do.
    pub ask: Ask,
}

/// What to do with events.
pub enum Ask {
    /// List those that fit, at most so many.
    List(Filter, usize),
    /// Show these.
    Show(Vec<EventId>),
}

/// Where a command finds the journal, and the daemon.
pub enum JournalAt {
    /// In the state directory of this configuration.
    Config(Box<Sources>),
    /// In this directory.
    StateDir(PathBuf),
}

#[derive(Subcommand)]
pub(super) enum EventsVerb {
    /// List events that are not delivered, oldest first; exit code 1 when there is none
    List(Box<ListArgs>),
    /// Show events with their body and their last attempts; exit code 1 when one is not there
    Show(ShowArgs),
}

#[derive(Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// The most to print
    #[arg(long, value_name = "N", default_value_t = LIST_DEFAULT)]
    limit: usize,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Args)]
pub(super) struct ShowArgs {
    /// As listed: evt_ and 32 digits
    #[arg(value_name = "ID", required = true, value_parser = id)]
    ids: Vec<EventId>,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Args)]
struct PlaceArgs {
    /// The configuration file of the daemon
    #[arg(long, value_name = "FILE", conflicts_with = "state_dir")]
    config: Option<PathBuf>,
    /// Its state directory
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct FilterArgs {
    /// Only in this state
    #[arg(long, value_enum, default_value_t)]
    state: StateArg,
    /// Only at this endpoint
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// Only of this watch
    #[arg(long, value_name = "NAME")]
    watch: Option<String>,
    /// Only with such a path below the root: a glob with `*`, `?` or `[`, otherwise a part of the path
    #[arg(long, value_name = "PATTERN")]
    path: Option<PathPattern>,
    /// Only committed so long ago at most, for example 2h
    #[arg(long, value_name = "PERIOD", value_parser = period)]
    since: Option<Duration>,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum StateArg {
    /// Given up
    Dead,
    /// Not yet delivered
    Waiting,
    /// Held back: the endpoint is gone, or answered 410
    Parked,
    /// Each of these
    #[default]
    All,
}

impl EventsVerb {
    pub(super) fn asked(self) -> Events {
        let (place, ask) = match self {
            Self::List(args) => (args.place, Ask::List(args.filter.wanted(), args.limit)),
            Self::Show(args) => (args.place, Ask::Show(args.ids)),
        };
        let (journal, json) = place.found();
        Events { journal, json, ask }
    }
}

impl PlaceArgs {
    fn found(self) -> (JournalAt, bool) {
        let of_config = || Sources::of_process(self.config, Flags::default());
        let journal = self
            .state_dir
            .map_or_else(|| JournalAt::Config(Box::new(of_config())), JournalAt::StateDir);
        (journal, self.json)
    }
}

impl FilterArgs {
    fn wanted(self) -> Filter {
        let since = self.since.map(|ago| clock::wall().before(ago).0);
        Filter {
            state: match self.state {
                StateArg::Dead => Some(State::Dead),
                StateArg::Waiting => Some(State::Waiting),
                StateArg::Parked => Some(State::Parked),
                StateArg::All => None,
            },
            endpoint: self.endpoint,
            watch: self.watch,
            path: self.path,
            since_ms: since,
        }
    }
}

fn id(text: &str) -> Result<EventId, &'static str> {
    EventId::parse(text).ok_or("an id is evt_ and 32 hex digits, as `watchd events list` prints it")
}

fn period(text: &str) -> Result<Duration, String> {
    units::parse_period(text).map_err(|why| why.to_string())
}
