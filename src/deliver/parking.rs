//! Whether the receiver said 410 Gone, as far as a lane knows.

use crate::arrival::UrlPrint;

/// What is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parking {
    /// The journal has been asked about this URL.
    Asked(UrlPrint),
    /// No.
    Open,
    /// Yes, and the journal is being told.
    Telling,
    /// Yes; asked again from time to time, for an operator may have resumed it.
    Parked,
}
