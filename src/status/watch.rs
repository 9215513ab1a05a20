//! What is watched, and which files are waited for.

use std::sync::atomic::Ordering::Relaxed;

use serde::{Deserialize, Serialize};

use super::Moment;
use crate::{
    arrival::{RelPath, Shown},
    vitals::{self, Lateness, Sight, WatchVitals},
};

/// A file that is not seen again by so many whole scans is gone.
const SCANS_UNSEEN: u64 = 2;

/// One watch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Watch {
    /// Its name.
    pub name: String,
    /// What is watched.
    pub path: String,
    /// `starting`, `watching`, `suspended` or `hanging`.
    pub state: String,
    /// Why it is not watching.
    pub reason: Option<String>,
    /// For how long it is not.
    pub for_s: Option<u64>,
    /// `events` or `poll`; empty before the first scan has ended.
    pub backend: String,
    /// The kind of file system; empty before the first scan has ended.
    pub filesystem: String,
    /// Directories that the kernel watches.
    pub directories: u64,
    /// Directories that are scanned instead.
    pub polled_directories: u64,
    /// Directories that cannot be read.
    pub unreadable_directories: u64,
    /// The last scan of everything.
    pub last_scan: Option<LastScan>,
    /// Whole scans since the start of the daemon.
    pub scans: u64,
    /// Times since then that the kernel lost events.
    pub overflows: u64,
    /// Files since then that became events.
    pub recorded: u64,
    /// Files since then that settled as they were announced before.
    pub known: u64,
    /// Files since then that were too small or too large when they had settled.
    pub ignored: u64,
    /// Files since then that settled and could not be asked for their writers, where others can.
    pub unasked: u64,
    /// What is waited for.
    pub waiting: Waiting,
}

/// A scan that has ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LastScan {
    /// Since then.
    pub ago_s: u64,
    /// How long it took.
    pub took_ms: u64,
    /// Files that it met and that are too small or too large.
    pub ignored: u64,
}

/// Files that are not announced yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// Whose quiet period is not over.
    pub changed: u64,
    /// That somebody has open for writing.
    pub open_for_writing: u64,
    /// That the journal had no room for.
    pub no_room: u64,
    /// Those that have been waiting for longest, and those that lack a marker or cannot be looked at.
    pub files: Vec<File>,
    /// How many of the first three are not among `files`.
    pub more: u64,
}

/// One file that is not announced yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct File {
    /// Below the root.
    pub path: String,
    /// In bytes, as far as it is known.
    pub size: Option<u64>,
    /// Since it was first seen.
    pub since_s: u64,
    /// Why it is not announced.
    pub why: Why,
    /// Since it changed, or was first seen open for writing.
    pub why_s: Option<u64>,
    /// What the file system said.
    pub error: Option<String>,
}

/// Why a file is not announced yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Its quiet period is not over.
    Changed,
    /// A process has it open for writing.
    OpenForWriting,
    /// The journal has no room.
    NoRoom,
    /// The file that releases it is not there.
    NoMarker,
    /// It cannot be looked at.
    Unclear,
}

impl Watch {
    pub(super) fn of((name, vitals): &vitals::Watch, now: Moment) -> Self {
        let looks = vitals.state();
        let (state, reason, for_s) = state(vitals, &looks.sight, now);
        Self {
            name: name.to_string(),
            path: Shown(vitals.path().as_os_str().as_encoded_bytes()).to_string(),
            state: state.to_owned(),
            reason,
            for_s,
            backend: looks.backend.to_owned(),
            filesystem: looks.filesystem.to_owned(),
            directories: looks.armed,
            polled_directories: looks.polled,
            unreadable_directories: looks.unreadable,
            last_scan: looks.last_scan.map(|scan| LastScan {
                ago_s: now.since(scan.ended),
                took_ms: u64::try_from(scan.took.as_millis()).unwrap_or(u64::MAX),
                ignored: scan.other_size,
            }),
            scans: vitals.scans(),
            overflows: vitals.overflows.load(Relaxed),
            recorded: vitals.recorded.load(Relaxed),
            known: vitals.known.load(Relaxed),
            ignored: vitals.ignored.load(Relaxed),
            unasked: vitals.unasked.load(Relaxed),
            waiting: Waiting::of(vitals, now),
        }
    }
}

fn state(
    vitals: &WatchVitals,
    sight: &Sight,
    now: Moment,
) -> (&'static str, Option<String>, Option<u64>) {
    let beats = [&vitals.looks, &vitals.settles];
    let hangs = beats.into_iter().find_map(|beat| match beat.lateness(now.mono)? {
        Lateness::Hangs(since) => Some(now.since(since)),
        _ => None,
    });
    if hangs.is_some() {
        return ("hanging", Some("its file system does not answer".to_owned()), hangs);
    }
    match sight {
        Sight::None => ("starting", None, None),
        Sight::Watching => ("watching", None, None),
        Sight::Suspended { since, reason } => {
            ("suspended", Some(reason.clone()), Some(now.since(*since)))
        }
    }
}

impl Waiting {
    fn of(vitals: &WatchVitals, now: Moment) -> Self {
        let (list, scans) = (vitals.waiting(), vitals.scans());
        let aside = list.aside.iter().filter(|(_, met)| scans <= met + SCANS_UNSEEN);
        let aside: Vec<_> = aside.map(|(waiting, _)| waiting).collect();
        // One that is set aside again and again is looked at in between; that is not why it waits.
        let is_aside = |path: &RelPath| aside.iter().any(|waiting| waiting.path == *path);
        let active: Vec<_> = list.oldest.iter().filter(|w| !is_aside(&w.path)).collect();
        let hidden = list.oldest.len() - active.len();
        let all = list.changed + list.open + list.no_room;
        let more = all.saturating_sub((active.len() + hidden) as u64);
        Self {
            changed: list.changed.saturating_sub(hidden as u64),
            open_for_writing: list.open,
            no_room: list.no_room,
            files: active.into_iter().chain(aside).map(|file| File::of(file, now)).collect(),
            more,
        }
    }
}

impl File {
    fn of(file: &vitals::Waiting, now: Moment) -> Self {
        let (why, why_s, error) = match &file.why {
            vitals::Why::Changed { at } => (Why::Changed, Some(now.since(*at)), None),
            vitals::Why::OpenForWriting { since } => {
                (Why::OpenForWriting, Some(now.since(*since)), None)
            }
            vitals::Why::NoRoom => (Why::NoRoom, None, None),
            vitals::Why::NoMarker => (Why::NoMarker, None, None),
            vitals::Why::Unclear { error } => (Why::Unclear, None, Some(error.clone())),
        };
        let (path, since_s) = (file.path.to_string(), now.since(file.since));
        Self { path, size: file.size, since_s, why, why_s, error }
    }
}
