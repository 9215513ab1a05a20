//! Finding remembered files that are gone, after a scan that met fewer than are remembered.

use std::path::Path;

use crate::{
    arrival::{Memory, RelPath, Unavailable},
    stat::{self, DirId},
};

/// A sweep under way: a page of remembered paths per step.
#[derive(Debug)]
pub(super) struct Sweep {
    after: RelPath,
}

impl Sweep {
    pub(super) fn new() -> Self {
        Self { after: RelPath::root() }
    }

    /// Looks at one page; true while there are more. `dir` is the root that the scan was of: when the path
    /// means another directory by now, nothing is concluded.
    pub(super) fn step(
        &mut self,
        root: &Path,
        dir: DirId,
        memory: &dyn Memory,
    ) -> Result<bool, Unavailable> {
        let page = memory.remembered(self.after.clone())?;
        let Some(last) = page.last().cloned() else { return Ok(false) };
        // Only a clear "not there" counts; an I/O error or a closed directory says nothing.
        let gone: Vec<RelPath> = page
            .into_iter()
            .filter(|path| matches!(stat::exists(&path.under(root)), Ok(false)))
            .collect();
        if stat::place(root).map_or(true, |place| place.dir != dir) {
            return Ok(false);
        }
        if !gone.is_empty() {
            memory.gone(gone)?;
        }
        self.after = last;
        Ok(true)
    }
}
