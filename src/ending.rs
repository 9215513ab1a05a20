//! Why the daemon ends, and what it leaves behind as exit code.

/// Why the daemon ends. Whoever starts it again tells them apart by the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A signal asked for it.
    Asked,
    /// It did not answer itself.
    SelfCheck,
    /// It is as old as it may become.
    Age,
    /// Another program is at its path.
    Binary,
}

impl Ending {
    /// 0: asked to stop. 70 (`EX_SOFTWARE` of sysexits.h): self check failed. 75 (`EX_TEMPFAIL`): please
    /// start me again.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Asked => 0,
            Self::SelfCheck => 70,
            Self::Age | Self::Binary => 75,
        }
    }

    /// In words, for the log and the service manager.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Asked => "asked to stop",
            Self::SelfCheck => "the self check failed",
            Self::Age => "planned restart: the greatest age is near",
            Self::Binary => "restart: the program was replaced",
        }
    }
}
