//! The only place that throws dice.

use rustix::rand::{GetRandomFlags, getrandom};

/// 64 bits of chance, from the kernel and not from a seed at boot: after a power cut a whole fleet boots at
/// the same time. The middle of the range where the kernel has none yet.
pub(crate) fn bits() -> u64 {
    const MIDDLE: u64 = 1 << 63;
    let mut bytes = [0; 8];
    match getrandom(&mut bytes, GetRandomFlags::NONBLOCK) {
        Ok(8) => u64::from_ne_bytes(bytes),
        // Early at boot.
        _ => MIDDLE,
    }
}
