//! Plays a seed to its end, and judges what came of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use tokio::{
    task::LocalSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    arrival::{EventId, Name, RelPath},
    config::{
        self, Sources,
        checked::{Config, Watch},
    },
    daemon::{self, Daemon, Left},
    disk::{self, Trouble},
    held, idle, ledger,
    parts::Order,
    receiver::{self, Mood},
    script::{Deed, Script},
    seeded::Chance,
    world,
};

/// Retries wait for up to eight hours and a half.
const PATIENCE: Duration = Duration::from_hours(100);
/// As long as the last retry of what was refused may take.
const REFUSED_PATIENCE: Duration = Duration::from_hours(13);
/// What a healthy endpoint may take, whatever the others do.
const PROMPT: Duration = Duration::from_secs(10);

/// What one seed amounted to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) violations: Vec<String>,
    pub(crate) history: Vec<String>,
    pub(crate) deeds: u64,
    pub(crate) events: u64,
    pub(crate) requests: u64,
    pub(crate) repeated: u64,
    pub(crate) dead: u64,
    pub(crate) overflows: u64,
    pub(crate) simulated: Duration,
    /// Crashes by where they came, and what went with them.
    pub(crate) crashes: BTreeMap<(&'static str, &'static str), u64>,
    pub(crate) reloads: u64,
    /// Files that were recorded silently by a first scan.
    pub(crate) silent: u64,
    /// Databases that were deleted while nobody had them open.
    pub(crate) databases_lost: u64,
}

struct Stage {
    script: Script,
    config: Config,
    /// What reloads may find in the file.
    later: Vec<Config>,
    daemon: Option<Daemon>,
    slots: BTreeMap<usize, u64>,
    chance: Chance,
    /// What the next death of the disk is to be.
    power: bool,
    outcome: Outcome,
}

/// Plays a script on this thread; dice follow from the seed.
pub(crate) fn play(script: Script, seed: u64, with_history: bool) -> Outcome {
    let runtime = idle::runtime();
    let place = tempfile::Builder::new().prefix("watchd-simulate-").tempdir_in(memory());
    let place = place.expect("a directory in memory");
    LocalSet::new().block_on(&runtime, async {
        let mut stage = Stage::set(script, seed, place.path(), with_history);
        stage.perform().await;
        stage.heal().await;
        stage.judge().await;
        stage.outcome
    })
}

/// The configuration that a file with this content is.
fn read(toml: &str, place: &Path) -> Config {
    let file = place.join("watchd.toml");
    let toml = format!("{toml}dir = \"{}\"\n", place.join("state").display());
    std::fs::write(&file, toml).expect("a file in memory");
    let sources = Sources { config: Some(file), cwd: "/".into(), ..Sources::default() };
    config::load(&sources).unwrap_or_else(|problems| panic!("{problems}")).config
}

/// The name of a watch or an endpoint.
fn numbered(letter: char, number: usize) -> Name {
    Name::parse(&format!("{letter}{number}")).expect("a name")
}

/// Where files cost no disk.
fn memory() -> &'static Path {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { shm } else { Path::new("/tmp") }
}

impl Stage {
    fn set(script: Script, seed: u64, state: &Path, with_history: bool) -> Self {
        disk::create();
        world::create(seed);
        ledger::create();
        let config = read(&script.toml, state);
        let later = script.later.iter().map(|toml| read(toml, state)).collect();
        for (number, magic) in script.magics.iter().enumerate() {
            let (path, watch) = (format!("/w{number}"), numbered('w', number));
            world::with(|w| w.add_volume(path.as_ref(), *magic, ledger::INSTANCE, watch));
        }
        receiver::create((0..script.endpoints).map(|number| numbered('e', number)), with_history);
        held::begin(&config);
        Self {
            daemon: Some(Daemon::start(&config)),
            script,
            config,
            later,
            slots: BTreeMap::new(),
            chance: Chance::new(seed ^ 0xfa11),
            power: false,
            outcome: Outcome::default(),
        }
    }

    async fn perform(&mut self) {
        let begin = Instant::now();
        for (at, deed) in std::mem::take(&mut self.script.deeds) {
            self.wait_until(begin + at).await;
            receiver::tell(|| format!("{deed:?}"));
            self.outcome.deeds += 1;
            self.act(deed).await;
            if let Some(daemon) = &self.daemon {
                daemon.poke();
            }
        }
    }

