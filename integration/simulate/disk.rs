//! The disk under the journal: a VFS for SQLite that knows what was synced, and can fail, fill up, die in
//! the middle of a write, and lose what was not synced (<https://sqlite.org/vfs.html>).
//!
//! Files are real ones, in memory; beside each stands what it held before every write since its last sync.

#![expect(unsafe_code, reason = "SQLite calls back through C function pointers")]

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ffi::{CStr, c_char, c_int, c_void},
    fs::{File, OpenOptions},
    io::BufRead,
    os::unix::fs::{FileExt, MetadataExt},
    ptr,
    rc::Rc,
    sync::OnceLock,
    time::Duration,
};

use rusqlite::ffi;
use tokio::sync::Notify;

use crate::{arrival::EventId, seeded::Chance};

/// What survives of one sector is decided for each sector.
const SECTOR: usize = 512;

/// What the disk does wrong at present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trouble {
    #[default]
    None,
    Full,
    /// Syncs fail, and with them every commit.
    Sync,
    /// Every write fails.
    Write,
}

#[derive(Default)]
struct Disk {
    files: Vec<Rc<RefCell<Open>>>,
    trouble: Trouble,
    /// Writes, truncations and syncs so far, and at which of them the process dies.
    operations: u64,
    dies_at: Option<u64>,
    dead: bool,
    /// What it was about to do when it died.
    died_at: &'static str,
    death: Rc<Notify>,
    /// Events that are on stable storage.
    durable: BTreeMap<EventId, Duration>,
}

/// One file, however often it is opened.
struct Open {
    file: File,
    ino: u64,
    /// The write-ahead log, not the database.
    is_log: bool,
    /// What was there before each write since the last sync: where, what, and how long the file was.
    undo: Vec<(u64, Vec<u8>, u64)>,
    /// What has been written since: from where to where.
    written: Vec<(usize, usize)>,
}

impl Disk {
    /// What was written through one handle and not synced can be lost through another: both are one file.
    fn open(&mut self, file: File, is_log: bool) -> Rc<RefCell<Open>> {
        let ino = file.metadata().map_or(0, |meta| meta.ino());
        if let Some(same) = self.files.iter().find(|other| other.borrow().ino == ino) {
            return Rc::clone(same);
        }
        let (undo, written) = (Vec::new(), Vec::new());
        let open = Rc::new(RefCell::new(Open { file, ino, is_log, undo, written }));
        self.files.push(Rc::clone(&open));
        open
    }
}

thread_local! {
    static DISK: RefCell<Disk> = RefCell::default();
}

fn with<T>(f: impl FnOnce(&mut Disk) -> T) -> T {
    DISK.with(|disk| f(&mut disk.borrow_mut()))
}

/// A new disk, and the daemon's SQLite on it.
pub(crate) fn create() {
    register();
    with(|disk| *disk = Disk::default());
}

pub(crate) fn set_trouble(trouble: Trouble) {
    with(|disk| disk.trouble = trouble);
}

/// Whether operations fail.
pub(crate) fn is_troubled() -> bool {
    with(|disk| disk.trouble != Trouble::None)
}

pub(crate) fn is_full() -> bool {
    with(|disk| disk.trouble == Trouble::Full)
}

/// The process dies at the `n`th operation from now on.
pub(crate) fn die_in(n: u64) {
    with(|disk| disk.dies_at = Some(disk.operations + n));
}

/// Nothing that the daemon does from now on has any effect.
pub(crate) fn die() {
    with(|disk| disk.dead = true);
}

pub(crate) fn is_dead() -> bool {
    with(|disk| disk.dead)
}

/// What it was about to do when it died at an operation.
pub(crate) fn died_at() -> &'static str {
    with(|disk| disk.died_at)
}

/// Rung when the process dies at an operation of its disk.
pub(crate) fn death() -> Rc<Notify> {
    with(|disk| Rc::clone(&disk.death))
}

pub(crate) fn is_durable(event: EventId) -> bool {
    with(|disk| disk.durable.contains_key(&event))
}

