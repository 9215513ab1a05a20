//! The simulated machine: file systems with writers, their events, and wall time. One for each thread.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::{
    arrival::{EventId, Kind, Name, RelPath, Sample, Stamp, Version, Witness},
    clock,
    epochs::Epochs,
    filesystem::Policy,
    inotify::{Inotify, What},
    kernel::NotArmed,
    mounts::Mounted,
    seeded::Chance,
    stat::{DirId, Place},
};

/// The kernel takes mtime from its tick: two writes within it look alike.
const TICK_MICROS: i64 = 4000;
/// When the simulated world begins, in microseconds since 1970.
const EPOCH_MICROS: i64 = 1_780_000_000_000_000;

pub(crate) type Ino = u64;

#[derive(Debug)]
struct Node {
    /// `None`: a file.
    children: Option<BTreeMap<Vec<u8>, Ino>>,
    /// Where it is found.
    names: BTreeSet<(Ino, Vec<u8>)>,
    size: u64,
    birth: i64,
    mtime: i64,
    ctime: i64,
    mode: u32,
    writers: u32,
    /// By which name it was opened last: that one the kernel tells of.
    opened_as: (Ino, Vec<u8>),
}

/// One mounted file system, watched as a whole.
pub(crate) struct Volume {
    pub(crate) path: PathBuf,
    root: Ino,
    /// What the path means while nothing is mounted.
    bare: Ino,
    /// A directory beside the root, on the same file system: what is moved in comes from here.
    outside: Ino,
    device: u32,
    magic: u64,
    pub(crate) mounted: bool,
    /// Every call fails with EIO.
    pub(crate) failing: bool,
    pub(crate) epochs: Epochs,
}

impl Volume {
    pub(crate) fn policy(&self) -> Policy {
        Policy::of(self.magic)
    }

    /// Whether a file may have several names.
    fn has_links(&self) -> bool {
        self.policy().kind != "vfat"
    }
}

pub(crate) struct World {
    /// For the product's dice and the doors; what is done to the world is decided by the script.
    pub(crate) chance: Chance,
    pub(crate) inotify: Inotify,
    pub(crate) volumes: Vec<Volume>,
    /// What is mounted, as mountinfo has it.
    pub(crate) mounts: BTreeSet<Mounted>,
    /// Rings when that changes.
    pub(crate) mounts_bell: Rc<Notify>,
    nodes: BTreeMap<Ino, Node>,
    next_ino: Ino,
    begin: Instant,
    step_micros: i64,
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Makes a new world on this thread.
pub(crate) fn create(seed: u64) {
    let begin = clock::mono();
    WORLD.with(|world| {
        *world.borrow_mut() = Some(World {
            chance: Chance::new(seed ^ 0xd1ce),
            inotify: Inotify::new(),
            volumes: Vec::new(),
            mounts: BTreeSet::new(),
            mounts_bell: Rc::default(),
            nodes: BTreeMap::new(),
            next_ino: 100,
            begin,
            step_micros: 0,
        });
    });
}

pub(crate) fn with<T>(f: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with(|world| f(world.borrow_mut().as_mut().expect("there is a world")))
}

fn errno(errno: rustix::io::Errno) -> io::Error {
    errno.into()
}

impl World {
    /// Since the world began.
    pub(crate) fn now(&self) -> Duration {
        clock::mono().saturating_duration_since(self.begin)
    }

    pub(crate) fn wall_micros(&self) -> i64 {
        EPOCH_MICROS + self.step_micros + i64::try_from(self.now().as_micros()).unwrap_or(i64::MAX)
    }

    /// Somebody sets the clock.
    pub(crate) fn step_wall(&mut self, by_seconds: i64) {
        self.step_micros += by_seconds * 1_000_000;
    }

    fn stamp(&self) -> i64 {
        self.wall_micros() / TICK_MICROS * TICK_MICROS
    }

