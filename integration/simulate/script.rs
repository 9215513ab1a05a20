//! What happens in a run: programs drop files, and things go wrong. All of it is made from the seed
//! before the run begins.

use std::time::Duration;

use crate::{
    additions, arrival::RelPath, disk::Trouble, receiver::Mood, seeded::Chance, settings::Settings,
};

/// One thing that is done to the world, or to the daemon.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// A program opens a file under this number, and writes.
    Open {
        slot: usize,
        volume: usize,
        path: RelPath,
        truncate: bool,
    },
    Write {
        slot: usize,
        bytes: u64,
    },
    Close {
        slot: usize,
    },
    /// A finished file comes from elsewhere on the same file system.
    RenameIn {
        volume: usize,
        path: RelPath,
        size: u64,
        keeps_time: bool,
    },
    DirIn {
        volume: usize,
        path: RelPath,
        files: u64,
    },
    Mkdir {
        volume: usize,
        path: RelPath,
    },
    Rename {
        volume: usize,
        from: RelPath,
        to: RelPath,
    },
    MoveOut {
        volume: usize,
        path: RelPath,
    },
    Remove {
        volume: usize,
        path: RelPath,
    },
    Link {
        volume: usize,
        from: RelPath,
        to: RelPath,
    },
    Chmod {
        volume: usize,
        path: RelPath,
    },
    SetTime {
        volume: usize,
        path: RelPath,
        micros: i64,
    },
    Mood {
        endpoint: usize,
        mood: Mood,
    },
    QueueMax(usize),
    WatchesMax(usize),
    Stall(bool),
    Disk(Trouble),
    /// The process dies at the so manyth operation of its disk from now on.
    DieIn {
        operations: u64,
        power: bool,
    },
    Kill {
        power: bool,
    },
    Stop,
    LoseDatabase,
    Start,
    StepWall(i64),
    Mount {
        volume: usize,
        mounted: bool,
    },
    Failing {
        volume: usize,
        failing: bool,
    },
    Rescan,
    /// SIGHUP, with this one of the later configurations in the file; or with one that is refused.
    Reload {
        to: Option<usize>,
        hangs: Option<Duration>,
    },
}

/// A run before it is run.
pub(crate) struct Script {
    pub(crate) toml: String,
    /// Configurations that reloads go over to.
    pub(crate) later: Vec<String>,
    /// `f_type` of each watched file system.
    pub(crate) magics: Vec<u64>,
    pub(crate) endpoints: usize,
    /// In order of time.
    pub(crate) deeds: Vec<(Duration, Deed)>,
    /// Nothing happens to process, disk, clock or file systems.
    pub(crate) calm: bool,
    /// How long the activity lasts.
    pub(crate) length: Duration,
}

pub(crate) const EXT4: u64 = 0xef53;
const VFAT: u64 = 0x4d44;
pub(crate) const UNKNOWN: u64 = 0x1234_5678;

pub(crate) struct Author {
    pub(crate) chance: Chance,
    pub(crate) volumes: usize,
    pub(crate) endpoints: usize,
    pub(crate) length: Duration,
    slots: usize,
    /// Every loss is made good by a scan of its own; without the safety scan that must be enough.
    rescans: bool,
    deeds: Vec<(Duration, Deed)>,
}

impl Script {
    pub(crate) fn of(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let volumes = if chance.percent(40) { 2 } else { 1 };
        let endpoints = usize::try_from(chance.between(1, 4)).unwrap_or(1);
        let length = chance.millis(5_000, 60_000);
        let calm = chance.percent(15);
        let kinds = [EXT4, EXT4, EXT4, EXT4, VFAT, UNKNOWN];
        let magics: Vec<u64> = (0..volumes).map(|_| *chance.pick(&kinds)).collect();
        let rescans = chance.percent(50);
        let settings = Settings::of(&mut chance, volumes, endpoints, rescans);
        let mut author =
            Author { chance, volumes, endpoints, length, slots: 0, rescans, deeds: Vec::new() };
        for _ in 0..author.chance.between(3, 40) {
            author.drop_something();
        }
        let faults = author.chance.between(0, 7);
        for _ in 0..faults {
            if calm {
                author.trouble_at_receivers();
            } else {
                author.trouble();
            }
        }
        // From dice of their own: without additions a seed means what it meant before there were any.
        author.chance = Chance::new(seed ^ 0x00ad_d171_0115);
        let (first, later) = additions::add(&mut author, settings, calm);
        let toml = first.toml();
        let later = later.iter().map(Settings::toml).collect();
        let mut deeds = author.deeds;
        deeds.sort_by_key(|(at, _)| *at);
        Self { toml, later, magics, endpoints, deeds, calm, length }
    }
}

