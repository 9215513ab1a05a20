//! How the daemon asks its stages to end.

/// What a stage should do; it only ever moves forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Go on.
    #[default]
    Run,
    /// Start nothing new, let what is under way finish.
    Drain,
    /// End now; what is still under way counts as not tried.
    Now,
}
