//! What the outside asks for by signals.

use std::io::{self, IsTerminal as _};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
pub(super) enum Asked {
    Stop(&'static str),
    /// The configuration is read again, and every watch scanned.
    Reload,
}

/// Taken before the first file is looked at.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// A writer that opens a file while we hold our lease on it for an instant makes the kernel send SIGIO,
    /// whose default is death (fcntl(2)). Taking it is all that has to be done about it.
    _lease_broken: Signal,
}

impl Signals {
    pub(super) fn take() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            _lease_broken: signal(SignalKind::io())?,
        })
    }

    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Asked::Stop("SIGINT"),
            // A terminal that is closed takes its daemon with it; anybody else means "read it again".
            _ = self.hangup.recv() => {
                if io::stderr().is_terminal() { Asked::Stop("SIGHUP") } else { Asked::Reload }
            }
        }
    }

    /// Waits for a word to stop, and leaves the others for later.
    pub(super) async fn stop(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    pub(super) async fn stop_again(&mut self) {
        while !matches!(self.next().await, Asked::Stop(_)) {}
    }
}
