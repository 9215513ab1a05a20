//! A copy of what was announced, beside the database: when that is lost, an archive is not announced again.
//!
//! Written a page at a time between two groups of questions, so that nobody waits for it; the rows need not
//! be of one moment, for each stands for itself. A file with an event that has not ended everywhere is left
//! out: after a loss it must be announced again, and so must a dead letter.

mod format;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod restore;

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, params};
use tracing::{debug, warn};

use self::format::{HEAD, Record};
pub(super) use self::restore::restore;
use super::{
    arrivals::DONE,
    open::Open,
    store::{StoreError, sync_dir},
};
use crate::clock::{self, WallMs};

/// Name of the copy in the state directory.
const COPY: &str = "seen.copy";

/// While it is being written.
const COPY_NEW: &str = "seen.copy.new";

/// How old the copy may be.
const EVERY: Duration = Duration::from_hours(24);

/// When the first one is made: by then most of an archive is announced, and only that is copied.
const FIRST_AFTER: Duration = Duration::from_mins(10);

/// How long a copy that could not be written is left alone.
const AGAIN_AFTER: Duration = Duration::from_hours(1);

/// Rows copied between two groups of questions.
const PAGE: usize = 512;

/// Bytes between two syncs: one at the end for all of it would keep the disk from the journal.
const SYNC_EVERY: usize = 1 << 20;

/// When the next copy is due, and one that is being made.
pub(super) struct Copying {
    dir: PathBuf,
    /// `None`: the file is asked.
    due: Option<WallMs>,
    under_way: Option<Draft>,
}

/// A copy that is being written.
struct Draft {
    file: File,
    sum: blake3::Hasher,
    unsynced: usize,
    files: u64,
    /// Rows of watches that are still to be copied, the next one last.
    watches: Vec<i64>,
    /// The last path copied of the watch that is under way.
    after: Option<(i64, Vec<u8>)>,
}

impl Copying {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf(), due: None, under_way: None }
    }

    /// Whether there is a page to copy.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Begins a copy when one is due.
    pub(super) fn look(&mut self, db: &Connection) -> Result<(), StoreError> {
        let now = clock::wall();
        let due = *self.due.get_or_insert_with(|| due(&self.dir.join(COPY)));
        // A clock that was set back must not put it off for years.
        let is_due = now >= due || due.0 - now.0 > as_ms(EVERY);
        if self.is_under_way() || !is_due {
            return Ok(());
        }
        let sql = "SELECT id FROM watch WHERE first_scan = ?1 ORDER BY id DESC";
        let mut watches = db.prepare(sql)?;
        let watches: Vec<i64> =
            watches.query_map([DONE], |row| row.get(0))?.collect::<Result<_, _>>()?;
        if watches.is_empty() {
            return Ok(()); // the first one waits for the end of a first scan
        }
        match Draft::begin(&self.dir, watches) {
            Ok(draft) => self.under_way = Some(draft),
            Err(error) => self.failed(&error),
        }
        Ok(())
    }

    /// Copies one page.
    pub(super) fn step(&mut self, db: &Connection) -> Result<(), StoreError> {
        let Some(mut draft) = self.under_way.take() else { return Ok(()) };
        let page = draft.page(db)?;
        let is_last = page.is_none();
        let written = match page {
            Some(page) => draft.write(&page),
            None => draft.end(&self.dir),
        };
        match written {
            Err(error) => self.failed(&error),
            Ok(()) if is_last => {
                self.due = Some(later(EVERY));
                debug!(path = %self.dir.join(COPY).display(), files = draft.files, "copied what was announced");
            }
            Ok(()) => self.under_way = Some(draft),
        }
        Ok(())
    }

    fn failed(&mut self, error: &io::Error) {
        self.under_way = None;
        self.due = Some(later(AGAIN_AFTER));
        let _nothing_there = fs::remove_file(self.dir.join(COPY_NEW));
        warn!(path = %self.dir.join(COPY).display(), %error,
            "cannot write the copy of what was announced; it is tried again in an hour");
    }
}

impl Open {
    /// One page of the copy, if one is being made; true while there are more.
    pub(super) fn copy_on(&mut self) -> Result<bool, StoreError> {
        self.copying.step(&self.db)?;
        Ok(self.copying.is_under_way())
    }
}

impl Draft {
    fn begin(dir: &Path, watches: Vec<i64>) -> io::Result<Self> {
        let file = File::create(dir.join(COPY_NEW))?;
        let sum = blake3::Hasher::new();
        let mut draft = Self { file, sum, unsynced: 0, files: 0, watches, after: None };
        draft.put(HEAD)?;
        Ok(draft)
    }

    /// The next records, which may be none; `None` at the end.
    fn page(&mut self, db: &Connection) -> Result<Option<Vec<Record>>, StoreError> {
        let Some((watch, after)) = self.after.take() else {
            let Some(watch) = self.watches.pop() else { return Ok(None) };
            self.after = Some((watch, Vec::new()));
            return Ok(Some(vec![watch_record(db, watch)?]));
        };
        let sql = "SELECT path, version, generation, gone_since, event,
                     EXISTS (SELECT 1 FROM event e WHERE e.watch = seen.watch AND e.path = seen.path)
                   FROM seen WHERE watch = ?1 AND path > ?2 ORDER BY path LIMIT ?3";
        let mut rows = db.prepare_cached(sql)?;
        let rows = rows.query_map(params![watch, after, PAGE], |row| {
            let record = Record::File {
                path: row.get(0)?,
                version: row.get(1)?,
                generation: row.get(2)?,
                gone_since: row.get(3)?,
                event: row.get(4)?,
            };
            Ok((record, row.get::<_, bool>(5)?))
        })?;
        let rows: Vec<(Record, bool)> = rows.collect::<Result<_, _>>()?;
        if let Some((Record::File { path, .. }, _)) = rows.last() {
            self.after = Some((watch, path.clone()));
        }
        let ended = rows.into_iter().filter(|(_, is_on_its_way)| !is_on_its_way);
        Ok(Some(ended.map(|(record, _)| record).collect()))
    }

    fn write(&mut self, page: &[Record]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for record in page {
            self.files += u64::from(matches!(record, Record::File { .. }));
            record.put(&mut bytes);
        }
        self.put(&bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.file.write_all(bytes)?;
        self.unsynced += bytes.len();
        if self.unsynced >= SYNC_EVERY {
            self.unsynced = 0;
            self.file.sync_data()?;
        }
        Ok(())
    }

    /// Whole or not at all: the old copy stands until the new one is on stable storage.
    fn end(&mut self, dir: &Path) -> io::Result<()> {
        let sum = self.sum.finalize();
        self.file.write_all(sum.as_bytes())?;
        self.file.sync_all()?;
        fs::rename(dir.join(COPY_NEW), dir.join(COPY))?;
        sync_dir(dir)
    }
}

fn watch_record(db: &Connection, watch: i64) -> Result<Record, StoreError> {
    let sql = "SELECT name, filesystem FROM watch WHERE id = ?1";
    Ok(db.query_row(sql, [watch], |row| {
        Ok(Record::Watch { name: row.get(0)?, is_scanned: true, filesystem: row.get(1)? })
    })?)
}

/// When the copy at `path` is too old.
fn due(path: &Path) -> WallMs {
    let modified = fs::metadata(path).and_then(|file| file.modified()).ok();
    let since = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or_else(
        || later(FIRST_AFTER),
        |since| WallMs(as_ms(since).saturating_add(as_ms(EVERY))),
    )
}

fn later(by: Duration) -> WallMs {
    WallMs(clock::wall().0.saturating_add(as_ms(by)))
}

fn as_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
