//! What the service manager gives us and what we tell it: `sd_listen_fds(3)`, `sd_notify(3)`,
//! `sd_watchdog_enabled(3)`. Nothing outside this folder names the libraries that speak to it.
//!
//! Without a service manager everything here does nothing: no socket, no thread, no timer.

mod listener;
mod notifier;

use std::time::Duration;

pub use self::{
    listener::{NotInherited, inherit},
    notifier::{Notifier, last_words},
};

/// The variables that a child of ours must not take for its own: it is not what the manager started.
pub const VARIABLES: [&str; 6] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
];

/// Within which time the manager wants to hear from us, if it does.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())
}
