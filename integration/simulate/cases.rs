//! Runs that failed once, boiled down to what made them fail: they are played before any seed. What a seed
//! means changes with the script; these stay.

use std::time::Duration;

use crate::{
    arrival::RelPath,
    script::{Deed, EXT4, Script, UNKNOWN},
};

/// Each is played so often, with other dice.
pub(crate) const DICE: u64 = 20;

/// Its name, and what happens in it.
pub(crate) type Case = (&'static str, fn() -> Script);

pub(crate) const ALL: [Case; 4] = [
    ("written-by-an-ignored-name", || written_by_another_name(".hidden")),
    ("written-by-another-name", || written_by_another_name("other")),
    ("unmounted-and-mounted-at-once", unmounted_and_mounted),
    ("mounted-with-its-old-number", mounted_with_its_old_number),
];

fn path(text: &str) -> RelPath {
    RelPath::from_bytes(text.as_bytes())
}

/// One watch on ext4, without the safety scan.
fn script(deeds: impl IntoIterator<Item = (u64, Deed)>) -> Script {
    let toml = "instance = \"simulated\"\n\
        [watch.w0]\npath = \"/w0\"\nendpoints = [\"e0\"]\npoll_interval = \"1s\"\nrescan_interval = \"300h\"\n\
        [endpoint.e0]\nurl = \"http://127.0.0.1:1/\"\n[state]\n";
    let at = |(ms, deed)| (Duration::from_millis(ms), deed);
    let deeds: Vec<_> = deeds.into_iter().map(at).collect();
    let length = deeds.last().map_or(Duration::ZERO, |(at, _)| *at);
    Script {
        toml: toml.to_owned(),
        later: Vec::new(),
        magics: vec![EXT4],
        endpoints: 1,
        deeds,
        calm: false,
        length,
    }
}

/// The kernel tells of the name by which a file was opened, and of no other (seed 1741 of the first script).
fn written_by_another_name(name: &str) -> Script {
    let (slot, volume) = (0, 0);
    let open = |path, truncate| Deed::Open { slot, volume, path, truncate };
    script([
        (1_000, open(path(name), true)),
        (1_010, Deed::Close { slot }),
        (1_020, Deed::Link { volume, from: path(name), to: path("file") }),
        (20_000, open(path(name), false)),
        (20_010, Deed::Write { slot, bytes: 10 }),
        (20_020, Deed::Close { slot }),
    ])
}

/// The same directory as before, and the kernel's watch on it has ended.
fn unmounted_and_mounted() -> Script {
    let volume = 0;
    let file = |name| Deed::RenameIn { volume, path: path(name), size: 1, keeps_time: false };
    script([
        (1_000, Deed::Mkdir { volume, path: path("sub") }),
        (1_001, file("sub/before")),
        (10_000, Deed::Mount { volume, mounted: false }),
        (10_000, Deed::Mount { volume, mounted: true }),
        (20_000, file("after")),
        (20_001, file("sub/after")),
    ])
}

/// The table looks as before when somebody reads it, and what was beneath was found meanwhile: another file
/// system, of which less is waited for (seeds 2740, 5200 and 7074 of the second script).
fn mounted_with_its_old_number() -> Script {
    let volume = 0;
    let mut deeds = Vec::new();
    for n in 0..300 {
        let at = 2_000 + n * 333;
        deeds.push((at, Deed::Mount { volume, mounted: false }));
        deeds.push((at + 90, Deed::Mount { volume, mounted: true }));
        let name = RelPath::from_bytes(format!("file{n}").as_bytes());
        if n % 10 == 0 {
            let file = Deed::RenameIn { volume, path: name, size: n, keeps_time: false };
            deeds.push((at + 100, file));
        }
        deeds.push((at + 150, Deed::Rescan));
    }
    Script { magics: vec![UNKNOWN], ..script(deeds) }
}
