//! P1 and P2 where something is mounted at, or below, the watched directory.

use std::time::Duration;

use crate::harness::{Mount, Receiver, Site, clock::now, skipped};

#[test]
fn an_unknown_file_system_is_scanned_and_its_quiet_period_spans_three_scans() {
    let (receiver, site) = (Receiver::up(), Site::new());
    // Chosen because it is in every kernel, takes empty files, and nobody drops files there.
    let Some(_mount) = Mount::fresh("mqueue", &site.root()) else {
        return skipped("mounting needs root");
    };
    let config = site.config(&receiver.url()).watch("poll_interval", "800ms");
    let watchd = config.ready();
    let begin = now();
    std::fs::File::create(site.root().join("a.dat")).unwrap();
    receiver.wait_for_file("a.dat");
    assert!(begin.elapsed() >= Duration::from_millis(2400), "after {:?}", begin.elapsed());
    watchd.stop();
}
