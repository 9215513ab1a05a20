//! The event that `watchd endpoint test` sends. It is in no journal, and no journal is opened for it.

use std::{io, path::Path};

use super::{entry, identity};
use crate::{
    arrival::{EventId, Name},
    chance,
    clock::WallMs,
    config::checked::Instance,
};

/// A new one for `endpoint`: its id, and its body. `state_dir` says whose it is, as far as it can be read.
pub fn ping(
    state_dir: &Path,
    wanted: &Instance,
    endpoint: &Name,
    now: WallMs,
) -> io::Result<(EventId, Vec<u8>)> {
    let instance = identity::known_as(state_dir, wanted)?;
    let host = identity::host();
    let made_micros = now.0.saturating_mul(1000);
    // No version of any file, so nothing that it could follow from.
    let chance = [chance::bits(), chance::bits()].map(u128::from);
    let id = EventId((chance[0] << 64 | chance[1]).to_be_bytes());
    let body = entry::Ping { instance: &instance, host: &host, endpoint, made_micros }.body(id);
    Ok((id, body))
}
