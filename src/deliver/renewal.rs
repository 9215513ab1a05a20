//! When everything that waits for an endpoint is made due because the endpoint may be another one by now: its
//! configuration or its files changed, or an operator reloads. Pure.
//!
//! An endpoint that refuses our key has its events wait for ten minutes and more. Who has put the right key in
//! place does not want to wait, too.

/// What a lane still has to release.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    /// An operator has asked for the files to be read.
    asked: bool,
    now: bool,
    /// Under way since before: these may still come back with the delay that the old state deserved.
    older: Vec<i64>,
}

impl Renewal {
    /// An operator wants the files to be read again, and everything to be tried.
    pub(super) fn ask(&mut self) {
        self.asked = true;
    }

    /// They have been read, and differ from before or not: whether the endpoint counts as renewed.
    pub(super) fn read(&mut self, changed: bool) -> bool {
        std::mem::take(&mut self.asked) || changed
    }

    /// The endpoint is renewed, while these are sent or their ends are stored.
    pub(super) fn begin(&mut self, busy: Vec<i64>) {
        (self.now, self.older) = (true, busy);
    }

    /// Whether to release all that waits: at once, and again when the last of what was under way has ended.
    pub(super) fn releases(&mut self, busy: impl FnOnce() -> Vec<i64>) -> bool {
        if std::mem::take(&mut self.now) {
            return true;
        }
        if self.older.is_empty() {
            return false;
        }
        let busy = busy();
        self.older.retain(|seq| busy.contains(seq));
        self.older.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_under_way_is_released_when_it_has_ended() {
        let mut renewal = Renewal::default();
        assert!(!renewal.releases(Vec::new));
        renewal.begin(vec![1, 2]);
        assert!(renewal.releases(|| vec![1, 2]));
        assert!(!renewal.releases(|| vec![1, 2, 3]));
        assert!(!renewal.releases(|| vec![2, 3]));
        assert!(renewal.releases(|| vec![3]));
        assert!(!renewal.releases(|| vec![3]));
    }

    #[test]
    fn an_operator_is_obeyed_once_and_a_change_always() {
        let mut renewal = Renewal::default();
        assert!(!renewal.read(false) && renewal.read(true));
        renewal.ask();
        assert!(renewal.read(false) && !renewal.read(false));
    }
}
