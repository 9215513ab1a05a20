//! What is forgotten, a page at a time between two groups of questions: an archive of millions of files that was
//! removed must neither keep everybody from the journal, nor fill the disk with its log.

use rusqlite::{Connection, OptionalExtension, params};
use tracing::warn;

use super::{
    open::Open,
    store::{self, StoreError},
};

/// Rows in one transaction. Each may change a page of the table and one of an index, which is the 2 MiB that the log
/// may have.
pub(super) const PAGE: u64 = 256;

/// What is under way. Nothing of it is stored: after a restart it begins again.
#[derive(Debug, Default)]
pub(super) struct Forgetting {
    /// Rows of watches that are not configured, and the last path of each that is done.
    removed: Vec<(i64, Vec<u8>)>,
    /// There may be tombstones that are old enough, or dead letters that are too many.
    rest: bool,
    /// Dead letters so far.
    buried: u64,
}

impl Forgetting {
    /// Begins with the files of these watches.
    pub(super) fn of_removed(watches: Vec<i64>) -> Self {
        let removed = watches.into_iter().map(|watch| (watch, Vec::new())).collect();
        Self { removed, ..Self::default() }
    }

    /// Looks for what may be forgotten.
    pub(super) fn begin(&mut self) {
        self.rest = true;
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.rest || !self.removed.is_empty()
    }
}

/// How far one page got.
enum Page {
    /// Up to this path of the watch in hand, or to the end of it.
    Removed(Option<Vec<u8>>),
    Rest {
        buried: u64,
        is_last: bool,
    },
}

impl Open {
    /// One page of what is being forgotten, if anything is; true while there is more.
    pub(super) fn forget_on(&mut self) -> Result<bool, StoreError> {
        if !self.forgetting.is_under_way() {
            return Ok(false);
        }
        store::begin(&self.db)?;
        let page = self.forget_page();
        match store::finish(&self.db, page)? {
            Page::Removed(Some(end)) => {
                if let Some((_, path)) = self.forgetting.removed.last_mut() {
                    *path = end;
                }
            }
            Page::Removed(None) => drop(self.forgetting.removed.pop()),
            Page::Rest { buried, is_last } => self.rest_forgotten(buried, is_last)?,
        }
        Ok(self.forgetting.is_under_way())
    }

    fn forget_page(&mut self) -> Result<Page, StoreError> {
        if let Some((watch, after)) = self.forgetting.removed.last() {
            let end = bury_page(&self.db, *watch, after, self.retention.now_ms)?;
            return Ok(Page::Removed(end));
        }
        let forgotten = forget_tombstones(&self.db, self.retention.tombstones_before())?;
        let keep = self.configured.dead_max;
        let buried = self.deliveries().bury_oldest(keep, PAGE)?;
        Ok(Page::Rest { buried, is_last: forgotten < PAGE && buried < PAGE })
    }

    fn rest_forgotten(&mut self, buried: u64, is_last: bool) -> Result<(), StoreError> {
        self.forgetting.rest = !is_last;
        self.forgetting.buried += buried;
        if !is_last {
            return Ok(());
        }
        let buried = std::mem::take(&mut self.forgetting.buried);
        if buried > 0 {
            warn!(buried, "the oldest dead letters were removed: state.dead_max_events is reached");
        }
        store::give_back(&self.db)
    }
}

/// Files of a watch that is not configured become tombstones: when it is back in time, they are not announced
/// again. The last path that was looked at; `None` at the end.
fn bury_page(
    db: &Connection,
    watch: i64,
    after: &[u8],
    retention_ms: i64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql =
        "SELECT path FROM seen WHERE watch = ?1 AND path > ?2 ORDER BY path LIMIT 1 OFFSET ?3";
    let mut end = db.prepare_cached(sql)?;
    let end: Option<Vec<u8>> =
        end.query_row(params![watch, after, PAGE - 1], |row| row.get(0)).optional()?;
    let update =
        "UPDATE seen SET gone_since = ?3 WHERE watch = ?1 AND path > ?2 AND gone_since IS NULL";
    match &end {
        Some(end) => {
            let sql = format!("{update} AND path <= ?4");
            db.prepare_cached(&sql)?.execute(params![watch, after, retention_ms, end])?;
        }
        None => {
            db.prepare_cached(update)?.execute(params![watch, after, retention_ms])?;
        }
    }
    Ok(end)
}

/// Forgets a page of tombstones from before `before`; how many. Not while an event of the file is on its way:
/// `seen` is how its next one finds it.
fn forget_tombstones(db: &Connection, before: i64) -> Result<u64, StoreError> {
    let sql = "DELETE FROM seen WHERE (watch, path) IN (
                 SELECT watch, path FROM seen WHERE gone_since IS NOT NULL AND gone_since < ?1
                 AND NOT EXISTS (SELECT 1 FROM event WHERE event.watch = seen.watch AND event.path = seen.path)
                 LIMIT ?2)";
    let forgotten = db.prepare_cached(sql)?.execute(params![before, PAGE])?;
    Ok(forgotten as u64)
}
