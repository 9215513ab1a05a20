//! What strangers send, as bytes: one function for each kind of it, which says what holds whatever they are.
//! integration/fuzz gives them to libFuzzer, and the tests below play what it found. No release has this.

pub use crate::{
    config::fuzz::configuration,
    deliver::fuzz::{response, retry_after},
    globs::fuzz::globs,
};

/// What the journal kept: the records of a copy, the body of an event.
pub fn journal(bytes: &[u8]) {
    crate::journal::copy::fuzz::copy(bytes);
    crate::deliver::fuzz::stored_body(bytes);
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{fs, path::Path, thread};

    use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestRunner};

    use super::*;

    /// The committed corpus of a target: names of files, and what is in them.
    pub(crate) fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
        let dir =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/fuzz/corpus").join(target);
        let entries =
            fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        let paths = entries.map(|entry| entry.unwrap().path());
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        let mut found: Vec<_> = paths.map(|path| (name(&path), fs::read(&path).unwrap())).collect();
        found.sort();
        assert!(found.len() >= 10, "{} has {} files", dir.display(), found.len());
        found
    }

    /// Names the file of the corpus whose turn it is, should that be the last one.
    struct Turn<'f>(&'f str);

    impl Drop for Turn<'_> {
        fn drop(&mut self) {
            if thread::panicking() {
                eprintln!("in {} of the corpus", self.0);
            }
        }
    }

    /// A change to a file.
    #[derive(Clone, Debug)]
    enum Edit {
        Flip(u8),
        Put(Vec<u8>),
        Cut(usize),
        Repeat(usize, usize),
    }

    fn edit() -> impl Strategy<Value = Edit> {
        prop_oneof![
            (1_u8..).prop_map(Edit::Flip),
            vec(any::<u8>(), 1..8).prop_map(Edit::Put),
            (1_usize..64).prop_map(Edit::Cut),
            (1_usize..32, 1_usize..32).prop_map(|(len, times)| Edit::Repeat(len, times)),
        ]
    }

    fn edited(mut bytes: Vec<u8>, edits: &[(Index, Edit)]) -> Vec<u8> {
        for (at, edit) in edits {
            let at = at.index(bytes.len() + 1);
            let end = |len: usize| (at + len).min(bytes.len());
            match edit {
                Edit::Flip(flip) => bytes.iter_mut().skip(at).take(1).for_each(|b| *b ^= flip),
                Edit::Put(put) => drop(bytes.splice(at..at, put.iter().copied())),
                Edit::Cut(len) => drop(bytes.drain(at..end(*len))),
                Edit::Repeat(len, times) => {
                    let part = bytes[at..end(*len)].repeat(*times);
                    drop(bytes.splice(at..at, part));
                }
            }
        }
        bytes
    }

    /// Plays the corpus, file by file, and then what is nearly in it: the beginning of one file and the end of
    /// another, edited.
    fn holds(target: &str, cases: u32, body: fn(&[u8])) {
        let corpus = corpus(target);
        for (name, bytes) in &corpus {
            let _turn = Turn(name);
            body(bytes);
        }
        let of = || (any::<Index>(), any::<Index>());
        let nearly = (of(), of(), vec((any::<Index>(), edit()), 0..6)).prop_map(
            move |((one, until), (other, from), edits)| {
                let (one, other) = (&one.get(&corpus).1, &other.get(&corpus).1);
                let beginning = &one[..until.index(one.len() + 1)];
                let end = &other[from.index(other.len() + 1)..];
                edited([beginning, end].concat(), &edits)
            },
        );
        let config =
            ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
        let any_bytes = prop_oneof![9 => nearly, 1 => vec(any::<u8>(), 0..200)];
        let outcome = TestRunner::new(config).run(&any_bytes, |bytes| {
            body(&bytes);
            Ok(())
        });
        outcome.unwrap_or_else(|failure| panic!("{failure}"));
    }

    #[test]
    fn whatever_stands_in_the_configuration_it_is_used_or_explained() {
        holds("configuration", 1000, configuration);
    }

    #[test]
    fn whatever_pattern_and_name_a_file_is_in_or_out_as_gitignore_says() {
        holds("globs", 4000, globs);
    }

    #[test]
    fn whatever_the_journal_kept_is_read_or_refused() {
        holds("journal", 4000, journal);
    }

    #[test]
    fn whatever_a_receiver_answers_only_2xx_delivers_and_nothing_of_it_is_dangerous() {
        holds("response", 4000, response);
    }

    #[test]
    fn whatever_pause_is_asked_for_it_is_a_day_at_most() {
        holds("retry_after", 10_000, retry_after);
    }
}
