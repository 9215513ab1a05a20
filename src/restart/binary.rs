//! Whether the program at our path has become another one. Pure: readings come in.
//!
//! An upgrade is no single step: the path may be missing for a while, or hold half a file. So only what was
//! met twice is asked for its version, and only what answers is restarted into.

/// What tells one file from another, and from itself after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// In bytes.
    pub size: u64,
    /// Seconds and nanoseconds.
    pub mtime: (i64, i64),
}

/// What follows from a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Keep,
    /// This file has come to stay: ask it for its version.
    Ask(Print),
}

/// What is known of the program at our path.
#[derive(Clone, Debug)]
pub struct Binary {
    /// What was started.
    own: Option<Print>,
    last: Option<Print>,
    /// Did not answer; it is not asked again.
    refused: Option<Print>,
}

impl Binary {
    /// `own` is the reading at the start.
    pub fn new(own: Option<Print>) -> Self {
        Self { own, last: own, refused: None }
    }

    /// Takes the next reading; `None` is a missing file, which is in the middle of being replaced.
    pub fn read(&mut self, reading: Option<Print>) -> Step {
        let is_steady = reading == self.last;
        self.last = reading;
        match reading {
            Some(print) if is_steady && self.is_news(print) => Step::Ask(print),
            _ => Step::Keep,
        }
    }

    /// Takes the answer of the file that was asked. True when it is time to restart: it answered, and is
    /// still what the path means.
    pub fn answered(&mut self, asked: Print, answers: bool, reading: Option<Print>) -> bool {
        if !answers {
            self.refused = Some(asked);
        }
        self.last = reading;
        answers && reading == Some(asked)
    }

    fn is_news(&self, print: Print) -> bool {
        Some(print) != self.own && Some(print) != self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Print = Print { dev: 1, ino: 1, size: 1000, mtime: (5, 0) };
    const OLD: Option<Print> = Some(FILE);
    const NEW: Option<Print> = Some(Print { ino: 2, ..FILE });
    const THIRD: Option<Print> = Some(Print { ino: 3, ..FILE });
    const GROWING: Option<Print> = Some(Print { dev: 1, ino: 2, size: 10, mtime: (5, 0) });
    const NONE: Option<Print> = None;

    /// The readings that ask, by their place in the list.
    fn asks(own: Option<Print>, readings: &[Option<Print>]) -> Vec<usize> {
        let mut binary = Binary::new(own);
        let mut asking = |(at, reading): (usize, &Option<Print>)| {
            (binary.read(*reading) != Step::Keep).then_some(at)
        };
        readings.iter().enumerate().filter_map(&mut asking).collect()
    }

    #[test]
    fn only_another_file_that_was_met_twice_is_asked() {
        for (name, readings, expected) in [
            ("nothing changes", vec![OLD, OLD, OLD], vec![]),
            ("met once", vec![OLD, NEW], vec![]),
            ("met twice", vec![NEW, NEW], vec![1]),
            ("still growing", vec![GROWING, NEW, NEW], vec![2]),
            ("missing in between", vec![NONE, NONE, NEW, NEW], vec![3]),
            ("missing for good", vec![NONE, NONE, NONE], vec![]),
            ("back to the old one", vec![NEW, OLD, OLD], vec![]),
            ("comes and goes", vec![NEW, NONE, NEW, NONE, NEW], vec![]),
        ] {
            assert_eq!(asks(OLD, &readings), expected, "{name}");
        }
    }

    #[test]
    fn every_field_tells() {
        let old = OLD.unwrap();
        for other in [
            Print { dev: 9, ..old },
            Print { ino: 9, ..old },
            Print { size: 9, ..old },
            Print { mtime: (5, 9), ..old },
            Print { mtime: (9, 0), ..old },
        ] {
            assert_eq!(asks(OLD, &[Some(other), Some(other)]), [1], "{other:?}");
        }
    }

    #[test]
    fn a_path_that_was_empty_at_the_start_is_news_when_it_is_not() {
        assert_eq!(asks(NONE, &[NONE, OLD, OLD]), [2]);
    }

    #[test]
    fn what_does_not_answer_is_asked_once() {
        let mut binary = Binary::new(OLD);
        binary.read(NEW);
        assert_eq!(binary.read(NEW), Step::Ask(NEW.unwrap()));
        assert!(!binary.answered(NEW.unwrap(), false, NEW));
        assert_eq!(binary.read(NEW), Step::Keep);
        assert_eq!(binary.read(THIRD), Step::Keep);
        assert_eq!(binary.read(THIRD), Step::Ask(THIRD.unwrap()), "the next attempt is heard");
        assert!(binary.answered(THIRD.unwrap(), true, THIRD));
    }

    #[test]
    fn what_changed_while_it_was_asked_begins_again() {
        let mut binary = Binary::new(OLD);
        binary.read(GROWING);
        binary.read(GROWING);
        assert!(!binary.answered(GROWING.unwrap(), true, NEW));
        assert_eq!(binary.read(NEW), Step::Ask(NEW.unwrap()));
    }
}
