//! What the unit tests of this stage share.

use std::{path::Path, time::Duration};

use crate::{
    arrival::Name,
    config::checked::{Backend, Initial, Watch},
    globs::Selection,
};

/// A watch with nothing special about it.
pub(super) fn watch(path: &Path) -> Watch {
    Watch {
        name: Name::parse("w").unwrap(),
        path: path.to_path_buf(),
        endpoints: Vec::new(),
        recursive: true,
        max_depth: 9,
        selection: Selection::new(&[], &[], true).unwrap(),
        size_min: 0,
        size_max: None,
        quiet: Duration::ZERO,
        writer_detection: true,
        done_marker: None,
        initial: Initial::Deliver,
        require_mount: false,
        backend: Backend::Auto,
        poll_interval: Duration::ZERO,
        rescan_interval: Duration::ZERO,
        stuck_after: Duration::ZERO,
    }
}
