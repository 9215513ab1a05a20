//! Asking the kernel whether anybody has a file open for writing: take a read lease, give it back at once.
//!
//! fcntl(2): a read lease is granted only while no process has the file open for writing, a writable
//! mapping included. While it is held a writer's open waits, so it is never held: the next call drops it.
//! A writer that opens within that window makes the kernel send us SIGIO, whose default is death: the
//! daemon takes that signal before the first probe.

use std::os::fd::{AsRawFd, BorrowedFd};

/// What the kernel said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// Nobody has the file open for writing.
    None,
    /// Somebody has.
    Present,
    /// The kernel would not say: not our file and no `CAP_LEASE`, or a file system without leases.
    Unknown,
}

/// Whether a writer has the file behind `fd` open; `fd` must be open for reading only.
pub(crate) fn writer_of(fd: BorrowedFd<'_>) -> Writer {
    match lease(fd, libc::F_RDLCK) {
        Ok(()) => {
            // Cannot fail for a lease that was just granted; closing `fd` would drop it as well.
            let _dropped = lease(fd, libc::F_UNLCK);
            Writer::None
        }
        Err(libc::EAGAIN) => Writer::Present,
        Err(_) => Writer::Unknown,
    }
}

/// No kept crate wraps `F_SETLEASE` (rustix 1.1 and nix 0.31 do not).
#[expect(
    unsafe_code,
    reason = "fcntl is called with an open descriptor and an integer; no memory is shared"
)]
fn lease(fd: BorrowedFd<'_>, kind: libc::c_int) -> Result<(), libc::c_int> {
    // SAFETY: `fd` is open for the whole call, and F_SETLEASE takes its argument by value.
    let answer = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETLEASE, kind) };
    if answer == 0 {
        return Ok(());
    }
    Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}