/// Since when an event is on stable storage.
pub(crate) fn durable_since(event: EventId) -> Option<Duration> {
    with(|disk| disk.durable.get(&event).copied())
}

pub(crate) fn durable() -> Vec<EventId> {
    with(|disk| disk.durable.keys().copied().collect())
}

/// The database was thrown away.
pub(crate) fn forget_durable() {
    with(|disk| disk.durable.clear());
}

/// The machine comes up again; after a power cut, without some of what was not synced.
pub(crate) fn revive(power_cut: Option<&mut Chance>) {
    let files = with(|disk| {
        disk.dead = false;
        disk.dies_at = None;
        std::mem::take(&mut disk.files)
    });
    if let Some(chance) = power_cut {
        for file in files {
            lose(&mut file.borrow_mut(), chance);
        }
    }
}

/// Each sector written since the last sync is either old or new.
fn lose(open: &mut Open, chance: &mut Chance) {
    let Some((_, _, len)) = open.undo.first() else { return };
    let (old_len, new) = (usize::try_from(*len).unwrap_or(0), content(&open.file));
    let mut old = new.clone();
    for (offset, before, _) in open.undo.iter().rev() {
        let offset = usize::try_from(*offset).unwrap_or(0);
        old.resize(old.len().max(offset + before.len()), 0);
        old[offset..offset + before.len()].copy_from_slice(before);
    }
    old.truncate(old_len);
    let mut kept = old.clone();
    for at in (0..new.len().max(old.len())).step_by(SECTOR) {
        let slice = |data: &[u8]| data.get(at..(at + SECTOR).min(data.len())).map(<[u8]>::to_vec);
        let now = slice(&new).unwrap_or_default();
        if slice(&old).unwrap_or_default() != now && chance.percent(50) && !now.is_empty() {
            kept.resize(kept.len().max(at + now.len()), 0);
            kept[at..at + now.len()].copy_from_slice(&now);
        }
    }
    open.file.set_len(0).expect("a file in memory");
    open.file.write_all_at(&kept, 0).expect("a file in memory");
    open.undo.clear();
    open.written.clear();
}

fn content(file: &File) -> Vec<u8> {
    let len = file.metadata().map_or(0, |meta| meta.len());
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0).expect("a file in memory");
    bytes
}

impl Open {
    /// What is written now can be lost until it is synced.
    fn remember(&mut self, offset: u64, len: usize) {
        let size = self.file.metadata().map_or(0, |meta| meta.len());
        let there = usize::try_from(size.saturating_sub(offset)).unwrap_or(0).min(len);
        let mut before = vec![0; there];
        self.file.read_exact_at(&mut before, offset).expect("a file in memory");
        self.undo.push((offset, before, size));
        let from = usize::try_from(offset).unwrap_or(0);
        self.written.push((from, from.saturating_add(len)));
    }

    /// The ids that stand in what has been written since the last sync.
    fn ids(&self) -> Vec<EventId> {
        let now = content(&self.file);
        let mut found = Vec::new();
        for (from, to) in &self.written {
            // A write may begin in the middle of an id whose beginning was written just before.
            let from = from.saturating_sub(35).min(now.len());
            let written = now.get(from..(*to).min(now.len())).unwrap_or_default();
            let mut rest = written;
            // Before each underscore there may be "evt".
            while rest.skip_until(b'_').is_ok_and(|skipped| skipped > 0) {
                let at = written.len() - rest.len();
                let id = at.checked_sub(4).and_then(|begin| written.get(begin..begin + 36));
                let text = id.and_then(|id| std::str::from_utf8(id).ok());
                found.extend(text.and_then(EventId::parse));
            }
        }
        found
    }
}

/// Whether an operation that changes something may go on: the code to fail with, if not.
fn operate(what: &'static str, fails: fn(Trouble) -> Option<c_int>) -> Option<c_int> {
    with(|disk| {
        disk.operations += 1;
        if disk.dies_at.is_some_and(|at| disk.operations >= at) {
            disk.dies_at = None;
            disk.dead = true;
            disk.died_at = what;
            disk.death.notify_one();
        }
        if disk.dead { Some(ffi::SQLITE_IOERR) } else { fails(disk.trouble) }
    })
}

