//! The database file: opening, checking, migrating, setting aside. Only files beside this one speak SQL.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, Error as SqlError, ErrorCode, OpenFlags, config::DbConfig};
use tracing::{error, info, warn};

use super::{
    retention,
    schema::{APPLICATION_ID, MIGRATIONS, MIN_READER, VERSION},
};
use crate::{clock::WallMs, stat};

/// Bytes in a page.
const PAGE_SIZE: u64 = 4096;

/// Free pages that are left for the next burst: 1 MiB.
const FREE_PAGES_KEPT: u64 = 256;

/// Name of the database in the state directory.
pub(crate) const DATABASE: &str = "journal.db";

/// Sorted by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Roll back and try again later: the disk is full, or somebody else has the file open.
    #[error("{0}")]
    Later(String),
    /// Close the file and open it again: the disk failed, and after a failed fsync nobody knows what the
    /// page cache holds.
    #[error("{0}")]
    Reopen(String),
    /// The content is wrong: set the file aside and start a new one.
    #[error("{0}")]
    Damaged(String),
}

impl From<SqlError> for StoreError {
    /// I/O errors, a full disk and a busy file are never taken for damage: a disk that comes back must find
    /// its journal where it was.
    fn from(error: SqlError) -> Self {
        let text = error.to_string();
        match error {
            // What we ask does not change: the tables are not those that we made.
            SqlError::SqliteFailure(failure, Some(said))
            | SqlError::SqlInputError { error: failure, msg: said, .. }
                if failure.code == ErrorCode::Unknown && said.starts_with("no such ") =>
            {
                Self::Damaged(text)
            }
            SqlError::SqliteFailure(failure, _)
            | SqlError::SqlInputError { error: failure, .. } => match failure.code {
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Damaged(text),
                ErrorCode::DiskFull
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory => Self::Later(text),
                _ => Self::Reopen(text),
            },
            // A value of another type than the schema has was written by nobody of ours.
            SqlError::FromSqlConversionFailure(..)
            | SqlError::IntegralValueOutOfRange(..)
            | SqlError::InvalidColumnType(..) => Self::Damaged(text),
            _ => Self::Reopen(text),
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self::Reopen(error.to_string())
    }
}

/// Makes the state directory when it is missing, readable for its owner only.
pub(crate) fn make_dir(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// A database that can be used.
pub(crate) struct Opened {
    pub(crate) db: Connection,
    /// Whoever had it before did not close it.
    pub(crate) after_crash: bool,
}

/// Opens the database of `dir`, checked and current, or makes one. `known` says that there should be one:
/// a new one then remembers that another was lost, from its first commit on. `check` reads the whole file
/// if it was not closed cleanly.
pub(crate) fn open(dir: &Path, known: bool, check: bool) -> Result<Opened, StoreError> {
    let path = dir.join(DATABASE);
    let stopped_cleanly = fs::metadata(wal_of(&path)).map_or(0, |wal| wal.len()) == 0;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
    let is_new = fs::metadata(&path).map_or(0, |file| file.len()) == 0;
    let connection = Connection::open_with_flags(&path, flags)?;
    if is_new {
        // On a file that has content this would write its header: nothing is written before it is checked.
        connection.execute_batch("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;")?;
    }
    prepare(&connection)?;
    connection.pragma_update(None, "wal_autocheckpoint", log_pages(dir))?;
    require_ours(&connection)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > 0 && check && !stopped_cleanly {
        quick_check(&connection)?;
    }
    migrate(&connection, version, known)?;
    if !stopped_cleanly {
        make_durable(&connection)?;
    }
    sync_dir(dir)?;
    Ok(Opened { db: connection, after_crash: !is_new && !stopped_cleanly })
}

/// Exclusive before WAL: then there is no shared-memory file, and a second process is kept out. FULL: a
/// commit is on stable storage when it returns (P4). The page cache is 1 MiB (P8). The log is checkpointed
/// at 1 MiB and may keep twice that: growing a file anew costs more than writing over it (measured).
fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(Duration::from_secs(2))?;
    connection.set_prepared_statement_cache_capacity(64);
    // Else a statement whose plan could depend on what is bound is parsed anew whenever that changes: for
    // each event that was fetched (measured).
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA cache_size = -1024;
         PRAGMA journal_size_limit = 2097152;
         PRAGMA temp_store = MEMORY;
         PRAGMA trusted_schema = OFF;",
    )?;
    Ok(())
}

/// What stands in the log that was found may be in the page cache only: the process died, or a sync failed,
/// between writing it and having it on the disk. A checkpoint syncs the log and writes it anew, into the
/// database, and syncs that; before it nothing of it may be sent (P4). Where the database has no room to
/// grow, the log alone is synced.
fn make_durable(connection: &Connection) -> Result<(), StoreError> {
    match make_room(connection) {
        Ok(()) | Err(StoreError::Later(_)) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// Begins a transaction; [`finish`] ends it.
pub(crate) fn begin(connection: &Connection) -> Result<(), StoreError> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    Ok(())
}

/// Commits if `work` went well, and rolls back if it or the commit did not.
pub(crate) fn finish<T>(
    connection: &Connection,
    work: Result<T, StoreError>,
) -> Result<T, StoreError> {
    let outcome = work.and_then(|done| {
        connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(done)
    });
    if outcome.is_err() {
        // SQLite may have rolled back by itself; then there is nothing to roll back.
        let _already = connection.execute_batch("ROLLBACK");
    }
    outcome
}

/// Empties the log into the database, so that the next commit writes over it: on a full disk that is all
/// the room there is, and it is not given away.
pub(crate) fn make_room(connection: &Connection) -> Result<(), StoreError> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))?)
}