    pub(crate) fn add_volume(&mut self, path: &Path, magic: u64, instance: &str, watch: Name) {
        let (root, bare, outside) = (self.new_node(true), self.new_node(true), self.new_node(true));
        let device = u32::try_from(self.volumes.len()).unwrap_or(0) * 2 + 1;
        let epochs = Epochs::new(instance, watch);
        let path = path.to_path_buf();
        let (mounted, failing) = (true, false);
        self.mounts.insert((path.clone(), u64::from(device)));
        self.volumes.push(Volume {
            path,
            root,
            bare,
            outside,
            device,
            magic,
            mounted,
            failing,
            epochs,
        });
    }

    fn new_node(&mut self, is_dir: bool) -> Ino {
        let (ino, now) = (self.next_ino, self.stamp());
        self.next_ino += 1;
        let children = is_dir.then(BTreeMap::new);
        let node = Node {
            children,
            names: BTreeSet::new(),
            size: 0,
            birth: self.wall_micros(),
            mtime: now,
            ctime: now,
            mode: if is_dir { 0o40755 } else { 0o100_644 },
            writers: 0,
            opened_as: (0, Vec::new()),
        };
        self.nodes.insert(ino, node);
        ino
    }

    // ---- what the doors ask ------------------------------------------------------------------------

    /// Which volume a path lies on, and the path below its root.
    fn volume_of(&self, path: &Path) -> io::Result<(usize, RelPath)> {
        let found = self.volumes.iter().enumerate().find_map(|(at, volume)| {
            if path == volume.path {
                return Some((at, RelPath::root()));
            }
            RelPath::below(&volume.path, path).map(|rel| (at, rel))
        });
        let (at, rel) = found.ok_or_else(|| errno(rustix::io::Errno::NOENT))?;
        if self.volumes[at].failing {
            return Err(errno(rustix::io::Errno::IO));
        }
        Ok((at, rel))
    }

    fn base(&self, volume: usize) -> Ino {
        let volume = &self.volumes[volume];
        if volume.mounted { volume.root } else { volume.bare }
    }

    fn walk(&self, from: Ino, rel: &RelPath) -> Option<Ino> {
        if rel.is_root() {
            return Some(from);
        }
        let parts = rel.as_bytes().split(|byte| *byte == b'/');
        let mut at = from;
        for name in parts {
            at = *self.nodes.get(&at)?.children.as_ref()?.get(name)?;
        }
        Some(at)
    }

    fn resolve(&self, path: &Path) -> io::Result<(usize, Ino)> {
        let (volume, rel) = self.volume_of(path)?;
        let ino = self.walk(self.base(volume), &rel);
        Ok((volume, ino.ok_or_else(|| errno(rustix::io::Errno::NOENT))?))
    }

    pub(crate) fn stat(&self, path: &Path) -> io::Result<Sample> {
        let (_, ino) = self.resolve(path)?;
        self.sample(ino).ok_or_else(|| errno(rustix::io::Errno::NOENT))
    }

    fn sample(&self, ino: Ino) -> Option<Sample> {
        let node = self.nodes.get(&ino)?;
        let stamp = |micros: i64| Stamp {
            sec: micros.div_euclid(1_000_000),
            nsec: u32::try_from(micros.rem_euclid(1_000_000) * 1000).unwrap_or(0),
        };
        Some(Sample {
            kind: if node.children.is_some() { Kind::Dir } else { Kind::File },
            ino,
            birth: Some(stamp(node.birth)),
            size: node.size,
            mtime: stamp(node.mtime),
            ctime: stamp(node.ctime),
            witness: Witness {
                mode: node.mode,
                uid: 0,
                gid: 0,
                nlink: u32::try_from(node.names.len()).unwrap_or(1),
            },
        })
    }

    pub(crate) fn dir_id(&self, path: &Path) -> io::Result<DirId> {
        let (volume, ino) = self.resolve(path)?;
        if self.nodes.get(&ino).is_none_or(|node| node.children.is_none()) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok((self.device(volume), 0, ino))
    }

