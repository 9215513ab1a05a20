//! Where events are read: from the running daemon, or from a copy of its journal.

use std::{io, path::PathBuf};

use serde::de::DeserializeOwned;

use crate::{
    control::{Ask, Client, Listed, NoAnswer, Shown, Treated},
    journal::{
        look::{Detail, Filter, Place, Row},
        snapshot::{Snapshot, SnapshotError},
    },
    operator::place,
};

/// Whole events read from a copy at once.
const SHOWN_MAX: usize = 100;

pub(super) enum Source {
    Daemon(Client),
    Copy(Box<Snapshot>),
}

/// Why a command did not get to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Asking(#[from] NoAnswer),
    #[error("{0}; name another with --state-dir")]
    Copying(#[from] SnapshotError),
    #[error(
        "the daemon has to run for this, for only it writes into its journal; nobody listens at {}", .0.display()
    )]
    MustRun(PathBuf),
    #[error("cannot start: {0}")]
    Start(io::Error),
    /// A reader that went away, such as `head`, is no success, and needs no words.
    #[error(transparent)]
    Printing(#[from] io::Error),
}

impl Source {
    /// The daemon if it runs; otherwise a copy.
    pub(super) fn open(place: &place::Place) -> Result<Self, Failed> {
        let client = place.client().map_err(Failed::Start)?;
        let probe = Ask { limit: Some(0), ..Ask::default() };
        match client.post::<Listed>("/events/list", &probe) {
            Ok(_) => Ok(Self::Daemon(client)),
            // What is on disk can be read whatever the daemon does.
            Err(NoAnswer::Down(_) | NoAnswer::Refused(_) | NoAnswer::Broken { .. }) => {
                Ok(Self::Copy(Box::new(Snapshot::take(&place.state_dir)?)))
            }
            Err(forbidden @ NoAnswer::Forbidden(_)) => Err(forbidden.into()),
        }
    }

    /// A page of the list.
    pub(super) fn list(
        &self,
        filter: &Filter,
        after: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<Row>, Option<Place>), Failed> {
        match self {
            Self::Daemon(client) => {
                let Listed { events, next } = ask(client, "list", filter, after, Some(limit))?;
                Ok((events, next))
            }
            Self::Copy(copy) => {
                let page = copy.list(filter, after.unwrap_or(Place::START), limit)?;
                Ok((page.events.into_iter().map(|(_, row)| row).collect(), page.next))
            }
        }
    }

    /// A page of whole events.
    pub(super) fn show(
        &self,
        filter: &Filter,
        after: Option<Place>,
    ) -> Result<(Vec<Detail>, Option<Place>), Failed> {
        let copy = match self {
            Self::Daemon(client) => {
                let Shown { events, next } = ask(client, "show", filter, after, None)?;
                return Ok((events, next));
            }
            Self::Copy(copy) => copy,
        };
        let page = copy.list(filter, after.unwrap_or(Place::START), SHOWN_MAX)?;
        let mut places: Vec<Place> = page.events.into_iter().map(|(place, _)| place).collect();
        places.dedup_by(|later, earlier| later.is_of_same_event(*earlier));
        let mut details = Vec::new();
        for place in places {
            details.extend(copy.show(place)?);
        }
        Ok((details, page.next))
    }
}

/// Retries or discards a page of the list. Only the daemon can.
pub(super) fn treat(
    client: &Client,
    verb: &str,
    filter: &Filter,
    after: Option<Place>,
) -> Result<Treated, Failed> {
    ask(client, verb, filter, after, None)
}

fn ask<A: DeserializeOwned>(
    client: &Client,
    verb: &str,
    filter: &Filter,
    after: Option<Place>,
    limit: Option<usize>,
) -> Result<A, Failed> {
    let ask = Ask { filter: filter.clone(), after, limit };
    Ok(client.post(&format!("/events/{verb}"), &ask)?)
}