/// How much of the database file is free for new rows.
pub(crate) fn free_bytes(connection: &Connection) -> Result<u64, StoreError> {
    Ok(free_pages(connection)? * PAGE_SIZE)
}

fn free_pages(connection: &Connection) -> Result<u64, StoreError> {
    Ok(connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?)
}

/// Gives free pages back to the file system, a few at a time.
pub(crate) fn give_back(connection: &Connection) -> Result<(), StoreError> {
    if free_pages(connection)? >= FREE_PAGES_KEPT {
        // One step of this statement frees one page.
        let mut vacuum = connection.prepare("PRAGMA incremental_vacuum(1024)")?;
        let mut pages = vacuum.query([])?;
        while pages.next()?.is_some() {}
    }
    Ok(())
}

/// Pages in the log before it is emptied into the database. On a small disk a sixteenth of it: emptying may
/// make the database grow by as much, and has to fit into what new events leave alone.
fn log_pages(dir: &Path) -> u64 {
    let total = stat::space(dir).map_or(u64::MAX, |space| space.total);
    (total / 16 / PAGE_SIZE).clamp(16, 256)
}

/// A database of another program, put here by mistake, is not migrated but moved out of the way.
fn require_ours(connection: &Connection) -> Result<(), StoreError> {
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let id: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if tables > 0 && id != APPLICATION_ID {
        return Err(StoreError::Damaged(format!(
            "not a journal of watchd (application id {id:#x})"
        )));
    }
    Ok(())
}

/// After an unclean stop only: it reads the whole file.
fn quick_check(connection: &Connection) -> Result<(), StoreError> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(StoreError::Damaged(verdict)) }
}

fn migrate(connection: &Connection, found: i64, known: bool) -> Result<(), StoreError> {
    if found > VERSION {
        return accept_newer(connection, found);
    }
    if found == 0 {
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    let done = usize::try_from(found).unwrap_or(0);
    for (at, script) in MIGRATIONS.iter().enumerate().skip(done) {
        // With the very first commit, or a crash right after it would pass for a first start.
        let is_lost = at == 0 && known;
        let lost = if is_lost { "INSERT INTO meta (key, value) VALUES ('lost', 1);" } else { "" };
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {script} {lost}
             INSERT OR REPLACE INTO meta (key, value) VALUES ('min_reader', {MIN_READER});
             PRAGMA user_version = {}; COMMIT;",
            at + 1
        ))?;
    }
    Ok(())
}

/// A journal written by a newer watchd: usable when that one said so.
fn accept_newer(connection: &Connection, found: i64) -> Result<(), StoreError> {
    let sql = "SELECT value FROM meta WHERE key = 'min_reader'";
    let min_reader: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    if min_reader <= VERSION {
        warn!(found, known = VERSION, "the journal was written by a newer watchd, and can be used");
        return Ok(());
    }
    Err(StoreError::Damaged(format!(
        "written by a newer watchd (version {found}, we know {VERSION})"
    )))
}

/// Moves the database and its log out of the way: kept for whoever wants to look, at most
/// [`retention::SET_ASIDE_MAX`] of them.
pub(crate) fn set_aside(dir: &Path, now: WallMs, reason: &str) -> io::Result<()> {
    let from = dir.join(DATABASE);
    let kept = dir.join(format!("{DATABASE}.damaged-{:013}", now.0));
    if from.exists() {
        fs::rename(&from, &kept)?;
    }
    if wal_of(&from).exists() {
        fs::rename(wal_of(&from), wal_of(&kept))?;
    }
    sync_dir(dir)?;
    error!(path = %from.display(), kept = %kept.display(), reason,
        "the journal is damaged: set aside, rebuilding it by scan; files still present are announced again under their old ids");
    if let Err(error) = prune(dir) {
        warn!(path = %dir.display(), %error, "cannot remove old set-aside journals");
    }
    Ok(())
}

fn prune(dir: &Path) -> io::Result<()> {
    let prefix = format!("{DATABASE}.damaged-");
    let names = fs::read_dir(dir)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let kept = names.filter(|n| n.starts_with(&prefix) && !n.ends_with("-wal")).collect();
    for name in retention::superfluous(kept) {
        info!(path = %dir.join(&name).display(), "removing an old set-aside journal");
        fs::remove_file(dir.join(&name))?;
        let _no_log = fs::remove_file(wal_of(&dir.join(&name)));
    }
    Ok(())
}

/// SQLite's name for the write-ahead log of a database.
pub(crate) fn wal_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Makes renames and new files of `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}
