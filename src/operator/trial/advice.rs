//! What to do about a test that failed, where the reason does not say so itself. Pure.

use crate::{
    deliver::{OpenError, verdict::Class},
    http::{Fault, Leg},
};

/// About files that cannot be used.
pub(super) fn on_files(why: &OpenError) -> Option<&'static str> {
    match why {
        OpenError::File { .. } => Some(
            "run this as root or as the daemon's user; for credentials of a unit set CREDENTIALS_DIRECTORY=/run/credentials/UNIT",
        ),
        _ => None,
    }
}

/// About a request without an answer.
pub(super) fn on_fault(fault: Fault, leg: Leg) -> Option<&'static str> {
    match fault {
        Fault::Dns => Some("compare the host in the URL with what `getent ahosts HOST` finds"),
        Fault::Refused => {
            Some("nobody listens there: is the receiver running, and is the port right?")
        }
        Fault::Unreachable => Some("the network says no: look at routes and cables on the way"),
        Fault::ConnectTimeout => Some(match leg {
            Leg::Name => "the name server does not answer in time: look at /etc/resolv.conf",
            Leg::Connection => "nothing answers: a firewall may drop what is sent, on either side",
            Leg::Tunnel => "the proxy does not open the tunnel in time: may it reach the receiver?",
            Leg::Tls => "the port is open and nothing speaks TLS on it: is it the right one?",
        }),
        Fault::Timeout => Some("the receiver takes longer than `timeout`: it should answer first"),
        Fault::ConnectionLost | Fault::Protocol => {
            Some("is it an HTTP server, and is it http or https that it speaks on this port?")
        }
        // These say it themselves.
        Fault::Tls(_) | Fault::Blocked(_) | Fault::Proxy(_) | Fault::Local(_) | Fault::Other => {
            None
        }
    }
}

/// About an answer that is a refusal.
pub(super) fn on_status(status: u16, signed: bool) -> Option<&'static str> {
    match status {
        300..=399 => Some("set the URL to where it points, if that is the receiver"),
        401 | 403 if signed => Some(
            "compare the signing secret and the headers with what the receiver has, and the clocks",
        ),
        401 | 403 => Some("it may want a signature (secret_files) or a token (header_files)"),
        404 | 405 => Some("compare the path of the URL with what the receiver serves by POST"),
        407 => Some("the proxy wants a password, which watchd does not send"),
        413 | 415 | 422 | 400 => {
            Some("the receiver has to take every event, also those of a type it does not know")
        }
        429 => Some("see rate_limit"),
        500..=599 => Some("the receiver's own log says why"),
        _ => None,
    }
}

/// What the daemon does with an event that ends like this.
pub(super) fn verdict(class: Class) -> &'static str {
    match class {
        Class::Ok => "an event would be delivered",
        Class::Retry => "an event would be tried again by retry_delays",
        Class::Slow => {
            "an event would be tried again, and the endpoint paused for a minute at least"
        }
        Class::Config => "the endpoint would count as down: its events wait, and it is probed",
        Class::Proxy => {
            "the endpoint would count as down: its events wait, not charged, and it is probed"
        }
        Class::Reject => "an event would be tried twice more, then be a dead letter",
        Class::Permanent => "an event would be a dead letter at once",
        Class::Gone => "the endpoint would be parked until its URL changes or it is resumed",
        Class::Clock => "an event would be tried again, not charged, until the clocks agree",
        Class::Local => "an event would wait, not charged, until this machine can send",
    }
}