// ---- the C side -------------------------------------------------------------------------------------------

#[repr(C)]
struct Handle {
    base: ffi::sqlite3_file,
    open: *mut RefCell<Open>,
}

/// # Safety
/// `file` was filled in by [`x_open`] and is not closed yet.
unsafe fn open_of<'a>(file: *mut ffi::sqlite3_file) -> &'a RefCell<Open> {
    unsafe { &*(*file.cast::<Handle>()).open }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(x_close),
    xRead: Some(x_read),
    xWrite: Some(x_write),
    xTruncate: Some(x_truncate),
    xSync: Some(x_sync),
    xFileSize: Some(x_file_size),
    xLock: Some(x_lock),
    xUnlock: Some(x_lock),
    xCheckReservedLock: Some(x_check_reserved_lock),
    xFileControl: Some(x_file_control),
    xSectorSize: Some(x_sector_size),
    xDeviceCharacteristics: Some(x_device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// Makes this SQLite's default, once for the process; path names, times and existence are the old default's
/// business.
fn register() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        // SAFETY: the default VFS is static; ours is leaked, so it lives as long as SQLite may use it.
        unsafe {
            ffi::sqlite3_initialize();
            let mut vfs = *ffi::sqlite3_vfs_find(ptr::null());
            vfs.zName = c"simulated".as_ptr();
            vfs.szOsFile = c_int::try_from(size_of::<Handle>()).unwrap_or(c_int::MAX);
            vfs.pNext = ptr::null_mut();
            vfs.xOpen = Some(x_open);
            vfs.xDelete = Some(x_delete);
            vfs.xRandomness = Some(x_randomness);
            let leaked = Box::leak(Box::new(vfs));
            assert_eq!(ffi::sqlite3_vfs_register(leaked, 1), ffi::SQLITE_OK);
        }
    });
}

unsafe extern "C" fn x_open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite hands in a NUL-terminated name and room for a `Handle` (szOsFile).
    unsafe {
        (*file).pMethods = ptr::null();
        let Ok(path) = CStr::from_ptr(name.cast()).to_str() else { return ffi::SQLITE_CANTOPEN };
        if is_dead() {
            return ffi::SQLITE_CANTOPEN;
        }
        let create = flags & ffi::SQLITE_OPEN_CREATE != 0;
        let opened =
            OpenOptions::new().read(true).write(true).create(create).truncate(false).open(path);
        let Ok(opened) = opened else { return ffi::SQLITE_CANTOPEN };
        let open = with(|disk| disk.open(opened, path.ends_with("-wal")));
        (*file.cast::<Handle>()).open = Rc::into_raw(open).cast_mut();
        (*file).pMethods = &raw const METHODS;
        if !out_flags.is_null() {
            *out_flags = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the pointer came from `Rc::into_raw` in `x_open`, and SQLite closes once.
    let open = unsafe { Rc::from_raw((*file.cast::<Handle>()).open) };
    if open.borrow().undo.is_empty() {
        with(|disk| disk.files.retain(|other| !Rc::ptr_eq(other, &open)));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_read(
    file: *mut ffi::sqlite3_file,
    into: *mut c_void,
    amount: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: `into` has room for `amount` bytes.
    let (open, buffer) = unsafe {
        let len = usize::try_from(amount).unwrap_or(0);
        (open_of(file), std::slice::from_raw_parts_mut(into.cast::<u8>(), len))
    };
    let mut got = 0;
    while got < buffer.len() {
        let at = u64::try_from(offset).unwrap_or(0) + got as u64;
        match open.borrow().file.read_at(&mut buffer[got..], at) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(_) => return ffi::SQLITE_IOERR_READ,
        }
    }
    buffer[got..].fill(0);
    if got == buffer.len() { ffi::SQLITE_OK } else { ffi::SQLITE_IOERR_SHORT_READ }
}

unsafe extern "C" fn x_write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    amount: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: `from` holds `amount` bytes.
    let (open, bytes) = unsafe {
        let len = usize::try_from(amount).unwrap_or(0);
        (open_of(file), std::slice::from_raw_parts(from.cast::<u8>(), len))
    };
    let mut open = open.borrow_mut();
    let offset = u64::try_from(offset).unwrap_or(0);
    let end = offset + bytes.len() as u64;
    let grows = open.file.metadata().is_ok_and(|meta| end > meta.len());
    let what = if open.is_log { "at a write to the log" } else { "at a write to the database" };
    let failed = operate(what, |trouble| match trouble {
        Trouble::Write => Some(ffi::SQLITE_IOERR_WRITE),
        Trouble::Full => Some(ffi::SQLITE_FULL),
        Trouble::None | Trouble::Sync => None,
    });
    // A full disk still takes what writes over old bytes.
    if let Some(code) = failed.filter(|code| *code != ffi::SQLITE_FULL || grows) {
        return code;
    }
    open.remember(offset, bytes.len());
    if open.file.write_all_at(bytes, offset).is_ok() {
        ffi::SQLITE_OK
    } else {
        ffi::SQLITE_IOERR_WRITE
    }
}

unsafe extern "C" fn x_truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: see `open_of`.
    let mut open = unsafe { open_of(file) }.borrow_mut();
    let what = if open.is_log { "at cutting the log" } else { "at cutting the database" };
    if let Some(code) = operate(what, |_| None) {
        return code;
    }
    let size = u64::try_from(size).unwrap_or(0);
    open.remember(size, usize::MAX);
    if open.file.set_len(size).is_ok() { ffi::SQLITE_OK } else { ffi::SQLITE_IOERR_TRUNCATE }
}

