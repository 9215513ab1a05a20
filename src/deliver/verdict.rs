//! What an answer, or the lack of one, means for the event and for its lane. Pure.
//!
//! One enum, matched exhaustively, so that a new outcome cannot fall through unnoticed. Almost nothing
//! is given up at the first refusal: receivers answer 4xx during a bad deploy, too.

use crate::{config::checked::Statuses, http::Fault};

/// How one attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Accepted.
    Ok,
    /// Failed in a way that time may heal.
    Retry,
    /// As `Retry`, and the receiver asks for fewer requests: the whole lane pauses.
    Slow,
    /// The endpoint is wrong, not the event: every other event would meet the same answer.
    Config,
    /// As `Config`, but the proxy on our side refused, so that the event is not charged.
    Proxy,
    /// This event is refused; others may pass.
    Reject,
    /// As `Reject`, and the operator says that no repetition will help.
    Permanent,
    /// The receiver wants nothing more, ever.
    Gone,
    /// Refused while our clock is far from the receiver's: its signature check cannot pass. Not charged.
    Clock,
    /// A fault of this machine: the receiver was never asked. Not charged.
    Local,
}

/// What a receiver said, as far as it decides the class.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Whether a usable `Retry-After` came with it.
    pub retry_after: bool,
    /// The receiver's `Date` minus our wall clock, in seconds; for signed requests only.
    pub clock_offset: Option<i64>,
}

/// Signature checks tolerate five minutes; closer than this, the clock is not to blame.
const CLOCK_OFFSET_MAX_S: u64 = 240;

impl Class {
    /// The class of an answer. Any status is possible, also those that no RFC knows.
    ///
    /// What the operator says about a status stands above the table; only what a wrong clock may have caused
    /// is no reason to give an event up.
    pub fn of_answer(answer: Answer, overrides: &Statuses) -> Self {
        let said = |list: &[u16]| list.contains(&answer.status);
        let skewed = answer.clock_offset.is_some_and(|s| s.unsigned_abs() > CLOCK_OFFSET_MAX_S);
        match answer.status {
            _ if said(&overrides.success) => Self::Ok,
            400 | 401 | 403 if skewed => Self::Clock,
            _ if said(&overrides.retry) => Self::Retry,
            _ if said(&overrides.permanent) => Self::Permanent,
            502..=504 if answer.retry_after => Self::Slow,
            status => Self::of_status(status),
        }
    }

    fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Ok,
            400..=499 => Self::of_client_error(status),
            // RFC 6585 429 has these two look-alikes among the 5xx.
            509 | 529 => Self::Slow,
            // A redirect is never followed: it would turn the POST into a GET, or hand the body to a
            // stranger (RFC 9110 15.4). Not implemented, version, negotiation, extension, captive
            // portal: no event would pass.
            300..=399 | 501 | 505 | 506 | 510 | 511 => Self::Config,
            // The rest of 5xx; an unexpected 1xx; numbers that are no HTTP status.
            _ => Self::Retry,
        }
    }

    fn of_client_error(status: u16) -> Self {
        match status {
            400 | 406 | 412 | 413 | 415 | 416 | 418 | 422 => Self::Reject,
            407 => Self::Proxy,
            408 | 409 | 421 | 423 | 424 | 425 => Self::Retry,
            410 => Self::Gone,
            420 | 429 => Self::Slow,
            _ => Self::Config,
        }
    }

    /// The class of an attempt that got no answer.
    pub fn of_fault(fault: Fault) -> Self {
        match fault {
            Fault::Dns
            | Fault::Refused
            | Fault::Unreachable
            | Fault::ConnectTimeout
            | Fault::Timeout
            | Fault::ConnectionLost
            | Fault::Protocol
            | Fault::Other => Self::Retry,
            Fault::Tls(_) | Fault::Blocked(_) => Self::Config,
            Fault::Proxy(_) => Self::Proxy,
            Fault::Local(_) => Self::Local,
        }
    }

    /// Whether such an attempt counts against the event.
    pub fn is_charged(self) -> bool {
        match self {
            Self::Ok | Self::Retry | Self::Slow | Self::Config | Self::Reject | Self::Permanent => {
                true
            }
            Self::Proxy | Self::Gone | Self::Clock | Self::Local => false,
        }
    }

    /// The name in logs, metrics and the journal.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Retry => "retry",
            Self::Slow => "slow",
            Self::Config | Self::Proxy => "config",
            Self::Reject | Self::Permanent => "reject",
            Self::Gone => "gone",
            Self::Clock | Self::Local => "local",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Barred, ProxyFault, TlsFault};

    fn table(answer: Answer) -> Class {
        Class::of_answer(answer, &Statuses::default())
    }

    /// The whole table once more, written as the list of numbers that a person would write.
    fn listed(status: u16) -> &'static str {
        const REJECT: &[u16] = &[400, 406, 412, 413, 415, 416, 418, 422];
        const RETRY_4XX: &[u16] = &[408, 409, 421, 423, 424, 425];
        const SLOW: &[u16] = &[420, 429, 509, 529];
        const CONFIG_5XX: &[u16] = &[501, 505, 506, 510, 511];
        let is_in = |list: &[u16]| list.contains(&status);
        match status {
            _ if is_in(SLOW) => "slow",
            _ if is_in(REJECT) => "reject",
            _ if is_in(RETRY_4XX) => "retry",
            410 => "gone",
            200..=299 => "ok",
            300..=499 => "config",
            _ if is_in(CONFIG_5XX) => "config",
            _ => "retry",
        }
    }

    #[test]
    fn every_status_has_its_class() {
        for status in 100..=999 {
            let class = table(Answer { status, ..Answer::default() });
            assert_eq!(class.name(), listed(status), "{status}");
            assert_eq!(class.is_charged(), !matches!(status, 407 | 410), "{status}");
        }
    }

    #[test]
    fn every_status_with_retry_after_is_the_same_but_for_restarting_gateways() {
        for status in 100..=999 {
            let class = table(Answer { status, retry_after: true, clock_offset: None });
            let want = if matches!(status, 502..=504) { "slow" } else { listed(status) };
            assert_eq!(class.name(), want, "{status}");
        }
    }

    #[test]
    fn a_wrong_clock_is_not_the_events_fault() {
        for status in 100..=999 {
            for (offset, skewed) in
                [(-241, true), (-240, false), (0, false), (240, false), (241, true)]
            {
                let answer = Answer { status, retry_after: false, clock_offset: Some(offset) };
                let is_clock = table(answer) == Class::Clock;
                assert_eq!(
                    is_clock,
                    skewed && matches!(status, 400 | 401 | 403),
                    "{status} {offset}"
                );
            }
        }
        let extreme = Answer { status: 401, retry_after: false, clock_offset: Some(i64::MIN) };
        assert_eq!(table(extreme), Class::Clock);
    }

    #[test]
    fn what_the_operator_says_stands_above_the_table() {
        for status in 100..=999 {
            for (overrides, class, charged) in [
                (Statuses { success: vec![status], ..Statuses::default() }, "ok", true),
                (Statuses { retry: vec![status], ..Statuses::default() }, "retry", true),
                (Statuses { permanent: vec![status], ..Statuses::default() }, "reject", true),
                (Statuses { success: vec![1000], ..Statuses::default() }, listed(status), {
                    !matches!(status, 407 | 410)
                }),
            ] {
                let found = Class::of_answer(Answer { status, ..Answer::default() }, &overrides);
                assert_eq!((found.name(), found.is_charged()), (class, charged), "{status}");
            }
        }
    }

    /// Every status, with each thing that an operator can say of it and each thing that can come with it.
    #[test]
    fn an_override_means_the_same_whatever_comes_with_the_answer() {
        for status in 100..=999 {
            let other = if status == 999 { 100 } else { status + 1 };
            for retry_after in [false, true] {
                for clock_offset in [None, Some(0), Some(241), Some(i64::MIN)] {
                    let answer = Answer { status, retry_after, clock_offset };
                    let said = |success: u16, retry: u16, permanent: u16| {
                        let [success, retry, permanent] =
                            [success, retry, permanent].map(|status| vec![status]);
                        Class::of_answer(answer, &Statuses { success, retry, permanent })
                    };
                    let skewed = matches!(status, 400 | 401 | 403)
                        && clock_offset.is_some_and(|seconds| seconds != 0);
                    let unless_skewed = |class| if skewed { Class::Clock } else { class };
                    assert_eq!(said(status, other, other), Class::Ok, "{answer:?}");
                    assert_eq!(
                        said(other, status, other),
                        unless_skewed(Class::Retry),
                        "{answer:?}"
                    );
                    let permanent = said(other, other, status);
                    assert_eq!(permanent, unless_skewed(Class::Permanent), "{answer:?}");
                    assert_eq!(said(other, other, other), table(answer), "{answer:?}");
                }
            }
        }
    }

    #[test]
    fn no_event_is_given_up_for_a_wrong_clock() {
        let answer = Answer { status: 401, retry_after: false, clock_offset: Some(3600) };
        let permanent = Statuses { permanent: vec![401], ..Statuses::default() };
        assert_eq!(Class::of_answer(answer, &permanent), Class::Clock);
        let success = Statuses { success: vec![401], ..Statuses::default() };
        assert_eq!(Class::of_answer(answer, &success), Class::Ok);
    }

    #[test]
    fn every_fault_has_its_class() {
        let table = [
            (Fault::Dns, Class::Retry),
            (Fault::Refused, Class::Retry),
            (Fault::Unreachable, Class::Retry),
            (Fault::ConnectTimeout, Class::Retry),
            (Fault::Timeout, Class::Retry),
            (Fault::ConnectionLost, Class::Retry),
            (Fault::Protocol, Class::Retry),
            (Fault::Other, Class::Retry),
            (Fault::Blocked(Barred::Special), Class::Config),
            (Fault::Proxy(ProxyFault::Refused(502)), Class::Proxy),
            (Fault::Tls(TlsFault::Expired), Class::Config),
            (Fault::Local("x"), Class::Local),
        ];
        for (fault, class) in table {
            assert_eq!(Class::of_fault(fault), class, "{fault:?}");
        }
    }
}