    fn device(&self, volume: usize) -> u32 {
        self.volumes[volume].device + u32::from(!self.volumes[volume].mounted)
    }

    pub(crate) fn place(&self, path: &Path) -> io::Result<Place> {
        let dir = self.dir_id(path)?;
        let (at, rel) = self.volume_of(path)?;
        let volume = &self.volumes[at];
        Ok(Place {
            dir,
            is_mount: volume.mounted && rel.is_root(),
            filesystem: u64::from(dir.0),
            policy: if volume.mounted { volume.policy() } else { Policy::of(0xef53) },
        })
    }

    pub(crate) fn next_entry(
        &self,
        path: &Path,
        ino: Ino,
        after: Option<&[u8]>,
    ) -> io::Result<Option<(Vec<u8>, Kind)>> {
        self.volume_of(path)?;
        let Some(children) = self.nodes.get(&ino).and_then(|node| node.children.as_ref()) else {
            return Ok(None); // removed meanwhile: it lists as empty
        };
        let next =
            children.iter().find(|(name, _)| after.is_none_or(|after| name.as_slice() > after));
        Ok(next.map(|(name, ino)| {
            let is_dir = self.nodes.get(ino).is_some_and(|node| node.children.is_some());
            (name.clone(), if is_dir { Kind::Dir } else { Kind::File })
        }))
    }

    pub(crate) fn sample_in(&self, dir: Ino, name: &[u8]) -> io::Result<Sample> {
        let child = self.nodes.get(&dir).and_then(|node| node.children.as_ref()?.get(name));
        let sample = child.and_then(|ino| self.sample(*ino));
        sample.ok_or_else(|| errno(rustix::io::Errno::NOENT))
    }

    pub(crate) fn writers(&self, path: &Path) -> bool {
        self.resolve(path).is_ok_and(|(_, ino)| self.is_open(ino))
    }

    pub(crate) fn arm(
        &mut self,
        instance: u64,
        dir: &RelPath,
        path: &Path,
    ) -> Result<(), NotArmed> {
        match self.resolve(path) {
            Ok((_, ino)) => self.inotify.arm(instance, ino, dir),
            Err(error) if crate::stat::is_absence(&error) => Err(NotArmed::Missing),
            Err(error) => Err(NotArmed::Io(error)),
        }
    }

    // ---- what programs do ----------------------------------------------------------------------------

    /// The volume of a watch.
    pub(crate) fn volume_named(&self, watch: &Name) -> Option<usize> {
        self.volumes.iter().position(|volume| volume.epochs.watch() == watch)
    }

    /// When the kernel queued an event about an entry last.
    pub(crate) fn heard(&self, volume: usize, rel: &RelPath) -> Option<Duration> {
        let heard = self.inotify.heard.get(&self.place_in(volume, rel)?)?;
        Some(heard.saturating_duration_since(self.begin))
    }

    /// The inode at `rel` of a volume, mounted or not.
    pub(crate) fn at(&self, volume: usize, rel: &RelPath) -> Option<Ino> {
        self.walk(self.volumes[volume].root, rel)
    }

    fn place_in(&self, volume: usize, rel: &RelPath) -> Option<(Ino, Vec<u8>)> {
        let dir = self.at(volume, &rel.parent())?;
        self.nodes.get(&dir)?.children.as_ref()?;
        Some((dir, rel.name().to_vec()))
    }

    fn attach(&mut self, dir: Ino, name: &[u8], ino: Ino) {
        if let Some(children) = self.nodes.get_mut(&dir).and_then(|node| node.children.as_mut()) {
            children.insert(name.to_vec(), ino);
        }
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.names.insert((dir, name.to_vec()));
        }
    }

    fn detach(&mut self, dir: Ino, name: &[u8]) -> Option<Ino> {
        let ino = self.nodes.get_mut(&dir)?.children.as_mut()?.remove(name)?;
        self.nodes.get_mut(&ino)?.names.remove(&(dir, name.to_vec()));
        Some(ino)
    }

