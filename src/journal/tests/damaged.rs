//! Whatever bytes stand in the journal's files: no panic, no wait without end, and a journal that works afterwards.

use std::{fs, path::Path, sync::Arc, time::Duration};

use proptest::prelude::*;
use tokio::{sync::oneshot, time::advance};

use super::{super::*, name, version};
use crate::{
    arrival::{Conclusion, Found, Present, Recorded, RelPath, Settled},
    clock,
    config::{self, Sources, checked::Config},
    journal::{
        look::{Filter, Place},
        source::Source,
        store::{DATABASE, wal_of},
    },
};

const FILES: u64 = 40;

fn config(dir: &Path) -> Config {
    let file = dir.join("watchd.toml");
    let text =
        "instance = \"i\"\n[watch.w]\npath = \"/r\"\n[endpoint.a]\nurl = \"http://127.0.0.1:9/\"\n";
    fs::write(&file, format!("{text}[state]\ndir = {:?}\n", dir.join("state"))).unwrap();
    let sources = Sources { config: Some(file), ..Sources::default() };
    config::load(&sources).unwrap_or_else(|problems| panic!("{problems}")).config
}

/// The writer of a journal, asked without its thread.
struct Asked {
    writer: Writer,
    source: Arc<Source>,
}

impl Asked {
    fn of(config: &Config) -> Self {
        let (_, writer, _) = Journal::parts(config, None, Arc::default());
        Self { writer, source: Arc::new(Source::of(&config.watches[0])) }
    }

    fn ask<T>(&mut self, question: impl FnOnce(Arc<Source>, Reply<T>) -> Question) -> Option<T> {
        let (reply, mut answer) = oneshot::channel();
        let goes_on = self.writer.answer(vec![question(Arc::clone(&self.source), reply)]);
        assert!(goes_on.is_continue());
        answer.try_recv().ok()?.ok()
    }

    fn record(&mut self, files: impl Iterator<Item = u64>) -> Option<Vec<Recorded>> {
        let settled = |file| Settled {
            path: RelPath::from_bytes(format!("file {file}").as_bytes()),
            version: version(file),
            found: Found::Event,
            since: clock::mono(),
        };
        let batch = files.map(settled).collect();
        self.ask(|source, reply| Question::Record { source, batch, reply })
    }

    fn due(&mut self) -> Option<Vec<i64>> {
        let batch = self.ask(|_, reply| Question::Due {
            endpoint: name("a"),
            held: Vec::new(),
            limit: 100,
            reply,
        })?;
        Some(batch.events.iter().map(|due| due.seq).collect())
    }

    fn conclude(&mut self, seqs: Vec<i64>) -> Option<()> {
        let ends = seqs.into_iter().map(|seq| (seq, Conclusion::Delivered)).collect();
        self.ask(|_, reply| Question::Conclude { endpoint: name("a"), ends, reply })
    }

    /// Everything that watches, lanes and commands ask, in a row.
    fn use_all(&mut self, file: u64) {
        let path = RelPath::from_bytes(b"file 3");
        let entries = vec![Present { path, version: version(3) }];
        self.ask(|source, reply| Question::Recall { source, entries, reply });
        let after = RelPath::root();
        self.ask(|source, reply| Question::Remembered { source, after, reply });
        self.ask(|source, reply| Question::FirstScan { source, reply });
        let (filter, after) = (Filter::default(), Place::START);
        self.ask(|_, reply| Question::Page { filter, after, limit: 1000, reply });
        self.record(file..=file);
        if let Some(due) = self.due() {
            self.conclude(due);
        }
    }
}

/// The files of a journal that was used, and not closed.
fn image() -> [Vec<u8>; 2] {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("state")).unwrap();
    let config = config(dir.path());
    let mut journal = Asked::of(&config);
    for from in [0, FILES] {
        journal.record(from..from + FILES).unwrap();
        let due = journal.due().unwrap();
        journal.conclude(due[..due.len() / 2].to_vec()).unwrap();
    }
    let database = config.state.dir.join(DATABASE);
    [fs::read(&database).unwrap(), fs::read(wal_of(&database)).unwrap()]
}

/// Bits that flip somewhere in one of the files, and where that file ends.
#[derive(Debug)]
struct Damage {
    in_log: bool,
    flips: Vec<(prop::sample::Index, u8)>,
    cut: Option<prop::sample::Index>,
}

fn damage() -> impl Strategy<Value = Damage> {
    let flips = prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 0..60);
    let cut = prop::option::weighted(0.2, any::<prop::sample::Index>());
    (any::<bool>(), flips, cut).prop_map(|(in_log, flips, cut)| Damage { in_log, flips, cut })
}

fn damaged(file: &[u8], damage: &Damage) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for (at, flip) in &damage.flips {
        bytes[at.index(file.len())] ^= flip;
    }
    bytes.truncate(damage.cut.as_ref().map_or(file.len(), |cut| cut.index(file.len())));
    bytes
}

/// Uses the damaged journal for as long as a daemon would need to find out, and then for good.
async fn recovers(files: [Vec<u8>; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    fs::create_dir(&config.state.dir).unwrap();
    let database = config.state.dir.join(DATABASE);
    let [at_rest, log] = files;
    fs::write(&database, at_rest).unwrap();
    fs::write(wal_of(&database), log).unwrap();
    let mut journal = Asked::of(&config);
    for turn in 0..5 {
        journal.use_all(1000 + turn);
        advance(Duration::from_secs(3)).await;
    }
    let recorded = journal.record(2000..2001).expect("a journal that can be used");
    assert!(matches!(recorded[..], [Recorded::New(_)]), "{recorded:?}");
    assert_eq!(journal.due().map(|due| due.len()), Some(1), "what was recorded is due");
}

#[test]
fn whatever_bytes_stand_in_the_journal_it_works_afterwards() {
    let files = image();
    let mut clock = tokio::runtime::Builder::new_current_thread();
    let clock = clock.enable_time().start_paused(true).build().unwrap();
    let cases = ProptestConfig { cases: 150, ..ProptestConfig::default() };
    proptest!(cases, |(damage in damage())| {
        let [mut at_rest, mut log] = files.clone();
        let hit = if damage.in_log { &mut log } else { &mut at_rest };
        *hit = damaged(hit, &damage);
        clock.block_on(recovers([at_rest, log]));
    });
}

/// A bit in the schema makes another database of it, which is sound in itself.
#[tokio::test(start_paused = true)]
async fn a_journal_whose_tables_have_other_names_works_afterwards() {
    for (name, other) in
        [("TABLE seen", "TABLE sEem"), ("next_ms INT", "mext_ms INT"), ("meta", "metb")]
    {
        let rename = |file: Vec<u8>| {
            let mut bytes = file;
            while let Some(at) =
                bytes.windows(name.len()).position(|found| found == name.as_bytes())
            {
                bytes[at..at + name.len()].copy_from_slice(other.as_bytes());
            }
            bytes
        };
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("state")).unwrap();
        let config = config(dir.path());
        let mut journal = Asked::of(&config);
        journal.record(0..FILES).unwrap();
        let _closed = journal.writer.close();
        let database = config.state.dir.join(DATABASE);
        recovers([rename(fs::read(database).unwrap()), Vec::new()]).await;
    }
}
