//! Dice of the simulation.

pub(crate) fn bits() -> u64 {
    crate::world::with(|w| w.chance.bits())
}
