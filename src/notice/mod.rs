//! What the daemon has to say about itself: lifecycle notices for the operations endpoint.
//!
//! Any thread may [`Notices::tell`]; it never waits. `desk` decides when a notice goes out: at most once a
//! minute for each kind and subject, with a count. Who takes them from here to the journal is the daemon's
//! business; a notice that dies with the process before that is no loss of an event.

mod desk;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::{sync::Notify, time::sleep_until};

use self::desk::Desk;
use crate::{arrival::Name, clock};

/// The kinds of notices; the name of each is part of the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The daemon has started.
    Started,
    /// An endpoint counts as down, or wants nothing more.
    EndpointFailing,
    /// It is back.
    EndpointRecovered,
    /// An event was given up at an endpoint.
    EventDead,
    /// Files of a watch wait in their directory: the journal has no room.
    OutboxFull,
    /// The directory of a watch is not there.
    WatchSuspended,
    /// It is back.
    WatchResumed,
    /// A file does not settle.
    FileStuck,
}

impl Kind {
    /// The `type` of its body.
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "watchd.started",
            Self::EndpointFailing => "watchd.endpoint.failing",
            Self::EndpointRecovered => "watchd.endpoint.recovered",
            Self::EventDead => "watchd.event.dead",
            Self::OutboxFull => "watchd.outbox.full",
            Self::WatchSuspended => "watchd.watch.suspended",
            Self::WatchResumed => "watchd.watch.resumed",
            Self::FileStuck => "watchd.file.stuck",
        }
    }
}

/// Whom a notice is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// The daemon as a whole.
    Daemon,
    /// One endpoint.
    Endpoint(Name),
    /// One watch.
    Watch(Name),
}

impl About {
    /// Where the journal keeps it: a path that no file below a root can have, for it is absolute.
    pub fn path(&self) -> String {
        match self {
            Self::Daemon => "/daemon".to_owned(),
            Self::Endpoint(name) => format!("/endpoint/{name}"),
            Self::Watch(name) => format!("/watch/{name}"),
        }
    }
}

/// One value in a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Fact {
    /// Bounded by whoever says it, and free of secrets (P10).
    Text(String),
    /// In the unit that its key names.
    Number(u64),
    /// Whether.
    Flag(bool),
}

/// One notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What happened.
    pub kind: Kind,
    /// To whom.
    pub about: About,
    /// More, in the order of the body.
    pub facts: Vec<(&'static str, Fact)>,
}

impl Notice {
    /// Without facts.
    pub fn new(kind: Kind, about: About) -> Self {
        Self { kind, about, facts: Vec::new() }
    }

    /// With one text more.
    #[must_use]
    pub fn text(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.facts.push((key, Fact::Text(value.into())));
        self
    }

    /// With one number more.
    #[must_use]
    pub fn number(mut self, key: &'static str, value: u64) -> Self {
        self.facts.push((key, Fact::Number(value)));
        self
    }

    /// With one flag more.
    #[must_use]
    pub fn flag(mut self, key: &'static str, value: bool) -> Self {
        self.facts.push((key, Fact::Flag(value)));
        self
    }
}

/// A notice that is to go out, and how often it happened since the last one of its kind and subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The last of them.
    pub notice: Notice,
    /// At least 1.
    pub count: u64,
}

/// Where notices are told, and taken. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub struct Notices(Arc<Place>);

#[derive(Debug, Default)]
struct Place {
    desk: Mutex<Desk>,
    bell: Notify,
}

impl Notices {
    /// Says it. Never waits longer than another notice takes.
    pub fn tell(&self, notice: Notice) {
        self.desk().note(notice, clock::mono());
        self.0.bell.notify_one();
    }

    /// Waits until one may go out, and takes it.
    pub async fn next(&self) -> Told {
        loop {
            let (told, wake_at) = {
                let mut desk = self.desk();
                let now = clock::mono();
                (desk.take(now), desk.next(now))
            };
            if let Some(told) = told {
                return told;
            }
            match wake_at {
                Some(at) => tokio::select! {
                    () = self.0.bell.notified() => {}
                    () = sleep_until(at.into()) => {}
                },
                None => self.0.bell.notified().await,
            }
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