    /// Lets time pass, and notices when the process dies meanwhile.
    async fn wait_until(&mut self, until: Instant) {
        let death = disk::death();
        loop {
            if self.daemon.is_some() && disk::is_dead() {
                self.died(disk::died_at()).await;
            }
            if Instant::now() >= until {
                return;
            }
            tokio::select! {
                biased;
                () = death.notified() => {}
                () = sleep_until(until) => {}
            }
        }
    }

    async fn died(&mut self, how: &'static str) {
        let with = if self.power { ", with the power" } else { "" };
        *self.outcome.crashes.entry((how, with)).or_default() += 1;
        receiver::tell(|| format!("the process died {how}{with}"));
        if let Some(daemon) = self.daemon.take() {
            daemon.kill().await;
        }
        held::newest_in_force();
        disk::revive(self.power.then_some(&mut self.chance));
        if self.power {
            world::with(world::World::drop_writers);
            self.slots.clear();
        }
    }

    async fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Mood { endpoint, mood } => set_mood(endpoint, mood),
            Deed::QueueMax(max) => world::with(|w| w.inotify.queue_max = max),
            Deed::WatchesMax(max) => world::with(|w| w.inotify.watches_max = max),
            Deed::Stall(stalled) => world::with(|w| w.inotify.stalled = stalled),
            Deed::Disk(trouble) => disk::set_trouble(trouble),
            Deed::DieIn { operations, power } => {
                self.power = power;
                if self.daemon.is_some() {
                    disk::die_in(operations);
                }
            }
            Deed::Kill { power } => {
                self.power = power;
                if self.daemon.is_some() {
                    self.died("between two steps").await;
                }
            }
            Deed::Stop => {
                if let Some(daemon) = self.daemon.take() {
                    daemon.stop().await;
                    held::newest_in_force();
                    disk::revive(None);
                }
            }
            Deed::Reload { to, hangs } => self.reload(to, hangs),
            Deed::LoseDatabase => self.lose_database(),
            Deed::Start => self.start(),
            Deed::Rescan => self.daemon.iter().for_each(Daemon::rescan),
            deed => self.act_on_files(deed),
        }
    }

    fn start(&mut self) {
        if self.daemon.is_none() {
            self.daemon = Some(Daemon::start(&self.config));
        }
    }

    /// The operator changes the file, and tells the daemon if it runs.
    fn reload(&mut self, to: Option<usize>, hangs: Option<Duration>) {
        let new = to.and_then(|to| self.later.get(to)).cloned();
        self.outcome.reloads += 1;
        if let Some(new) = &new {
            spoil_what_changes(&self.config, new);
            self.config = new.clone();
        }
        let number = held::asked_for(&self.config);
        match &self.daemon {
            Some(daemon) => daemon.reload(Order { config: new, number, hangs }),
            None => held::in_force(number),
        }
    }

    /// Only a daemon that is down can lose it: otherwise it has the file open.
    fn lose_database(&mut self) {
        if self.daemon.is_some() {
            return;
        }
        let db = self.config.state.dir.join("journal.db");
        let known = self.config.state.dir.join("instance").exists();
        let _wal = std::fs::remove_file(self.config.state.dir.join("journal.db-wal"));
        if std::fs::remove_file(db).is_ok() {
            self.outcome.databases_lost += 1;
            disk::forget_durable();
            ledger::database_lost(known);
            receiver::with(|r| r.database_lost = true);
        }
    }

    fn act_on_files(&mut self, deed: Deed) {
        let slots = &mut self.slots;
        world::with(|w| match deed {
            Deed::Open { slot, volume, path, truncate } => {
                if let Some(ino) = w.open(volume, &path) {
                    if truncate {
                        w.write(ino, true, 0);
                    }
                    slots.insert(slot, ino);
                }
            }
            Deed::Write { slot, bytes } => {
                slots.get(&slot).into_iter().for_each(|ino| w.write(*ino, false, bytes));
            }
            Deed::Close { slot } => slots.remove(&slot).into_iter().for_each(|ino| w.close(ino)),
            Deed::RenameIn { volume, path, size, keeps_time } => {
                let ino = w.prepare(size, keeps_time.then_some(1_500_000_000_000_000));
                w.rename_in(volume, ino, &path);
            }
            Deed::DirIn { volume, path, files } => {
                let dir = w.prepare_dir(files);
                w.rename_in(volume, dir, &path);
            }
            Deed::Mkdir { volume, path } => w.mkdir(volume, &path),
            Deed::Rename { volume, from, to } => w.rename(volume, &from, &to),
            Deed::MoveOut { volume, path } => w.move_out(volume, &path),
            Deed::Remove { volume, path } => w.remove(volume, &path),
            Deed::Link { volume, from, to } => w.link(volume, &from, &to),
            Deed::Chmod { volume, path } => w.chmod(volume, &path),
            Deed::SetTime { volume, path, micros } => w.set_mtime(volume, &path, micros),
            Deed::StepWall(by) => w.step_wall(by),
            Deed::Mount { volume, mounted } => {
                w.mount(volume, mounted);
                slots.retain(|_, ino| w.is_open(*ino));
            }
            Deed::Failing { volume, failing } => w.volumes[volume].failing = failing,
            _ => {}
        });
    }

    /// Everything that was wrong is right again, and nothing new comes.
    async fn heal(&mut self) {
        receiver::tell(|| "all is well from here on".to_owned());
        disk::set_trouble(Trouble::None);
        for endpoint in 0..self.script.endpoints {
            set_mood(endpoint, Mood::Takes);
        }
        world::with(|w| {
            w.inotify.queue_max = 16384;
            w.inotify.watches_max = 8192;
            w.inotify.stalled = false;
            for volume in 0..w.volumes.len() {
                w.mount(volume, true);
                w.volumes[volume].failing = false;
            }
            w.drop_writers();
        });
        self.slots.clear();
        self.wait_until(Instant::now() + Duration::from_millis(20)).await;
        self.start();
        self.daemon.iter().for_each(Daemon::poke);
    }

    /// What has to be announced: each file that is there, and each event that was stored. Only what is
    /// configured can take it.
    fn owed(&self) -> Vec<(Name, EventId)> {
        let mut owed = BTreeSet::new();
        for watch in &self.config.watches {
            for id in self.wanted(watch) {
                let to = ledger::endpoints_of(id).unwrap_or_else(|| owed_anew(watch, id));
                owed.extend(to.into_iter().map(|endpoint| (endpoint, id)));
            }
        }
        for id in disk::durable() {
            let to = ledger::endpoints_of(id).unwrap_or_default();
            owed.extend(to.into_iter().map(|endpoint| (endpoint, id)));
        }
        let missing = |(to, id): &(Name, EventId)| !receiver::has_taken(to, *id);
        owed.into_iter().filter(missing).collect()
    }

    fn is_configured(&self, endpoint: &Name) -> bool {
        self.config.endpoints.iter().any(|configured| configured.name == *endpoint)
    }

    /// What is still to come.
    fn awaited(&self) -> Vec<(Name, EventId)> {
        self.owed().into_iter().filter(|(endpoint, _)| self.is_configured(endpoint)).collect()
    }

    /// The files that are there, count, are released, and were not there at a baseline.
    fn wanted(&self, watch: &Watch) -> Vec<EventId> {
        let present: Vec<(RelPath, EventId)> = world::with(|w| {
            let Some(volume) = w.volume_named(&watch.name) else { return Vec::new() };
            let epochs = &w.volumes[volume].epochs;
            let is_released = |path: &RelPath| {
                let marker = watch.done_marker.as_ref().map(|marker| marker.of(path));
                marker.is_none_or(|marker| epochs.current(&marker).is_some())
            };
            let counts = |path: &RelPath| receiver::counts(watch, path) && is_released(path);
            let present = epochs.present().filter(|(path, _)| counts(path));
            present.map(|(path, id)| (path.clone(), id)).collect()
        });
        let is_old = |path: &RelPath, id| ledger::is_silent(id) && !self.landed_late(watch, path);
        present.into_iter().filter(|(path, id)| !is_old(path, *id)).map(|(_, id)| id).collect()
    }

    /// Whether a file that a baseline met is known to have come later: the kernel told of it, and nobody has
    /// disturbed the watch since. (Where somebody has, the first scan that is complete may meet it.)
    fn landed_late(&self, watch: &Watch, path: &RelPath) -> bool {
        let heard = ledger::was_heard(&watch.name, path);
        let begins = held::stretches(&watch.name).last().map(|stretch| stretch.from);
        self.script.calm && heard.zip(begins).is_some_and(|(heard, begins)| heard > begins)
    }

    async fn judge(&mut self) {
        let begin = Instant::now();
        let mut wait = Duration::from_secs(1);
        while !self.awaited().iter().all(receiver::may_be_dead) && begin.elapsed() < PATIENCE {
            self.wait_until(Instant::now() + wait).await;
            self.start();
            wait = (wait * 2).min(Duration::from_mins(10));
        }
        // Another attempt may bring what was refused, or end it.
        while !self.awaited().is_empty() && begin.elapsed() < REFUSED_PATIENCE {
            self.wait_until(Instant::now() + wait).await;
            wait = (wait * 2).min(Duration::from_mins(10));
        }
        sleep(Duration::from_mins(1)).await;
        let left = self.look().await;
        self.conclude(&left);
    }

    /// Stops the daemon, looks into its journal, and starts it again.
    async fn look(&mut self) -> Left {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop().await;
            held::newest_in_force();
            disk::revive(None);
        }
        let left = daemon::look_into(&self.config);
        self.start();
        left.unwrap_or_else(|error| {
            receiver::violation(format!("the journal cannot be read: {error}"));
            Left::default()
        })
    }

    fn conclude(&mut self, left: &Left) {
        let dead: BTreeSet<_> = left.dead.iter().cloned().collect();
        let parked: BTreeSet<_> = left.parked.iter().cloned().collect();
        for (endpoint, id) in self.owed().into_iter().filter(|owed| !dead.contains(owed)) {
            let (stored, what) = (disk::is_durable(id), world::with(|w| w.name_of(id)));
            if self.is_configured(&endpoint) {
                let what = format!("{what}, {id}; stored: {stored}");
                receiver::violation(format!("P1: {endpoint} never got {what}"));
            } else if !parked.contains(&(endpoint.clone(), id)) {
                let what = format!("{what}, {id}, which is not configured any more");
                receiver::violation(format!("P1: nothing is parked for {endpoint} of {what}"));
            }
        }
        for (endpoint, id) in left.waiting.iter().filter(|(to, _)| !self.is_configured(to)) {
            receiver::violation(format!("P1: {id} waits for {endpoint}, and is not parked"));
        }
        self.judge_calm();
        receiver::with(|r| {
            let taken = |r: &receiver::Receivers, f: fn(&(u32, Duration)) -> u64| {
                r.endpoints.values().flat_map(|e| e.taken.values()).map(f).sum::<u64>()
            };
            self.outcome.events = taken(r, |_| 1);
            self.outcome.repeated = taken(r, |(times, _)| u64::from(*times) - 1);
            self.outcome.requests = r.requests;
            self.outcome.violations = std::mem::take(&mut r.violations);
            self.outcome.history = r.history.take().unwrap_or_default();
        });
        self.outcome.dead = dead.len() as u64;
        self.outcome.silent = ledger::silent();
        (self.outcome.overflows, self.outcome.simulated) =
            world::with(|w| (w.inotify.overflows, w.now()));
    }

    /// P6, and P7 by the way: where nothing happened to process, disk and files, an endpoint that was well
    /// all the time got everything once, and soon.
    fn judge_calm(&self) {
        if !self.script.calm {
            return;
        }
        let mut wrong = Vec::new();
        receiver::with(|r| {
            for (name, endpoint) in r.endpoints.iter().filter(|(_, e)| !e.spoiled) {
                for (id, (times, at)) in &endpoint.taken {
                    let Some(stored) = disk::durable_since(*id) else { continue };
                    if *times > 1 {
                        wrong.push(format!("{name} got {id} {times} times, without any reason"));
                    }
                    if at.saturating_sub(stored) > PROMPT {
                        wrong.push(format!(
                            "P6: {name} was well, and got {id} {at:?}; stored {stored:?}"
                        ));
                    }
                }
            }
        });
        wrong.into_iter().for_each(receiver::violation);
    }
}

/// Who is to get what no database knows. What was delivered everywhere before one was lost may be known by its copy.
fn owed_anew(watch: &Watch, id: EventId) -> BTreeSet<Name> {
    let has_all = |to: BTreeSet<Name>| to.iter().all(|to| receiver::has_taken(to, id));
    if ledger::endpoints_before(id).is_some_and(has_all) {
        return BTreeSet::new();
    }
    watch.endpoints.iter().cloned().collect()
}

fn set_mood(endpoint: usize, mood: Mood) {
    receiver::with(|r| {
        if let Some(endpoint) = r.endpoints.get_mut(&numbered('e', endpoint)) {
            endpoint.mood = Some(mood);
            endpoint.spoiled |= mood != Mood::Takes;
        }
    });
}

/// An endpoint that is changed waits for what is under way.
fn spoil_what_changes(old: &Config, new: &Config) {
    receiver::with(|r| {
        for (name, endpoint) in &mut r.endpoints {
            let of = |config: &Config| config.endpoints.iter().find(|e| e.name == *name).cloned();
            endpoint.spoiled |= of(old) != of(new);
        }
    });
}
