//! Has a stage stop in the middle of its work, for proofs that this is noticed. Compiled with debug
//! assertions only: in a release these are empty.
//!
//! `WATCHD_STALL=journal:/some/file` stalls the journal once that file is there.

/// A place where a stage is at work, and stalls when it is asked to: for ever, with its thread.
pub(crate) fn here(stage: &str) {
    #[cfg(debug_assertions)]
    while armed::is_for(stage) {
        std::thread::park();
    }
    #[cfg(not(debug_assertions))]
    let _ = stage;
}

/// As [`here`], for one task of a thread that goes on.
#[cfg_attr(not(debug_assertions), expect(clippy::unused_async, reason = "empty in a release"))]
pub(crate) async fn task(stage: &str) {
    #[cfg(debug_assertions)]
    if armed::is_for(stage) {
        std::future::pending::<()>().await;
    }
    #[cfg(not(debug_assertions))]
    let _ = stage;
}

#[cfg(debug_assertions)]
mod armed {
    use std::{path::PathBuf, sync::OnceLock};

    static SWITCH: OnceLock<Option<(String, PathBuf)>> = OnceLock::new();

    /// Read once: whoever does not stall looks at no file.
    pub(super) fn is_for(stage: &str) -> bool {
        let switch = SWITCH.get_or_init(|| {
            let switch = std::env::var("WATCHD_STALL").ok()?;
            let (stage, file) = switch.split_once(':')?;
            Some((stage.to_owned(), PathBuf::from(file)))
        });
        switch.as_ref().is_some_and(|(chosen, file)| chosen == stage && file.exists())
    }
}
