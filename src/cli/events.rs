//! `watchd events ...`: which events, and what is to be done with them.

use std::time::Duration;

use clap::{Args, CommandFactory, Subcommand, ValueEnum, error::ErrorKind};

use super::{Cli, place::PlaceArgs};
use crate::{
    arrival::EventId,
    clock,
    config::units,
    journal::look::{Filter, PathPattern, State},
    operator::place::Which,
};

/// Rows that `list` prints unless told otherwise.
const LIST_DEFAULT: usize = 1000;

/// A command about events.
pub struct Events {
    /// Whose.
    pub place: Which,
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
    /// Send those that fit again.
    Retry(Filter),
    /// Forget those that fit.
    Discard(Filter),
}

#[derive(Subcommand)]
pub(super) enum EventsVerb {
    /// List events that are not delivered, oldest first; exit code 1 when there is none
    List(Box<ListArgs>),
    /// Show events with their body and their last attempts; exit code 1 when one is not there
    Show(ShowArgs),
    /// Send events again, dead ones with all their attempts, under their old ids; exit code 1 when there is none
    Retry(Box<TreatArgs>),
    /// Forget events: they are not sent any more; asks nothing, prints what it did; exit code 1 when there is none
    Discard(Box<TreatArgs>),
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
pub(super) struct TreatArgs {
    /// As listed: evt_ and 32 digits
    #[arg(value_name = "ID", required_unless_present = "all", value_parser = id)]
    ids: Vec<EventId>,
    /// All that fit; --endpoint, --watch, --path, --since or --state has to say which
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    place: PlaceArgs,
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
    pub(super) fn asked(self) -> Result<Events, clap::Error> {
        let (place, ask) = match self {
            Self::List(args) => (args.place, Ask::List(args.filter.wanted(), args.limit)),
            Self::Show(args) => (args.place, Ask::Show(args.ids)),
            Self::Retry(args) => {
                let (place, filter) = args.wanted()?;
                (place, Ask::Retry(filter))
            }
            Self::Discard(args) => {
                let (place, filter) = args.wanted()?;
                (place, Ask::Discard(filter))
            }
        };
        let (place, json) = place.found();
        Ok(Events { place, json, ask })
    }
}

impl TreatArgs {
    /// A slip of the hand must not treat everything.
    fn wanted(self) -> Result<(PlaceArgs, Filter), clap::Error> {
        let filter = Filter { ids: self.ids, ..self.filter.wanted() };
        if !filter.is_empty() {
            return Ok((self.place, filter));
        }
        let message =
            "--all needs to be told which: --state, --endpoint, --watch, --path or --since";
        Err(<Cli as CommandFactory>::command().error(ErrorKind::MissingRequiredArgument, message))
    }
}

impl FilterArgs {
    fn wanted(self) -> Filter {
        let since = self.since.map(|ago| clock::wall().before(ago).0);
        Filter {
            ids: Vec::new(),
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
