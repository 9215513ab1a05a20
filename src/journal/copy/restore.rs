//! Taking the copy into a database that replaces a lost one.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use rusqlite::{Connection, params};
use tracing::{info, warn};

use super::{
    COPY,
    format::{CHECKSUM_LEN, HEAD, Record},
};
use crate::journal::{
    arrivals::DONE,
    configured::is_lost,
    store::{self, StoreError},
};

/// Why there is nothing to take.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoCopy {
    #[error("there is none")]
    Missing,
    #[error("{0}")]
    Damaged(&'static str),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes over what the copy in `dir` remembers, if this database replaces one that was lost and nothing else
/// is in it yet. May be done again after a crash. A copy that is damaged is left alone: then everything is
/// announced again.
pub(in crate::journal) fn restore(db: &Connection, dir: &Path) -> Result<(), StoreError> {
    if !is_lost(db)? {
        return Ok(());
    }
    let path = dir.join(COPY);
    match open(&path).and_then(|mut file| take_over(db, &mut file)) {
        Ok(files) => {
            info!(path = %path.display(), files,
                "the journal was lost: these files are remembered from its copy; what changed since, or was not delivered, is announced again");
        }
        Err(NoCopy::Missing) => {}
        Err(NoCopy::Store(failure @ StoreError::Damaged(_))) => return Err(failure),
        Err(error) => {
            warn!(path = %path.display(), %error,
                "the copy of what was announced cannot be used, and is ignored");
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<File, NoCopy> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(NoCopy::Missing),
        other => Ok(other?),
    }
}

/// How many files were in it. What comes before a fault stays.
pub(super) fn take_over(db: &Connection, file: &mut (impl Read + Seek)) -> Result<u64, NoCopy> {
    let len = checked(file)?;
    file.rewind()?;
    let mut records = Records { from: BufReader::new(file).take(len), buffer: Vec::new() };
    if records.head()? != HEAD {
        return Err(NoCopy::Damaged("it is not a copy of ours, or of another version"));
    }
    let (mut files, mut watch) = (0, None);
    loop {
        let (page, is_last) = records.page()?;
        store::begin(db)?;
        let inserted = page.iter().try_for_each(|record| insert(db, record, &mut watch));
        store::finish(db, inserted)?;
        files += page.iter().filter(|record| matches!(record, Record::File { .. })).count() as u64;
        if is_last {
            return Ok(files);
        }
    }
}

/// Reads all of it; how much stands before the checksum.
fn checked(file: &mut (impl Read + Seek)) -> Result<u64, NoCopy> {
    let len = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    let content = len.checked_sub(CHECKSUM_LEN as u64).ok_or(NoCopy::Damaged("it is cut short"))?;
    let mut sum = blake3::Hasher::new();
    let (mut buffer, mut left) = (vec![0; 1 << 16], content);
    while left > 0 {
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let part = buffer.get_mut(..wanted).unwrap_or_default();
        file.read_exact(part)?;
        sum.update(part);
        left -= part.len() as u64;
    }
    let mut expected = [0; CHECKSUM_LEN];
    file.read_exact(&mut expected)?;
    if sum.finalize() == blake3::Hash::from_bytes(expected) {
        Ok(content)
    } else {
        Err(NoCopy::Damaged("its checksum is wrong"))
    }
}

fn insert(db: &Connection, record: &Record, watch: &mut Option<i64>) -> Result<(), StoreError> {
    match record {
        Record::Watch { name, is_scanned, filesystem } => {
            let first_scan = if *is_scanned { DONE } else { 0 };
            let sql =
                "INSERT OR IGNORE INTO watch (name, first_scan, filesystem) VALUES (?1, ?2, ?3)";
            db.execute(sql, params![name, first_scan, filesystem])?;
            let sql = "SELECT id FROM watch WHERE name = ?1";
            *watch = Some(db.query_row(sql, [name], |row| row.get(0))?);
        }
        Record::File { path, version, generation, gone_since, event } => {
            // Retention time begins anew with this database, for what was gone already, too.
            let gone_since = gone_since.map(|_| 0);
            let sql =
                "INSERT OR IGNORE INTO seen (watch, path, version, generation, event, gone_since)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let row = params![*watch, path, version, generation, event, gone_since];
            db.prepare_cached(sql)?.execute(row)?;
        }
    }
    Ok(())
}

/// The records of a file, with no more of it in memory than two of the longest and a page.
struct Records<R> {
    from: R,
    buffer: Vec<u8>,
}

impl<R: Read> Records<R> {
    fn head(&mut self) -> io::Result<Vec<u8>> {
        let mut head = vec![0; HEAD.len()];
        self.from.read_exact(&mut head)?;
        Ok(head)
    }

    /// The next records, and whether they are the last.
    fn page(&mut self) -> Result<(Vec<Record>, bool), NoCopy> {
        let more = Record::len_max() as u64;
        let read = (&mut self.from).take(more).read_to_end(&mut self.buffer)?;
        let (mut page, mut rest) = (Vec::new(), self.buffer.as_slice());
        while let Some(record) = Record::take(&mut rest) {
            page.push(record);
        }
        let left = rest.len();
        self.buffer.drain(..self.buffer.len() - left);
        if page.is_empty() && !self.buffer.is_empty() {
            return Err(NoCopy::Damaged("a record of it makes no sense"));
        }
        Ok((page, read == 0))
    }
}
