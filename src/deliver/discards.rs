//! Whether what a lane holds may have been discarded by an operator. Pure.

use super::{clerk::Call, lane::Lane};
use crate::arrival::Wake;

/// While it is unclear what is left nothing starts: the journal is asked first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Discards {
    #[default]
    None,
    /// Something was discarded.
    New,
    /// The journal has been asked.
    Asked,
}

impl Discards {
    /// Whether nothing may start.
    pub(super) fn are_unclear(self) -> bool {
        self != Self::None
    }

    /// The journal has news.
    pub(super) fn woken(&mut self, wake: Wake) {
        if wake == Wake::Discarded {
            *self = Self::New;
        }
    }

    /// What to ask the journal, once for each discard.
    pub(super) fn ask(&mut self, lane: &Lane) -> Option<Call> {
        if *self != Self::New {
            return None;
        }
        *self = Self::Asked;
        Some(Call::Missing(lane.waiting()))
    }

    /// These are gone. What was discarded since the question is asked for anew.
    pub(super) fn answered(&mut self, lane: &mut Lane, gone: &[i64]) {
        lane.discard(gone);
        if *self == Self::Asked {
            *self = Self::None;
        }
    }
}