impl Author {
    pub(crate) fn some_time(&mut self) -> Duration {
        let length = u64::try_from(self.length.as_millis()).unwrap_or(0);
        self.chance.millis(0, length)
    }

    pub(crate) fn add(&mut self, at: Duration, deed: Deed) {
        self.deeds.push((at, deed));
    }

    pub(crate) fn volume(&mut self) -> usize {
        usize::try_from(self.chance.between(0, self.volumes as u64)).unwrap_or(0)
    }

    pub(crate) fn dir(&mut self) -> RelPath {
        RelPath::from_bytes(self.chance.pick(&["", "", "a", "b", "a/c", "a/c/d"]).as_bytes())
    }

    pub(crate) fn file(&mut self) -> RelPath {
        let name =
            *self.chance.pick(&["f0", "f1", "f2", "f3", "f4", "f5", "g.pdf", "x.part", ".h"]);
        self.dir().join(name.as_bytes())
    }

    /// One program does one thing, in one of the ways that programs have.
    pub(crate) fn drop_something(&mut self) {
        let (at, volume) = (self.some_time(), self.volume());
        match self.chance.between(0, 16) {
            0..=4 => {
                let path = self.file();
                self.write(at, volume, path);
            }
            5 | 6 => {
                let (path, size) = (self.file(), self.chance.between(0, 5000));
                let keeps_time = self.chance.percent(40);
                self.add(at, Deed::RenameIn { volume, path, size, keeps_time });
            }
            7 => self.new_directory(at, volume),
            8 => {
                let (path, files) = (self.new_dir_name(), self.chance.between(0, 12));
                self.add(at, Deed::DirIn { volume, path, files });
            }
            9 | 10 => self.partial_then_rename(at, volume),
            11 => {
                let (from, to) = (self.file(), self.file());
                self.add(at, Deed::Link { volume, from, to });
            }
            12 => {
                let (from, to) = if self.chance.percent(50) {
                    (self.file(), self.file())
                } else {
                    (self.dir(), self.new_dir_name())
                };
                if !from.is_root() {
                    self.add(at, Deed::Rename { volume, from, to });
                }
            }
            13 => self.take_away(at, volume),
            14 => {
                let path = self.file();
                self.add(at, Deed::Chmod { volume, path: path.clone() });
                self.add(
                    at + Duration::from_millis(1),
                    Deed::SetTime { volume, path, micros: 1_000_000 },
                );
            }
            _ => self.burst(at, volume),
        }
    }

    fn new_dir_name(&mut self) -> RelPath {
        let name = *self.chance.pick(&["a", "b", "n1", "n2"]);
        if self.chance.percent(50) {
            RelPath::from_bytes(name.as_bytes())
        } else {
            self.dir().join(name.as_bytes())
        }
    }

    /// Opens, writes in pieces, sometimes stalls, closes.
    pub(crate) fn write(&mut self, at: Duration, volume: usize, path: RelPath) {
        let slot = self.slots;
        self.slots += 1;
        let truncate = self.chance.percent(60);
        self.add(at, Deed::Open { slot, volume, path, truncate });
        let mut at = at;
        for _ in 0..self.chance.between(0, 6) {
            at += if self.chance.percent(15) {
                self.chance.millis(500, 9000)
            } else {
                self.chance.millis(0, 60)
            };
            let bytes = self.chance.between(1, 4000);
            self.add(at, Deed::Write { slot, bytes });
        }
        at += if self.chance.percent(20) {
            self.chance.millis(500, 9000)
        } else {
            self.chance.millis(0, 20)
        };
        self.add(at, Deed::Close { slot });
    }

    /// `mkdir` and files in it at once, as `cp -r` and unpackers do.
    fn new_directory(&mut self, at: Duration, volume: usize) {
        let dir = self.new_dir_name();
        self.add(at, Deed::Mkdir { volume, path: dir.clone() });
        for n in 0..self.chance.between(0, 6) {
            let at = at + self.chance.millis(0, 8);
            self.write(at, volume, dir.join(format!("f{n}").as_bytes()));
        }
    }

    fn partial_then_rename(&mut self, at: Duration, volume: usize) {
        let to = self.file();
        let from = to.parent().join(b"upload.part");
        let slot = self.slots;
        self.slots += 1;
        self.add(at, Deed::Open { slot, volume, path: from.clone(), truncate: true });
        self.add(at + Duration::from_millis(5), Deed::Write { slot, bytes: 100 });
        let end = at + self.chance.millis(6, 4000);
        self.add(end, Deed::Close { slot });
        let then = end + self.chance.millis(0, 30);
        self.add(then, Deed::Rename { volume, from, to });
    }

