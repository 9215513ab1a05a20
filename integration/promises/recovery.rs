//! P1 and P8, where an endpoint comes back: what waited is delivered, and is not the next outage.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use crate::harness::{Receiver, Reply, Request, Site, disk, log::said};

const WAITING: usize = 2_000;
const BEARS: usize = 20;

#[derive(Default)]
struct Load {
    in_flight: AtomicUsize,
    refused: AtomicUsize,
    /// How many were in flight, itself included, when each request came.
    seen: std::sync::Mutex<Vec<usize>>,
}

/// A request that is worked on; it ends when the answer leaves.
struct AtWork(Arc<Load>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, SeqCst);
    }
}

/// Takes a while for each request, and answers 503 to those beyond what it bears.
fn bears(load: Arc<Load>) -> impl FnMut(&Request) -> Reply + Send + 'static {
    move |_| {
        let at_once = load.in_flight.fetch_add(1, SeqCst) + 1;
        load.seen.lock().unwrap().push(at_once);
        let overtaxed = at_once > BEARS;
        load.refused.fetch_add(usize::from(overtaxed), SeqCst);
        let status = if overtaxed { 503 } else { 204 };
        Reply::Slow(Duration::from_millis(50), status, Box::new(AtWork(Arc::clone(&load))))
    }
}

#[test]
fn two_thousand_waiting_events_are_delivered_and_the_ramp_is_not_the_next_outage() {
    let (receiver, site) = (Receiver::down_at_first(), Site::new());
    let load = Arc::new(Load::default());
    receiver.script(bears(Arc::clone(&load)));
    let watchd = site.config(&receiver.url()).endpoint("concurrency", 256).ready();
    let paths = disk::create_many(&site.root(), "waits", WAITING);
    for some in (0..=WAITING).step_by(200) {
        watchd.wait_for_count(said::COMMITTED, some);
    }
    watchd.wait_for(said::ENDPOINT_FAILING);
    receiver.come_up();
    for some in (0..=WAITING).step_by(100) {
        let what = format!("{some} of {WAITING} are delivered");
        receiver.wait_for(&what, |record| (record.accepted >= some).then_some(()));
    }
    receiver.wait_for_paths(&paths);
    assert_eq!(watchd.count(said::ENDPOINT_FAILING), 1, "a second outage");
    watchd.stop();
    receiver.assert_no_duplicates();
    let refused = load.refused.load(SeqCst);
    assert!(refused * 10 < WAITING, "{refused} requests above what the receiver bears");
    let seen = load.seen.lock().unwrap();
    // One at a time while it probes, and then twice as many in each second.
    assert!(seen[..2].iter().all(|at_once| *at_once == 1), "{:?}", &seen[..10]);
    let reaches = |least: usize| seen.iter().position(|at_once| *at_once >= least);
    assert!(reaches(8) >= reaches(4) && reaches(4) > reaches(2), "{:?}", &seen[..100]);
    assert!(reaches(BEARS / 2).is_some(), "it is used for what it bears");
}