    /// Opens a file for writing, made if it is missing.
    pub(crate) fn open(&mut self, volume: usize, rel: &RelPath) -> Option<Ino> {
        let (dir, name) = self.place_in(volume, rel)?;
        let ino = self.at(volume, rel).unwrap_or_else(|| {
            let ino = self.new_node(false);
            self.attach(dir, &name, ino);
            self.inotify.emit(dir, &name, What::File);
            ino
        });
        let node = self.nodes.get_mut(&ino)?;
        if node.children.is_some() {
            return None;
        }
        node.writers += 1;
        node.opened_as = (dir, name);
        self.changed(ino);
        Some(ino)
    }

    pub(crate) fn write(&mut self, ino: Ino, truncate: bool, bytes: u64) {
        let now = self.stamp();
        let Some(node) = self.nodes.get_mut(&ino) else { return };
        node.size = if truncate { bytes } else { node.size + bytes };
        node.mtime = now;
        node.ctime = now;
        self.changed(ino);
    }

    pub(crate) fn close(&mut self, ino: Ino) {
        let Some(node) = self.nodes.get_mut(&ino) else { return };
        node.writers = node.writers.saturating_sub(1);
        let opened = node.names.get(&node.opened_as).or_else(|| node.names.first());
        if let Some((dir, name)) = opened.cloned() {
            self.inotify.emit(dir, &name, What::File);
        }
        self.changed(ino);
        self.forget_unnamed(ino);
    }

    /// As a program that sets the time of a file to what it was elsewhere.
    pub(crate) fn set_mtime(&mut self, volume: usize, rel: &RelPath, micros: i64) {
        self.attributes(volume, rel, |node| node.mtime = micros);
    }

    pub(crate) fn chmod(&mut self, volume: usize, rel: &RelPath) {
        self.attributes(volume, rel, |node| node.mode ^= 0o20);
    }

    /// The kernel tells of the name that was used, whatever other names there are.
    fn attributes(&mut self, volume: usize, rel: &RelPath, change: impl FnOnce(&mut Node)) {
        let (Some(ino), Some((dir, name))) = (self.at(volume, rel), self.place_in(volume, rel))
        else {
            return;
        };
        let now = self.stamp();
        if let Some(node) = self.nodes.get_mut(&ino) {
            change(node);
            node.ctime = now;
        }
        self.inotify.emit(dir, &name, What::Entry);
        self.inotify.emit_self(ino);
        self.changed(ino);
    }

    pub(crate) fn mkdir(&mut self, volume: usize, rel: &RelPath) {
        let Some((dir, name)) = self.place_in(volume, rel) else { return };
        if self.at(volume, rel).is_none() {
            let ino = self.new_node(true);
            self.attach(dir, &name, ino);
            self.inotify.emit(dir, &name, What::NewDir);
        }
    }

