//! What a lane says about itself in its vitals.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use super::{attempt::Courier, lane::Ended, worker::Worker};
use crate::{
    arrival::{Conclusion, Refusal},
    clock,
    stop::Stop,
    vitals::{Attempt, Delivery, Failure, LaneState, LaneVitals, Pause},
};

impl<C: Courier> Worker<C> {
    /// One attempt has ended.
    pub(super) fn note(&mut self, ended: &Ended, refusal: &Refusal, took: Duration) {
        let Refusal { class, status, .. } = *refusal;
        self.vitals.attempted(Attempt { class, status, took });
        let (due, at) = (&ended.due, clock::wall());
        let (event, watch, path) = (due.event, due.watch.clone(), due.path.clone());
        if matches!(ended.conclusion, Some(Conclusion::Delivered)) {
            let attempt = due.attempts.saturating_add(1);
            self.vitals.accepted(Delivery { event, watch, path, attempt, status, took, at });
        } else {
            self.vitals.failed(Failure { event, watch, path, refusal: refusal.clone(), at });
        }
        self.count(ended.conclusion.as_ref());
    }

    fn count(&mut self, conclusion: Option<&Conclusion>) {
        LaneVitals::count(match conclusion {
            Some(Conclusion::Delivered) => {
                self.delivered += 1;
                &self.vitals.delivered
            }
            Some(Conclusion::Dead { .. }) => &self.vitals.dead,
            Some(Conclusion::Retry { .. }) | None => &self.vitals.retried,
        });
    }

    /// Says what the lane does now.
    pub(super) fn publish(&mut self, now: Instant) {
        let vitals = &self.vitals;
        let (queued, in_flight) = (self.lane.queued() as u64, self.lane.in_flight() as u64);
        vitals.in_flight.store(in_flight, Relaxed);
        vitals.waiting.store(self.waiting_beyond.saturating_add(queued + in_flight), Relaxed);
        let shown = self.state(now);
        if shown != self.shown {
            self.shown = shown;
            vitals.set_state(shown.0);
            vitals.set_pause(pause(shown, vitals));
        }
    }

    /// What the lane does, and until when if that keeps it from sending.
    fn state(&self, now: Instant) -> (LaneState, Option<Instant>) {
        let paused = self.lane.paused_until(now);
        match self.stop {
            Stop::Drain | Stop::Now => (LaneState::Draining, None),
            Stop::Run if self.lane.is_parked() => (LaneState::Parked, None),
            Stop::Run if self.lane.is_failing() => {
                (LaneState::Failing, paused.max(self.lane.next_probe()))
            }
            Stop::Run if paused.is_some() => (LaneState::Paused, paused),
            Stop::Run => (LaneState::Running, None),
        }
    }
}

fn pause((state, until): (LaneState, Option<Instant>), vitals: &LaneVitals) -> Option<Pause> {
    let reason = match state {
        LaneState::Parked | LaneState::Failing | LaneState::Paused => vitals.last_failure(),
        _ => return None,
    };
    Some(Pause { until, reason: reason.unwrap_or_default() })
}
