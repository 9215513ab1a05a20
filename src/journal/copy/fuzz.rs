//! Any bytes as what stands between the head of a copy and its checksum.

use std::{cell::RefCell, io::Cursor};

use rusqlite::Connection;

use super::{
    HEAD, Record,
    restore::{NoCopy, take_over},
};
use crate::{arrival::Version, journal::schema::MIGRATIONS};

/// All of it is taken over, or up to a record that makes no sense; what is then remembered can be read, and is
/// the same when it is taken over once more.
pub(crate) fn copy(bytes: &[u8]) {
    let (records, is_whole) = taken(bytes);
    for record in &records {
        let mut put = Vec::new();
        record.put(&mut put);
        assert_eq!(taken(&put), (vec![record.clone()], true), "what was put is taken");
        let part = put.get(..put.len() - 1).unwrap_or_default();
        assert_eq!(taken(part), (Vec::new(), false), "a part of it is not");
    }
    let files = records.iter().filter(|record| matches!(record, Record::File { .. })).count();
    with_database(|db| {
        let restored = restored(db, bytes);
        match restored {
            Ok(count) => assert_eq!((count, is_whole), (files as u64, true)),
            Err(NoCopy::Damaged(_)) => assert!(!is_whole, "all of it makes sense"),
            Err(other) => assert!(records.is_empty(), "{other}"),
        }
        let seen = seen(db);
        assert!(seen.len() <= files, "{} rows of {files} records", seen.len());
        let _the_same = self::restored(db, bytes);
        assert_eq!(self::seen(db), seen, "taken over once more");
    });
}

/// The records at the front, and whether nothing is left behind them.
fn taken(mut bytes: &[u8]) -> (Vec<Record>, bool) {
    let records = std::iter::from_fn(|| Record::take(&mut bytes)).collect();
    (records, bytes.is_empty())
}

fn restored(db: &Connection, records: &[u8]) -> Result<u64, NoCopy> {
    let mut file = [HEAD, records].concat();
    let sum = blake3::hash(&file);
    file.extend(sum.as_bytes());
    take_over(db, &mut Cursor::new(file))
}

/// What a watch would be told of each file.
fn seen(db: &Connection) -> Vec<(i64, Vec<u8>, Version, i64)> {
    let sql = "SELECT watch, path, version, generation FROM seen ORDER BY watch, path";
    let rows = db.prepare_cached(sql).and_then(|mut rows| {
        let row = |row: &rusqlite::Row<'_>| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?, row.get(3)?))
        };
        rows.query_map([], row)?.collect::<Result<Vec<_>, _>>()
    });
    let decoded = |(watch, path, version, generation): (i64, Vec<u8>, Vec<u8>, i64)| {
        Some((watch, path, Version::from_bytes(&version)?, generation))
    };
    let decoded = rows.ok().map(|rows| rows.into_iter().map(decoded).collect());
    let seen: Option<Option<Vec<_>>> = decoded;
    assert!(matches!(seen, Some(Some(_))), "what is remembered can be read");
    seen.flatten().unwrap_or_default()
}

/// One database for all, empty each time: making one takes longer than everything else here.
fn with_database(work: impl FnOnce(&Connection)) {
    thread_local! {
        static DATABASE: RefCell<Option<Connection>> = const { RefCell::new(None) };
    }
    DATABASE.with_borrow_mut(|kept| {
        let made = || {
            let db = Connection::open_in_memory().ok()?;
            MIGRATIONS.iter().try_for_each(|script| db.execute_batch(script)).ok()?;
            Some(db)
        };
        let db = kept.take().or_else(made);
        assert!(db.is_some(), "a database in memory");
        if let Some(db) = db {
            let emptied = db.execute_batch("DELETE FROM seen; DELETE FROM watch");
            assert!(emptied.is_ok(), "{emptied:?}");
            work(&db);
            *kept = Some(db);
        }
    });
}