    /// A whole file, written elsewhere on the same file system; [`World::rename_in`] brings it in.
    pub(crate) fn prepare(&mut self, size: u64, mtime: Option<i64>) -> Ino {
        let ino = self.new_node(false);
        let now = self.stamp();
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.size = size;
            node.mtime = mtime.unwrap_or(now);
        }
        ino
    }

    /// A directory with so many files in it, elsewhere on the same file system.
    pub(crate) fn prepare_dir(&mut self, files: u64) -> Ino {
        let dir = self.new_node(true);
        for n in 0..files {
            let file = self.prepare(n + 1, None);
            self.attach(dir, format!("m{n}").as_bytes(), file);
        }
        dir
    }

    pub(crate) fn rename_in(&mut self, volume: usize, ino: Ino, rel: &RelPath) {
        let Some((dir, name)) = self.place_in(volume, rel) else { return };
        if self.at(volume, rel).is_some_and(|there| self.is_dir(there)) {
            return;
        }
        self.replaced(volume, rel);
        self.attach(dir, &name, ino);
        let now = self.stamp();
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.ctime = now;
        }
        self.inotify.emit(dir, &name, What::Entry);
        self.changed(ino);
    }

    fn is_dir(&self, ino: Ino) -> bool {
        self.nodes.get(&ino).is_some_and(|node| node.children.is_some())
    }

    /// What a rename or a link puts in place of it is gone without an event of its own.
    fn replaced(&mut self, volume: usize, rel: &RelPath) {
        if let (Some((dir, name)), Some(old)) = (self.place_in(volume, rel), self.at(volume, rel)) {
            self.detach(dir, &name);
            self.vanished(volume, rel);
            self.forget_unnamed(old);
        }
    }

    pub(crate) fn rename(&mut self, volume: usize, from: &RelPath, to: &RelPath) {
        let Some(ino) = self.at(volume, from) else { return };
        let there = self.at(volume, to);
        if from == to
            || to.is_within(from)
            || there.is_some_and(|t| self.is_dir(t) || self.is_dir(ino))
        {
            return;
        }
        let (Some((dir, name)), Some((new_dir, new_name))) =
            (self.place_in(volume, from), self.place_in(volume, to))
        else {
            return;
        };
        self.replaced(volume, to);
        self.detach(dir, &name);
        self.vanished_below(volume, ino, from);
        self.inotify.emit(dir, &name, What::Gone);
        self.attach(new_dir, &new_name, ino);
        let now = self.stamp();
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.ctime = now;
            if node.opened_as == (dir, name) {
                node.opened_as = (new_dir, new_name.clone());
            }
        }
        self.inotify.emit(new_dir, &new_name, What::Entry);
        self.changed(ino);
    }

    /// Moves an entry out of the watched tree.
    pub(crate) fn move_out(&mut self, volume: usize, rel: &RelPath) {
        let (Some(ino), Some((dir, name))) = (self.at(volume, rel), self.place_in(volume, rel))
        else {
            return;
        };
        self.detach(dir, &name);
        self.vanished_below(volume, ino, rel);
        self.inotify.emit(dir, &name, What::Gone);
        let (outside, label) = (self.volumes[volume].outside, format!("o{ino}").into_bytes());
        self.attach(outside, &label, ino);
    }

    pub(crate) fn link(&mut self, volume: usize, from: &RelPath, to: &RelPath) {
        let (Some(ino), Some((dir, name))) = (self.at(volume, from), self.place_in(volume, to))
        else {
            return;
        };
        if self.is_dir(ino) || self.at(volume, to).is_some() || !self.volumes[volume].has_links() {
            return;
        }
        self.attach(dir, &name, ino);
        let now = self.stamp();
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.ctime = now;
        }
        self.inotify.emit(dir, &name, What::File);
        self.changed(ino);
    }

    /// Removes an entry, a directory with all that is in it.
    pub(crate) fn remove(&mut self, volume: usize, rel: &RelPath) {
        let (Some(ino), Some((dir, name))) = (self.at(volume, rel), self.place_in(volume, rel))
        else {
            return;
        };
        let children = self.nodes.get(&ino).and_then(|node| node.children.clone());
        for child in children.iter().flat_map(BTreeMap::keys) {
            self.remove(volume, &rel.join(child));
        }
        self.detach(dir, &name);
        self.vanished(volume, rel);
        if children.is_some() {
            self.inotify.emit(dir, &name, What::Gone);
            self.inotify.dropped(ino);
            self.nodes.remove(&ino);
        } else {
            self.forget_unnamed(ino);
        }
    }

    fn forget_unnamed(&mut self, ino: Ino) {
        if self.nodes.get(&ino).is_some_and(|n| n.names.is_empty() && n.writers == 0) {
            self.nodes.remove(&ino);
        }
    }

    /// Programs that were writing die, and nobody has anything open any more.
    pub(crate) fn drop_writers(&mut self) {
        let open: Vec<Ino> =
            self.nodes.iter().filter(|(_, n)| n.writers > 0).map(|(ino, _)| *ino).collect();
        for ino in open {
            self.end_writers(ino);
        }
    }

    /// Mounts or unmounts. Whoever writes ends first, or it could not be unmounted.
    pub(crate) fn mount(&mut self, volume: usize, mounted: bool) {
        let there = std::mem::replace(&mut self.volumes[volume].mounted, mounted);
        if there == mounted {
            return;
        }
        let (path, device) = (self.volumes[volume].path.clone(), self.volumes[volume].device);
        if mounted {
            // The kernel gives the number out again that became free.
            let reused = self.chance.percent(50);
            let number =
                if reused { u64::from(device) } else { 1000 + self.chance.between(0, 1000) };
            self.mounts.insert((path, number));
        } else {
            self.mounts.retain(|(at, _)| *at != path);
            for ino in self.below(self.volumes[volume].root) {
                self.end_writers(ino);
                self.inotify.unmounted(ino);
            }
        }
        self.mounts_bell.notify_one();
    }

    /// An inode, and all that is below it.
    fn below(&self, ino: Ino) -> Vec<Ino> {
        let children = self.nodes.get(&ino).and_then(|node| node.children.as_ref());
        let below = children.into_iter().flat_map(BTreeMap::values);
        below.flat_map(|child| self.below(*child)).chain([ino]).collect()
    }

    /// Whether anybody writes it.
    pub(crate) fn is_open(&self, ino: Ino) -> bool {
        self.nodes.get(&ino).is_some_and(|node| node.writers > 0)
    }

    fn end_writers(&mut self, ino: Ino) {
        while self.is_open(ino) {
            self.close(ino);
        }
    }

    // ---- what is true ----------------------------------------------------------------------------------

    /// Notes what every name of `ino`, and of all that is below it, means now.
    fn changed(&mut self, ino: Ino) {
        for (volume, rel) in self.paths(ino) {
            self.note_below(volume, ino, &rel);
        }
    }

    fn note_below(&mut self, volume: usize, ino: Ino, rel: &RelPath) {
        let Some(node) = self.nodes.get(&ino) else { return };
        if let Some(children) = node.children.clone() {
            for (name, child) in children {
                self.note_below(volume, child, &rel.join(&name));
            }
            return;
        }
        let writers = node.writers;
        let identity = self.volumes[volume].policy().identity;
        let Some(sample) = self.sample(ino) else { return };
        let now = self.now();
        let found = Some((Version::of(&sample, identity), writers));
        self.volumes[volume].epochs.note(rel, found, now);
    }

    fn vanished(&mut self, volume: usize, rel: &RelPath) {
        let now = self.now();
        self.volumes[volume].epochs.note(rel, None, now);
    }

    fn vanished_below(&mut self, volume: usize, ino: Ino, rel: &RelPath) {
        match self.nodes.get(&ino).and_then(|node| node.children.clone()) {
            None => self.vanished(volume, rel),
            Some(children) => {
                for (name, child) in children {
                    self.vanished_below(volume, child, &rel.join(&name));
                }
            }
        }
    }

    /// Which file an event is about, for whoever reads a violation.
    pub(crate) fn name_of(&self, id: EventId) -> String {
        let mut all = self.volumes.iter();
        let found = all.find_map(|v| Some((v.path.display(), v.epochs.path_of(id)?)));
        found.map_or_else(|| "what never was".to_owned(), |(root, path)| format!("{root}/{path}"))
    }

    /// Where an inode is found below the roots.
    fn paths(&self, ino: Ino) -> Vec<(usize, RelPath)> {
        if let Some(volume) = self.volumes.iter().position(|volume| volume.root == ino) {
            return vec![(volume, RelPath::root())];
        }
        let names = self.nodes.get(&ino).map(|node| node.names.clone()).unwrap_or_default();
        let up = |(dir, name): (Ino, Vec<u8>)| {
            self.paths(dir).into_iter().map(move |(volume, above)| (volume, above.join(&name)))
        };
        names.into_iter().flat_map(up).collect()
    }
}
