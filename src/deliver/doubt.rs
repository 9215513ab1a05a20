//! When an endpoint's files are read again without anybody asking for it. Pure.
//!
//! A receiver that answers 401 or 403 often knows a newer key than we do, and one whose certificate is refused
//! has often got a new one: the files are read again before the next request, and from time to time while
//! there is none, for what waits may wait for long. A receiver that is gone may have moved: its URL file is
//! looked at from time to time, too.

use std::time::{Duration, Instant};

use crate::{
    config::checked::{Endpoint, UrlSource},
    http::{Fault, Reply},
};

/// Not more often than this, however many requests are refused.
const EVERY: Duration = Duration::from_secs(5);
/// While nothing is sent.
const EVERY_IDLE: Duration = Duration::from_mins(1);

/// What of an endpoint is in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Nothing,
    /// Secrets, headers or certificates.
    Some,
    /// The URL, too.
    Url,
}

impl Kept {
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        let Endpoint { secret_files, header_files, ca_file, identity, .. } = endpoint;
        let has_none = secret_files.is_empty() && header_files.is_empty();
        match &endpoint.url {
            UrlSource::File(_) => Self::Url,
            UrlSource::Given(_) if has_none && ca_file.is_none() && identity.is_none() => {
                Self::Nothing
            }
            UrlSource::Given(_) => Self::Some,
        }
    }
}

/// What the receiver made of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Good,
    /// It has refused us, and they have not been read since.
    Doubted,
    /// It has refused us, and they have been read since.
    Refused,
}

/// What a lane knows of its files.
#[derive(Debug)]
pub(super) struct Doubt {
    standing: Standing,
    reading: bool,
    kept: Kept,
    read_at: Instant,
}

impl Doubt {
    /// They have just been read for the first time.
    pub(super) fn none(kept: Kept, now: Instant) -> Self {
        Self { standing: Standing::Good, reading: false, kept, read_at: now }
    }

    /// An attempt ended.
    pub(super) fn note(&mut self, result: &Result<Reply, Fault>) {
        match (result, self.standing) {
            (Ok(Reply { status: 401 | 403, .. }) | Err(Fault::Tls(_)), _) => {
                self.standing = Standing::Doubted;
            }
            // Whatever it says, it knows us.
            (Ok(_), Standing::Refused) => self.standing = Standing::Good,
            (Ok(_) | Err(_), _) => {}
        }
    }

    /// Whether nothing should be sent before the files have been read.
    pub(super) fn holds(&self, now: Instant) -> bool {
        self.reading || (self.standing == Standing::Doubted && now >= self.read_at + EVERY)
    }

    /// Whether to read them now. `ready`: a request is about to start; `parked`: the receiver wants nothing
    /// more.
    pub(super) fn begins(&mut self, ready: bool, parked: bool, now: Instant) -> bool {
        let gone = parked && self.kept == Kept::Url;
        let refused = self.standing != Standing::Good && self.kept != Kept::Nothing;
        let idle = (gone || refused) && now >= self.read_at + EVERY_IDLE;
        let due = ready && self.holds(now) || idle;
        let begins = due && !self.reading;
        self.reading |= begins;
        begins
    }

    /// They have been read, or cannot be.
    pub(super) fn ended(&mut self, now: Instant) {
        if self.standing == Standing::Doubted {
            self.standing = Standing::Refused;
        }
        (self.reading, self.read_at) = (false, now);
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
            let mut doubt = Doubt::none(Kept::Nothing, t);
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
        let mut doubt = Doubt::none(Kept::Url, t);
        for result in [answer(200), answer(404), answer(500), Err(Fault::Refused)] {
            doubt.note(&result);
        }
        assert!(!doubt.begins(true, false, t + EVERY_IDLE));
    }

    #[test]
    fn a_receiver_that_is_gone_may_have_moved() {
        let t = crate::clock::mono();
        let mut doubt = Doubt::none(Kept::Url, t);
        assert!(!doubt.begins(false, true, t + EVERY));
        assert!(doubt.begins(false, true, t + EVERY_IDLE));
        for kept in [Kept::Nothing, Kept::Some] {
            let mut fixed = Doubt::none(kept, t);
            assert!(!fixed.begins(false, true, t + EVERY_IDLE), "there is nothing to read");
        }
    }

    #[test]
    fn a_key_that_was_refused_is_looked_for_while_nothing_is_sent_until_it_is_taken() {
        let t = crate::clock::mono();
        for (kept, looks) in [(Kept::Nothing, false), (Kept::Some, true), (Kept::Url, true)] {
            let mut doubt = Doubt::none(kept, t);
            assert!(!doubt.begins(false, false, t + EVERY_IDLE), "nobody has refused anything");
            doubt.note(&answer(401));
            let mut now = t;
            for _ in 0..3 {
                now += EVERY_IDLE;
                assert_eq!(doubt.begins(false, false, now), looks);
                doubt.ended(now);
                assert!(!doubt.holds(now + EVERY_IDLE), "a probe need not wait for them again");
            }
            doubt.note(&Err(Fault::Refused));
            assert_eq!(doubt.begins(false, false, now + EVERY_IDLE), looks, "it said nothing");
            doubt.ended(now);
            doubt.note(&answer(500));
            assert!(!doubt.begins(false, false, now + EVERY_IDLE), "it knows us");
        }
    }
}
