//! The tables, and how an older journal becomes a current one.
//!
//! Migrations only add. `user_version` counts them; `min_reader` in `meta` is the oldest version whose code
//! still reads this journal correctly, so that a binary that was rolled back knows whether it may.

/// Says whose database it is (`file`(1) reads it too): "wtch".
pub(crate) const APPLICATION_ID: i64 = 0x7774_6368;

/// What this code writes.
pub(crate) const VERSION: i64 = 2;

/// The oldest code that reads what this code writes.
pub(crate) const MIN_READER: i64 = 1;

/// One entry per version, from an empty file on.
pub(crate) const MIGRATIONS: &[&str] = &[V1, V2];

/// * `seen`: one row per file, the last version that was committed. `event` is empty for a baseline.
///   `gone_since` is in retention time.
/// * `event`: one row per arrival, until every delivery has ended.
/// * A notice of the daemon about itself is an event, too: its path begins with a slash, which no file's does.
/// * `delivery`: state 0 waits, 1 is dead, 2 is parked (its endpoint is not configured). `behind` is the event of the same path that must end first.
const V1: &str = "
CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
CREATE TABLE watch (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
  first_scan INTEGER NOT NULL, filesystem INTEGER
) STRICT;
CREATE TABLE endpoint (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, parked_url BLOB
) STRICT;
CREATE TABLE seen (
  watch INTEGER NOT NULL, path BLOB NOT NULL, version BLOB NOT NULL,
  generation INTEGER NOT NULL, event BLOB NOT NULL, gone_since INTEGER,
  PRIMARY KEY (watch, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX tombstone ON seen (gone_since) WHERE gone_since IS NOT NULL;
CREATE TABLE event (
  seq INTEGER PRIMARY KEY, id BLOB NOT NULL, watch INTEGER NOT NULL, path BLOB NOT NULL,
  committed_ms INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE INDEX event_path ON event (watch, path);
CREATE TABLE delivery (
  seq INTEGER NOT NULL, endpoint INTEGER NOT NULL, state INTEGER NOT NULL, behind INTEGER,
  next_ms INTEGER NOT NULL, attempts INTEGER NOT NULL,
  class TEXT, status INTEGER, reason TEXT, tried_ms INTEGER,
  PRIMARY KEY (seq, endpoint)
) STRICT, WITHOUT ROWID;
CREATE INDEX due ON delivery (endpoint, next_ms, seq) WHERE state = 0 AND behind IS NULL;
CREATE INDEX follower ON delivery (endpoint, behind) WHERE behind IS NOT NULL;
CREATE INDEX dead ON delivery (seq) WHERE state = 1;
";

/// * `attempt`: failed attempts of deliveries that have not ended well; `at_ms` is wall time. The trigger, not
///   our code, removes them with their delivery: version 1 knows nothing of them and still may use the journal.
const V2: &str = "
CREATE TABLE attempt (
  id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, endpoint INTEGER NOT NULL,
  at_ms INTEGER NOT NULL, took_ms INTEGER NOT NULL,
  class TEXT NOT NULL, status INTEGER, reason TEXT NOT NULL, answer TEXT NOT NULL
) STRICT;
CREATE INDEX attempt_of ON attempt (seq, endpoint);
CREATE TRIGGER attempt_ends AFTER DELETE ON delivery
BEGIN DELETE FROM attempt WHERE seq = OLD.seq AND endpoint = OLD.endpoint; END;
";