    fn take_away(&mut self, at: Duration, volume: usize) {
        let path = if self.chance.percent(70) { self.file() } else { self.new_dir_name() };
        let deed = if self.chance.percent(50) {
            Deed::Remove { volume, path }
        } else {
            Deed::MoveOut { volume, path }
        };
        self.add(at, deed);
    }

    pub(crate) fn burst(&mut self, at: Duration, volume: usize) {
        for n in 0..self.chance.between(5, 60) {
            let path = RelPath::from_bytes(format!("burst{n}").as_bytes());
            let at = at + self.chance.millis(0, 20);
            self.add(at, Deed::RenameIn { volume, path, size: n, keeps_time: false });
        }
    }

    fn mood(&mut self) -> Mood {
        match self.chance.between(0, 9) {
            0..=2 => Mood::Refuses(*self.chance.pick(&[500, 503, 502]), None),
            3 => Mood::Refuses(*self.chance.pick(&[429, 503]), Some(self.chance.between(0, 300))),
            4 => Mood::Refuses(*self.chance.pick(&[400, 405, 404, 302]), None),
            5 => Mood::Silent,
            6 => Mood::Loses,
            _ => Mood::Down,
        }
    }

    fn trouble_at_receivers(&mut self) {
        // The last one stays healthy where there are several: P6 is judged by it.
        let most = self.endpoints.saturating_sub(1).max(1) as u64;
        let endpoint = usize::try_from(self.chance.between(0, most)).unwrap_or(0);
        let (at, mood) = (self.some_time(), self.mood());
        self.add(at, Deed::Mood { endpoint, mood });
        // Hours are enough for retries at their widest, and for dead letters.
        let longest = *self.chance.pick(&[3_000, 30_000, 300_000, 20_000_000]);
        let end = at + self.chance.millis(100, longest);
        self.add(end, Deed::Mood { endpoint, mood: Mood::Takes });
    }

    /// Something goes wrong for a while.
    fn trouble(&mut self) {
        let (at, volume) = (self.some_time(), self.volume());
        let end = at + self.chance.millis(50, 12_000);
        match self.chance.between(0, 20) {
            0..=2 => self.trouble_at_receivers(),
            3..=5 => {
                let (operations, power) = (self.chance.between(1, 60), self.chance.percent(70));
                self.add(at, Deed::DieIn { operations, power });
                self.add(end, Deed::Start);
            }
            6 | 7 => {
                let power = self.chance.percent(50);
                self.add(at, Deed::Kill { power });
                self.add(end, Deed::Start);
            }
            8 => {
                self.add(at, Deed::Stop);
                self.add(end, Deed::Start);
            }
            9 => {
                self.add(at, Deed::Kill { power: false });
                self.add(at + Duration::from_millis(1), Deed::LoseDatabase);
                self.add(end, Deed::Start);
            }
            10 | 11 => {
                let max = usize::try_from(self.chance.between(1, 20)).unwrap_or(1);
                self.add(at, Deed::QueueMax(max));
                self.add(at, Deed::Stall(true));
                self.burst(at, volume);
                let soon = at + self.chance.millis(20, 300);
                self.add(soon, Deed::Stall(false));
                self.add(end, Deed::QueueMax(16384));
            }
            12 => {
                self.add(at, Deed::Stall(true));
                self.add(end, Deed::Stall(false));
            }
            13 | 14 => {
                let trouble = *self.chance.pick(&[Trouble::Full, Trouble::Sync, Trouble::Write]);
                self.add(at, Deed::Disk(trouble));
                self.add(end, Deed::Disk(Trouble::None));
            }
            15 => {
                let by = *self.chance.pick(&[-86_400, -3600, -30, 30, 3600, 86_400]);
                self.add(at, Deed::StepWall(by));
            }
            16 => {
                // Sometimes the table of mounts is the same again when somebody looks at it.
                let end =
                    if self.chance.percent(50) { end } else { at + self.chance.millis(0, 150) };
                self.add(at, Deed::Mount { volume, mounted: false });
                self.add(end, Deed::Mount { volume, mounted: true });
            }
            // What cannot be looked at comes back with the next scan.
            17 if self.rescans => {
                self.add(at, Deed::Failing { volume, failing: true });
                self.add(end, Deed::Failing { volume, failing: false });
            }
            18 => {
                let max = usize::try_from(self.chance.between(0, 4)).unwrap_or(0);
                self.add(at, Deed::WatchesMax(max));
                self.add(end, Deed::WatchesMax(8192));
            }
            _ => self.add(at, Deed::Rescan),
        }
    }
}
