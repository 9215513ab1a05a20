//! What the script did not have at first: baselines, markers and reloads. Drawn from dice of their own.

use std::time::Duration;

use crate::{
    arrival::RelPath,
    receiver::Mood,
    script::{Author, Deed},
    settings::Settings,
};

/// How long a first scan may take here.
const FIRST_SCAN_MS: u64 = 60;

/// Changes `settings`, adds deeds, and says which configurations come later.
pub(crate) fn add(
    author: &mut Author,
    mut settings: Settings,
    calm: bool,
) -> (Settings, Vec<Settings>) {
    if author.chance.percent(50) {
        return (settings, Vec::new());
    }
    for at in 0..settings.watches.len() {
        let volume = settings.watches[at].number;
        if author.chance.percent(50) {
            settings.watches[at].baseline = author.chance.percent(75);
            author.what_is_there(volume);
            author.while_it_is_scanned(volume);
            if !calm && author.chance.percent(50) {
                author.dies_early();
            }
        }
        if author.chance.percent(30) {
            settings.watches[at].marker = true;
            author.markers(volume);
        }
    }
    let full = settings.clone();
    if author.chance.percent(50) {
        settings = author.another(&settings, &full);
    }
    let mut later = Vec::new();
    for _ in 0..author.chance.between(0, 4) {
        let last = later.last().unwrap_or(&settings);
        later.push(author.another(last, &full));
    }
    if author.chance.percent(30) {
        let last = later.last().unwrap_or(&settings).clone();
        later.extend(author.leaves_and_comes_back(last));
    }
    author.reloads(later.len());
    (settings, later)
}

impl Author {
    /// Files that nobody touches any more, unless with a directory above them.
    fn what_is_there(&mut self, volume: usize) {
        let at = Duration::ZERO;
        for dir in ["a", "b", "a/c", "a/c/d"] {
            if self.chance.percent(60) {
                self.add(at, Deed::Mkdir { volume, path: RelPath::from_bytes(dir.as_bytes()) });
            }
        }
        for n in 0..self.chance.between(1, 25) {
            let path = self.dir().join(format!("old{n}").as_bytes());
            self.add(at, Deed::RenameIn { volume, path, size: n, keeps_time: true });
        }
    }

    /// What comes in the middle of the first scan.
    fn while_it_is_scanned(&mut self, volume: usize) {
        for n in 0..self.chance.between(0, 8) {
            let at = self.chance.millis(0, FIRST_SCAN_MS);
            let path = self.dir().join(format!("new{n}").as_bytes());
            if self.chance.percent(50) {
                self.write(at, volume, path);
            } else {
                self.add(at, Deed::RenameIn { volume, path, size: n, keeps_time: true });
            }
        }
    }

    /// The process dies once or twice while it scans for the first time.
    fn dies_early(&mut self) {
        let mut at = self.chance.millis(0, FIRST_SCAN_MS);
        for _ in 0..self.chance.between(1, 3) {
            let power = self.chance.percent(50);
            if self.chance.percent(50) {
                self.add(at, Deed::Kill { power });
            } else {
                let operations = self.chance.between(1, 25);
                self.add(at, Deed::DieIn { operations, power });
            }
            at += self.chance.millis(1, 400);
            self.add(at, Deed::Start);
            at += self.chance.millis(0, FIRST_SCAN_MS);
        }
    }

    /// Markers come after their files, before them, with them, go again, or never come.
    fn markers(&mut self, volume: usize) {
        for _ in 0..self.chance.between(2, 20) {
            let (at, path) = (self.some_time(), self.file());
            let marker = path.parent().join(&[path.name(), b".done"].concat());
            let comes = if self.chance.percent(50) { at } else { self.some_time() };
            match self.chance.between(0, 4) {
                0 => self.write(at, volume, path),
                1 | 2 => {
                    self.add(at, Deed::RenameIn { volume, path, size: 7, keeps_time: false });
                }
                _ => {} // of a file that comes otherwise, or does not
            }
            match self.chance.between(0, 5) {
                0 => {}
                1 => self.write(comes, volume, marker),
                2 => {
                    let deed =
                        Deed::RenameIn { volume, path: marker.clone(), size: 0, keeps_time: false };
                    self.add(comes, deed);
                    let goes = comes + self.chance.millis(0, 4000);
                    self.add(goes, Deed::Remove { volume, path: marker });
                }
                _ => {
                    let deed = Deed::RenameIn { volume, path: marker, size: 0, keeps_time: false };
                    self.add(comes, deed);
                }
            }
        }
    }