unsafe extern "C" fn x_sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: see `open_of`.
    let mut open = unsafe { open_of(file) }.borrow_mut();
    let what = if open.is_log { "at a sync of the log" } else { "at a sync of the database" };
    let failed =
        operate(what, |trouble| (trouble == Trouble::Sync).then_some(ffi::SQLITE_IOERR_FSYNC));
    if let Some(code) = failed {
        return code;
    }
    let ids = open.ids();
    let now = crate::world::with(|w| w.now());
    with(|disk| {
        for id in ids {
            disk.durable.entry(id).or_insert(now);
        }
    });
    open.undo.clear();
    open.written.clear();
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    // SAFETY: see `open_of`; `size` is an out parameter.
    unsafe {
        let len = open_of(file).borrow().file.metadata().map_or(0, |meta| meta.len());
        *size = i64::try_from(len).unwrap_or(i64::MAX);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_lock(_: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_check_reserved_lock(_: *mut ffi::sqlite3_file, held: *mut c_int) -> c_int {
    // SAFETY: an out parameter.
    unsafe { *held = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn x_sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    4096
}

unsafe extern "C" fn x_device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    0
}

unsafe extern "C" fn x_delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, _: c_int) -> c_int {
    if let Some(code) = operate("at the removal of a file", |_| None) {
        return code;
    }
    // SAFETY: a NUL-terminated name.
    let path = unsafe { CStr::from_ptr(name) };
    let Ok(path) = path.to_str() else { return ffi::SQLITE_IOERR_DELETE };
    match std::fs::remove_file(path) {
        Ok(()) => ffi::SQLITE_OK,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            ffi::SQLITE_IOERR_DELETE_NOENT
        }
        Err(_) => ffi::SQLITE_IOERR_DELETE,
    }
}

unsafe extern "C" fn x_randomness(_: *mut ffi::sqlite3_vfs, len: c_int, out: *mut c_char) -> c_int {
    // SAFETY: `out` has room for `len` bytes. Salts of the log need not be secret, and are to be the same.
    let out = unsafe {
        std::slice::from_raw_parts_mut(out.cast::<u8>(), usize::try_from(len).unwrap_or(0))
    };
    let mut chance = Chance::new(with(|disk| disk.operations));
    out.fill_with(|| u8::try_from(chance.bits() & 0xff).unwrap_or(0));
    len
}
