//! What a test has found, as a document. Pure.

use std::time::Duration;

use serde::Serialize;

use super::advice;
use crate::{
    arrival::EventId,
    clock::WallMs,
    config::checked::{Endpoint, ProxyUrl},
    deliver::{OpenError, Trial},
    http::{Leg, Step, Walk},
    status::words::time,
};

/// All of it. A secret is nowhere in it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) endpoint: String,
    /// Scheme and host; none where the URL cannot be read.
    pub(super) receiver: Option<String>,
    /// The proxy that everything goes through.
    pub(super) proxy: Option<String>,
    /// The id of the event that was sent.
    pub(super) event: EventId,
    /// Whether the receiver took it.
    pub(super) accepted: bool,
    /// What went well, in order.
    pub(super) steps: Vec<Timed>,
    /// What did not.
    pub(super) failure: Option<Failure>,
    /// How a delivery would have ended.
    pub(super) class: Option<&'static str>,
    /// The same in words.
    pub(super) verdict: Option<&'static str>,
    pub(super) status: Option<u16>,
    /// What a receiver that refuses says, without secrets and control characters.
    pub(super) answer: Option<String>,
    pub(super) retry_after_s: Option<u64>,
    /// The receiver's clock minus ours.
    pub(super) clock_offset_s: Option<i64>,
}

/// A step, and how long it took.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Timed {
    #[serde(flatten)]
    pub(super) step: Done,
    pub(super) ms: f64,
}

/// What was done.
#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "lowercase")]
pub(super) enum Done {
    Files,
    Resolved {
        addresses: Vec<String>,
    },
    Connected {
        address: String,
    },
    Tunnelled,
    Secured {
        version: String,
        suite: String,
        certificate_until: Option<String>,
        certificate_days: Option<i64>,
    },
    Answered {
        status: u16,
    },
}

/// The step that ended it.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    pub(super) step: &'static str,
    pub(super) reason: String,
    pub(super) advice: Option<&'static str>,
}

impl Report {
    /// Of a test of `endpoint` that has just ended.
    pub(super) fn of(
        endpoint: &Endpoint,
        event: EventId,
        trial: Result<Trial, OpenError>,
        now: WallMs,
    ) -> Self {
        let mut report = Self::empty(endpoint, event);
        match trial {
            Ok(trial) => report.fill(trial, now),
            Err(why) => {
                let advice = advice::on_files(&why);
                report.failure = Some(Failure { step: "files", reason: why.to_string(), advice });
            }
        }
        report
    }

    fn empty(endpoint: &Endpoint, event: EventId) -> Self {
        Self {
            endpoint: endpoint.name.to_string(),
            receiver: None,
            proxy: endpoint.proxy.as_ref().map(ProxyUrl::as_url).map(ToString::to_string),
            event,
            accepted: false,
            steps: Vec::new(),
            failure: None,
            class: None,
            verdict: None,
            status: None,
            answer: None,
            retry_after_s: None,
            clock_offset_s: None,
        }
    }

    fn fill(&mut self, trial: Trial, now: WallMs) {
        self.accepted = trial.is_accepted();
        let Trial { receiver, opened_in, signed, walk, outcome, fault, clock_offset_s } = trial;
        let refusal = outcome.refusal;
        self.steps = steps(&walk, opened_in, now);
        if let Some(status) = refusal.status {
            self.steps.push(Timed { step: Done::Answered { status }, ms: ms(refusal.took) });
        }
        self.failure = match (fault, refusal.status) {
            (Some(fault), _) => {
                let step = if walk.fault.is_some() { failed(walk.leg) } else { "answer" };
                let advice = advice::on_fault(fault, walk.leg);
                Some(Failure { step, reason: fault.to_string(), advice })
            }
            (None, Some(status)) if !self.accepted => {
                let reason = format!("the receiver answers HTTP {status}");
                let advice = advice::on_status(status, signed);
                Some(Failure { step: "answer", reason, advice })
            }
            (None, _) => None,
        };
        self.receiver = Some(receiver);
        self.class = Some(outcome.class.name());
        self.verdict = Some(advice::verdict(outcome.class));
        self.status = refusal.status;
        // Of a redirect and of a wrong clock the reason tells more than the answer.
        let said = [refusal.reason, refusal.answer].into_iter().find(|said| !said.is_empty());
        self.answer = said.filter(|_| refusal.status.is_some());
        self.retry_after_s = outcome.retry_after.map(|asked| asked.as_secs());
        self.clock_offset_s = clock_offset_s;
    }

    /// One line.
    pub(super) fn json(&self) -> String {
        // Text, numbers and lists.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

fn steps(walk: &Walk, opened_in: Duration, now: WallMs) -> Vec<Timed> {
    let files = Timed { step: Done::Files, ms: ms(opened_in) };
    let way = walk.steps.iter().map(|(step, took)| Timed { step: done(step, now), ms: ms(*took) });
    [files].into_iter().chain(way).collect()
}

fn done(step: &Step, now: WallMs) -> Done {
    match step {
        Step::Resolved(found) => {
            Done::Resolved { addresses: found.iter().map(ToString::to_string).collect() }
        }
        Step::Connected(to) => Done::Connected { address: to.to_string() },
        Step::Tunnelled => Done::Tunnelled,
        Step::Secured { version, suite, good_until } => Done::Secured {
            version: version.clone(),
            suite: suite.clone(),
            certificate_until: good_until.map(time),
            certificate_days: good_until.map(|until| (until.0 - now.0) / (86_400 * 1000)),
        },
    }
}

fn failed(leg: Leg) -> &'static str {
    match leg {
        Leg::Name => "resolve",
        Leg::Connection => "connect",
        Leg::Tunnel => "tunnel",
        Leg::Tls => "tls",
    }
}

/// To a tenth.
fn ms(took: Duration) -> f64 {
    (took.as_secs_f64() * 10_000.0).round() / 10.0
}