    /// SIGHUP at any time. Sometimes the configuration is refused, sometimes a thread does not end.
    fn reloads(&mut self, later: usize) {
        let mut times: Vec<Duration> = (0..later).map(|_| self.some_time()).collect();
        times.sort_unstable();
        for (to, at) in times.into_iter().enumerate() {
            let hangs = self.chance.percent(20).then(|| self.chance.millis(500, 9000));
            self.add(at, Deed::Reload { to: Some(to), hangs });
            // What lands around it must not be forgotten.
            for _ in 0..self.chance.between(0, 4) {
                let volume = self.volume();
                let early = Duration::from_millis(self.chance.between(0, 2500));
                let (path, keeps_time) = (self.file(), false);
                let at = at.saturating_sub(early) + self.chance.millis(0, 1500);
                self.add(at, Deed::RenameIn { volume, path, size: 11, keeps_time });
            }
        }
        if self.chance.percent(20) {
            let at = self.some_time();
            self.add(at, Deed::Reload { to: None, hangs: None });
        }
    }

    /// An endpoint that is down is taken out, and put in again.
    fn leaves_and_comes_back(&mut self, last: Settings) -> Vec<Settings> {
        // Not the one that P6 is judged by.
        let endpoint = usize::try_from(self.chance.between(0, self.endpoints as u64)).unwrap_or(0);
        let mut without = last.clone();
        without.endpoints.retain(|e| e.number != endpoint);
        without.watches.iter_mut().for_each(|watch| watch.to.retain(|to| *to != endpoint));
        if endpoint + 1 == self.endpoints || !without.is_valid() {
            return Vec::new();
        }
        let (from, to) = (self.some_time() / 4, self.length + self.chance.millis(0, 30_000));
        self.add(from, Deed::Mood { endpoint, mood: Mood::Down });
        self.add(to, Deed::Mood { endpoint, mood: Mood::Takes });
        vec![without, last]
    }

    /// What an operator makes of `last`; `full` has everything that there is.
    fn another(&mut self, last: &Settings, full: &Settings) -> Settings {
        loop {
            let mut next = last.clone();
            for _ in 0..self.chance.between(0, 4) {
                self.change(&mut next, full);
            }
            if next.is_valid() {
                return next;
            }
        }
    }

    fn change(&mut self, next: &mut Settings, full: &Settings) {
        let pick = |author: &mut Self, len: usize| {
            usize::try_from(author.chance.between(0, len as u64)).unwrap_or(0)
        };
        if next.watches.is_empty() || next.endpoints.is_empty() {
            *next = full.clone();
        }
        let (w, e) = (pick(self, next.watches.len()), pick(self, next.endpoints.len()));
        match self.chance.between(0, 10) {
            0 => *next = full.clone(),
            1 => drop(next.watches.remove(w)),
            2 => {
                let gone = next.endpoints.remove(e).number;
                next.watches.iter_mut().for_each(|watch| watch.to.retain(|to| *to != gone));
            }
            3 => next.endpoints[e].concurrency = self.chance.between(1, 6),
            4 | 5 => next.watches[w].quiet = *self.chance.pick(&["200ms", "1s", "2s"]),
            6 | 7 => {
                let globs = ["", "exclude = [\"f1\", \"g.*\"]\n", "include = [\"f*\", \"old*\"]\n"];
                next.watches[w].globs = *self.chance.pick(&globs);
            }
            8 => {
                next.watches[w].to = next.endpoints.iter().map(|e| e.number).collect();
                if self.chance.percent(50) {
                    next.watches[w].to.truncate(1);
                }
            }
            _ => {
                let watch = &mut next.watches[w];
                if self.chance.percent(50) {
                    watch.marker = !watch.marker;
                } else {
                    watch.baseline = !watch.baseline;
                }
            }
        }
    }
}
