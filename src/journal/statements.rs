//! The statements of one batch. The connection keeps parsed statements by their text: to hash and compare that for
//! every row cost a seventh of the journal's time (measured), so that a batch asks for each of its statements once.

use std::collections::{BTreeMap, btree_map::Entry};

use rusqlite::{CachedStatement, Connection};

use super::store::StoreError;

/// Statements in use, by where their text stands. Dropped, they go back to the connection.
pub(crate) struct Statements<'db> {
    db: &'db Connection,
    held: BTreeMap<(*const u8, usize), CachedStatement<'db>>,
}

impl<'db> Statements<'db> {
    /// None yet.
    pub(crate) fn new(db: &'db Connection) -> Self {
        Self { db, held: BTreeMap::new() }
    }

    /// The statement `sql`, parsed.
    pub(crate) fn get(
        &mut self,
        sql: &'static str,
    ) -> Result<&mut CachedStatement<'db>, StoreError> {
        Ok(match self.held.entry((sql.as_ptr(), sql.len())) {
            Entry::Occupied(held) => held.into_mut(),
            Entry::Vacant(new) => new.insert(self.db.prepare_cached(sql)?),
        })
    }
}
