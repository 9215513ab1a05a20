//! The program that drops files into the demo's folder, badly and well.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    sync::mpsc::{SyncSender, sync_channel},
    time::Duration,
};

use super::{
    QUIET,
    story::{Happening, SLOW, SWIFT},
};

const MIB: usize = 1 << 20;
const SLOW_SIZE: usize = 20 * MIB;

/// Writes one file slowly, with a stall in the middle, and moves another one in whole.
pub(super) fn run(inbox: &Path, tell: &SyncSender<Happening>) {
    let outcome = write_slowly(inbox, tell).and_then(|()| move_in(inbox, tell));
    if let Err(error) = outcome {
        let _nobody_listens = tell.send(Happening::WriterFailed(error.to_string()));
    }
}

fn write_slowly(inbox: &Path, tell: &SyncSender<Happening>) -> io::Result<()> {
    let mut file = File::create(inbox.join(SLOW))?;
    let _nobody_listens = tell.send(Happening::WriterOpened);
    let chunk = vec![b'v'; MIB];
    for n in 0..SLOW_SIZE / MIB {
        if n == SLOW_SIZE / MIB / 2 {
            let _nobody_listens = tell.send(Happening::WriterStalled);
            pause(QUIET * 3);
        }
        file.write_all(&chunk)?;
        pause(Duration::from_millis(50));
    }
    // Told before the file is closed: nothing may be announced before this.
    let _nobody_listens = tell.send(Happening::WriterCloses);
    drop(file);
    Ok(())
}

fn move_in(inbox: &Path, tell: &SyncSender<Happening>) -> io::Result<()> {
    let outside = inbox.with_file_name(SWIFT);
    fs::write(&outside, "whole before it has its name\n")?;
    let _nobody_listens = tell.send(Happening::Renamed);
    fs::rename(outside, inbox.join(SWIFT))
}

/// Waits for something that never comes.
fn pause(time: Duration) {
    let (_never_used, never) = sync_channel::<()>(0);
    let _timeout = never.recv_timeout(time);
}
