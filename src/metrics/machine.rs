//! What the kernel says of this process and of its own limits. Anything may be unreadable in a sandbox.

use std::fs;

/// Facts that are not on the board.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine {
    /// Memory of this process, in bytes.
    pub resident: Option<u64>,
    /// Files that this process has open.
    pub open_files: Option<u64>,
    /// Inotify watches that a user may have.
    pub watches_max: Option<u64>,
    /// Inotify instances that a user may have.
    pub instances_max: Option<u64>,
    /// Events that wait in an inotify instance before the kernel loses some.
    pub queue_max: Option<u64>,
}

impl Machine {
    /// As it is now (proc(5), inotify(7)).
    pub fn look() -> Self {
        let limit =
            |name| number(&fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?);
        let open_files = fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64);
        Self {
            resident: fs::read_to_string("/proc/self/status").ok().and_then(|text| resident(&text)),
            // One of them is the directory that was just read.
            open_files: open_files.map(|open| open.saturating_sub(1)),
            watches_max: limit("max_user_watches"),
            instances_max: limit("max_user_instances"),
            queue_max: limit("max_queued_events"),
        }
    }
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    number(line.strip_suffix("kB")?).map(|kib| kib.saturating_mul(1024))
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes_and_what_cannot_be_read_is_left_out() {
        assert_eq!(resident("VmPeak:\t  1 kB\nVmRSS:\t    8600 kB\n"), Some(8_806_400));
        assert_eq!(resident("VmRSS:\t many kB\n"), None);
        assert_eq!(resident(""), None);
        assert_eq!((number(" 128\n"), number("-1")), (Some(128), None));
    }
}
