//! When an endpoint's files are read again without anybody asking for it. Pure.
//!
//! A receiver that answers 401 or 403 often knows a newer key than we do, and one whose certificate is refused
//! has often got a new one: the files are read again before the next request. A receiver that is gone may
//! have moved: its URL file is looked at from time to time.

use std::time::{Duration, Instant};

use crate::http::{Fault, Reply};

/// Not more often than this, however many requests are refused.
const EVERY: Duration = Duration::from_secs(5);
/// While the endpoint is parked.
const EVERY_PARKED: Duration = Duration::from_mins(1);

/// What a lane knows of its files.
#[derive(Debug)]
pub(super) struct Doubt {
    doubted: bool,
    reading: bool,
    url_may_change: bool,
    read_at: Instant,
}

impl Doubt {
    /// They have just been read; `url_may_change` when the URL is in one of them.
    pub(super) fn none(url_may_change: bool, now: Instant) -> Self {
        Self { doubted: false, reading: false, url_may_change, read_at: now }
    }

    /// An attempt ended.
    pub(super) fn note(&mut self, result: &Result<Reply, Fault>) {
        self.doubted |= match result {
            Ok(reply) => matches!(reply.status, 401 | 403),
            Err(fault) => matches!(fault, Fault::Tls(_)),
        };
    }

    /// Whether nothing should be sent before the files have been read.
    pub(super) fn holds(&self, now: Instant) -> bool {
        self.reading || (self.doubted && now >= self.read_at + EVERY)
    }

    /// Whether to read them now. `ready`: a request is about to start; `parked`: the receiver wants nothing
    /// more.
    pub(super) fn begins(&mut self, ready: bool, parked: bool, now: Instant) -> bool {
        let gone = parked && self.url_may_change && now >= self.read_at + EVERY_PARKED;
        let due = ready && self.holds(now) || gone;
        let begins = due && !self.reading;
        self.reading |= begins;
        begins
    }

    /// They have been read, or cannot be.
    pub(super) fn ended(&mut self, now: Instant) {
        *self = Self::none(self.url_may_change, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::TlsFault;

    #[expect(clippy::unnecessary_wraps, reason = "every use wants the wrapped form")]
    fn answer(status: u16) -> Result<Reply, Fault> {
        Ok(Reply { status, ..Reply::default() })
    }

    #[test]
    fn a_refusal_for_want_of_the_right_key_reads_before_the_next_request() {
        for result in [answer(401), answer(403), Err(Fault::Tls(TlsFault::Expired))] {
            let t = crate::clock::mono();
            let mut doubt = Doubt::none(true, t);
            doubt.note(&result);
            assert!(!doubt.holds(t + EVERY / 2) && !doubt.begins(true, false, t + EVERY / 2));
            let now = t + EVERY;
            assert!(
                doubt.holds(now) && !doubt.begins(false, false, now),
                "not before it is needed"
            );
            assert!(doubt.begins(true, false, now));
            assert!(doubt.holds(now) && !doubt.begins(true, false, now), "once");
            doubt.ended(now);
            assert!(!doubt.holds(now + EVERY));
        }
    }

    #[test]
    fn other_answers_raise_no_doubt() {
        let t = crate::clock::mono();
        let mut doubt = Doubt::none(true, t);
        for result in [answer(200), answer(404), answer(500), Err(Fault::Refused)] {
            doubt.note(&result);
        }
        assert!(!doubt.begins(true, false, t + EVERY_PARKED));
    }

    #[test]
    fn a_receiver_that_is_gone_may_have_moved() {
        let t = crate::clock::mono();
        let mut doubt = Doubt::none(true, t);
        assert!(!doubt.begins(false, true, t + EVERY));
        assert!(doubt.begins(false, true, t + EVERY_PARKED));
        let mut fixed = Doubt::none(false, t);
        assert!(!fixed.begins(false, true, t + EVERY_PARKED), "there is nothing to read");
    }
}
