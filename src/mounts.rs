//! What is mounted where: the only file that reads `/proc/self/mountinfo`.
//!
//! A mount over a watched directory is silent (inotify(7)). The kernel wakes whoever polls this file when
//! it changes (proc(5), `EPOLLPRI`), so nothing has to look at it now and then.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::File,
    io::{self, Read, Seek},
    os::unix::ffi::OsStringExt,
    path::PathBuf,
    thread,
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::mpsc;
use tracing::warn;

const MOUNTINFO: &str = "/proc/self/mountinfo";

/// What is read of it: the kernel allows 100,000 mounts (`fs.mount-max`), of about 150 bytes each.
const MOUNTINFO_BYTES_MAX: u64 = 32 << 20;

/// Changes come in company: a container that starts makes dozens of mounts.
pub(super) const GATHER: Duration = Duration::from_millis(100);

/// Where mounts have changed. A thread of its own waits for that; it ends with the process.
pub(crate) struct Mounts(mpsc::Receiver<Vec<PathBuf>>);

/// One mount: where, and the number that no other mount has at the same time.
pub(super) type Mounted = (PathBuf, u64);

impl Mounts {
    /// From now on. Where they cannot be followed that is said, and [`Mounts::changed`] never returns.
    pub(crate) fn follow() -> Self {
        // Those that come while nobody takes these are in the next list.
        let (tell, told) = mpsc::channel(1);
        let follows = File::open(MOUNTINFO).and_then(|file| {
            let spawned = thread::Builder::new().name("mounts".to_owned());
            spawned.spawn(move || {
                if let Err(error) = follow(file, &tell) {
                    warn!(path = MOUNTINFO, %error, "mounts are not followed any more");
                }
            })
        });
        if let Err(error) = follows {
            warn!(path = MOUNTINFO, %error, "mounts are not followed, only found by scans");
        }
        Self(told)
    }

    /// Waits for mounts to change; where they did, as far as that can be seen.
    pub(crate) async fn changed(&mut self) -> Vec<PathBuf> {
        match self.0.recv().await {
            Some(places) => places,
            None => std::future::pending().await,
        }
    }
}

/// Tells until nobody listens.
fn follow(mut file: File, tell: &mpsc::Sender<Vec<PathBuf>>) -> io::Result<()> {
    let mut known = read(&mut file)?;
    loop {
        match poll(&mut [PollFd::new(&file, PollFlags::PRI)], None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        thread::park_timeout(GATHER);
        let now = read(&mut file)?;
        let places = differing(&known, &now);
        known = now;
        // Told also when it looks as before: what was unmounted and mounted again may have its old number.
        if tell.blocking_send(places).is_err() {
            return Ok(());
        }
    }
}

fn read(file: &mut File) -> io::Result<BTreeSet<Mounted>> {
    file.rewind()?;
    let mut text = Vec::new();
    file.take(MOUNTINFO_BYTES_MAX).read_to_end(&mut text)?;
    Ok(text.split(|byte| *byte == b'\n').filter_map(mounted).collect())
}

/// The places of mounts that are in one of them only.
pub(super) fn differing(before: &BTreeSet<Mounted>, after: &BTreeSet<Mounted>) -> Vec<PathBuf> {
    let places: BTreeSet<_> = before.symmetric_difference(after).map(|(at, _)| at).collect();
    places.into_iter().cloned().collect()
}

/// One line: the first field is the number of the mount, the fifth where it is.
fn mounted(line: &[u8]) -> Option<Mounted> {
    let mut fields = line.split(|byte| *byte == b' ');
    let number = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    Some((PathBuf::from(OsString::from_vec(unescaped(fields.nth(3)?))), number))
}

/// Blanks and backslashes are written as a backslash and three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let (mut plain, mut rest) = (Vec::with_capacity(field.len()), field);
    while let Some((first, tail)) = rest.split_first() {
        let byte = match tail.first_chunk::<3>() {
            Some(digits) if *first == b'\\' => octal(*digits),
            _ => None,
        };
        plain.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { tail.get(3..).unwrap_or_default() } else { tail };
    }
    plain
}

fn octal(digits: [u8; 3]) -> Option<u8> {
    digits.iter().try_fold(0_u8, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
        value.checked_mul(8)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &[u8] =
        br"36 35 98:0 /mnt1 /mnt\0402/a\134b rw,noatime master:1 - ext3 /dev/root rw";

    #[test]
    fn a_line_says_where_and_which_and_blanks_are_unescaped() {
        assert_eq!(mounted(LINE), Some((PathBuf::from(r"/mnt 2/a\b"), 36)));
        for odd in ["", "x", "36 35 98:0 /mnt1", "x 35 98:0 / /mnt rw"] {
            assert_eq!(mounted(odd.as_bytes()), None, "{odd:?}");
        }
        for odd in [r"\", r"\0", r"\08", r"\999", r"\400"] {
            assert_eq!(unescaped(odd.as_bytes()), odd.as_bytes());
        }
    }

    #[test]
    fn what_came_went_or_was_mounted_anew_differs() {
        let set = |mounts: &[(&str, u64)]| -> BTreeSet<Mounted> {
            mounts.iter().map(|(at, number)| (PathBuf::from(at), *number)).collect()
        };
        let before = set(&[("/", 1), ("/gone", 2), ("/again", 3)]);
        let after = set(&[("/", 1), ("/again", 4), ("/new", 5)]);
        let places = ["/again", "/gone", "/new"].map(PathBuf::from);
        assert_eq!(differing(&before, &after), places);
        assert!(differing(&after, &after).is_empty());
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_a_panic(line: Vec<u8>) {
            let _read = mounted(&line);
        }
    }
}
