//! What a lane says in the log: one event for each change of state, with the same field names everywhere.

use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::{
    lane::{Change, Ended},
    verdict::Class,
};
use crate::{
    arrival::{Conclusion, Name, Refusal},
    notice::{About, Kind, Notice, Notices},
};

/// Tells the operations endpoint what it should know of that: what was given up, and who is down or back.
pub(super) fn notify(notices: &Notices, endpoint: &Name, ended: &Ended, refusal: &Refusal) {
    let about = |kind| Notice::new(kind, About::Endpoint(endpoint.clone()));
    let why = |notice: Notice| {
        let notice = notice.text("class", refusal.class).text("reason", &refusal.reason);
        refusal.status.map_or(notice.clone(), |status| notice.number("status", status.into()))
    };
    let due = &ended.due;
    // A notice that is given up makes no notice: they would feed on each other.
    if let Some(Conclusion::Dead { attempts, .. }) = &ended.conclusion
        && !due.is_notice()
    {
        let dead = about(Kind::EventDead)
            .text("event", due.event.to_string())
            .text("watch", due.watch.as_str())
            .text("path", due.path.to_string());
        notices.tell(why(dead).number("attempts", (*attempts).into()));
    }
    match ended.change {
        Some(Change::Opened | Change::Parked) => notices.tell(why(about(Kind::EndpointFailing))),
        Some(Change::Closed(after)) => {
            notices.tell(about(Kind::EndpointRecovered).number("down_ms", millis(after)));
        }
        None => {}
    }
}

/// What an endpoint needs is not there.
pub(super) fn not_ready(notices: &Notices, endpoint: &Name, reason: &str) {
    warn!(%endpoint, reason, "endpoint not ready: nothing is sent to it yet");
    let failing = Notice::new(Kind::EndpointFailing, About::Endpoint(endpoint.clone()));
    notices.tell(failing.text("class", Class::Local.name()).text("reason", reason));
}

/// It is there now.
pub(super) fn ready(notices: &Notices, endpoint: &Name) {
    info!(%endpoint, "endpoint is ready");
    notices.tell(Notice::new(Kind::EndpointRecovered, About::Endpoint(endpoint.clone())));
}

/// A parked endpoint goes on.
pub(super) fn resumed(notices: &Notices, endpoint: &Name) {
    info!(%endpoint, "endpoint resumed");
    notices.tell(Notice::new(Kind::EndpointRecovered, About::Endpoint(endpoint.clone())));
}

/// Tells how one attempt ended, and what it changed for the lane.
pub(super) fn tell(endpoint: &Name, ended: &Ended, refusal: &Refusal, duration: Duration) {
    tell_event(endpoint, ended, refusal, duration);
    if let Some(change) = ended.change {
        tell_change(endpoint, change, refusal);
    }
    if let Some(pause) = ended.paused {
        let (class, reason, pause_ms) = (refusal.class, refusal.reason.as_str(), millis(pause));
        warn!(%endpoint, class, status = refusal.status, reason, pause_ms, "endpoint paused");
    }
}

fn tell_event(endpoint: &Name, ended: &Ended, refusal: &Refusal, duration: Duration) {
    let due = &ended.due;
    let (watch, path, event) = (&due.watch, &due.path, due.event);
    let Refusal { class, status, reason, .. } = refusal;
    let duration_ms = millis(duration);
    match &ended.conclusion {
        Some(Conclusion::Delivered) => {
            let attempt = due.attempts.saturating_add(1);
            info!(%watch, %path, %endpoint, %event, attempt, status, duration_ms, "delivered");
        }
        Some(Conclusion::Retry { attempts: attempt, delay, .. }) => {
            let retry_in_ms = millis(*delay);
            warn!(
                %watch, %path, %endpoint, %event, attempt, status, class, reason, retry_in_ms,
                duration_ms, "not delivered, will be retried"
            );
        }
        Some(Conclusion::Dead { attempts: attempt, .. }) if due.is_notice() => {
            warn!(
                %path, %endpoint, %event, attempt, status, class, reason, duration_ms,
                "a notice about the daemon itself is given up"
            );
        }
        Some(Conclusion::Dead { attempts: attempt, .. }) => {
            error!(
                %watch, %path, %endpoint, %event, attempt, status, class, reason, duration_ms,
                "given up: now a dead letter, see `watchd events list`"
            );
        }
        None => {
            let attempt = due.attempts.saturating_add(1);
            debug!(
                %watch, %path, %endpoint, %event, attempt, status, class, reason, duration_ms,
                "not delivered, not charged"
            );
        }
    }
}

fn tell_change(endpoint: &Name, change: Change, refusal: &Refusal) {
    let Refusal { class, status, reason, .. } = refusal;
    match change {
        Change::Opened => {
            warn!(%endpoint, class, status, reason, "endpoint failing: probing it until it is back");
        }
        Change::Closed(after) => {
            info!(%endpoint, down_ms = millis(after), "endpoint is back: sending what waited");
        }
        Change::Parked => {
            error!(
                %endpoint, class, status, reason,
                "endpoint parked: the receiver answered 410 Gone; its events wait until its URL changes"
            );
        }
    }
}

/// Saturating, for log fields.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
