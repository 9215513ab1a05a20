//! Endpoints that come back, move, or get other keys; receivers with a limit. In paused time.

use std::{
    collections::VecDeque,
    sync::{Mutex, OnceLock, atomic::AtomicUsize},
    time::Instant,
};

use super::{
    fakes::{Bench, Fake, Script, Sent, endpoint, status},
    *,
};
use crate::{
    config::{
        checked::{Statuses, UrlSource},
        units::Rate,
    },
    http::{Fault, Reply},
};

#[tokio::test(start_paused = true)]
async fn ten_thousand_waiting_events_are_all_delivered_and_the_ramp_is_not_the_next_outage() {
    const WAITING: usize = 10_000;
    const BEARS: usize = 20;
    let outbox = Fake::with(i64::try_from(WAITING).unwrap());
    let start = clock::mono();
    let back = start + Duration::from_mins(30);
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    let script = Script::new(receiver_that_bears(BEARS, back, count));
    script.0.lock().unwrap().takes = Duration::from_millis(100);
    let bench = Bench::of(Endpoint { concurrency: 256, ..endpoint() }, &outbox, &script);
    bench.run(30 * 60).await;
    assert_eq!(bench.vitals.state(), LaneState::Failing);
    let charged: u32 = outbox.lock().rows.iter().map(|(_, due)| due.attempts).sum();
    assert!(charged < 200, "{charged} attempts charged by the outage");

    let mut since = back;
    while outbox.lock().delivered.len() < WAITING {
        bench.run(1).await;
        since += Duration::from_secs(1);
        let state = bench.vitals.state();
        let closed = !outbox.lock().delivered.is_empty();
        assert!(!closed || state != LaneState::Failing, "a second outage");
        assert!(since < back + Duration::from_mins(15), "{}", outbox.lock().delivered.len());
    }
    assert!(outbox.lock().dead.is_empty());
    let sent = script.sent();
    let first = sent.iter().find(|sent| sent.at >= back).unwrap();
    assert!(first.at < back + Duration::from_mins(1), "{:?}", first.at - back);
    ramps(&sent.iter().map(|s| s.at).filter(|at| *at >= first.at).collect::<Vec<_>>());
    let refused = refused.load(Relaxed);
    assert!(refused * 10 < WAITING, "{refused} requests above what the receiver bears");
}

/// Requests of each second after the first delivery: more in each of the first, never all at once.
fn ramps(starts: &[Instant]) {
    let in_second = |n: u64| {
        let (from, to) = (Duration::from_secs(n), Duration::from_secs(n + 1));
        let since = |at: &&Instant| (from..to).contains(&(**at - starts[0]));
        starts.iter().filter(since).count()
    };
    let counts: Vec<usize> = (0..4).map(in_second).collect();
    assert!(counts.windows(2).all(|pair| pair[0] < pair[1]), "{counts:?}");
    assert!(counts[0] <= 12, "{counts:?} in the first seconds");
}

/// Down until `back`, and then 503 for each request beyond so many in flight.
fn receiver_that_bears(
    most: usize,
    back: Instant,
    refused: Arc<AtomicUsize>,
) -> impl FnMut(&Sent) -> Result<Reply, Fault> + Send + 'static {
    move |sent| {
        if sent.at < back {
            return Err(Fault::Refused);
        }
        let overtaxed = sent.in_flight > most;
        refused.fetch_add(usize::from(overtaxed), Relaxed);
        status(if overtaxed { 503 } else { 204 })
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_holds_also_when_the_endpoint_comes_back() {
    let rate = Rate { count: 10, per: Duration::from_secs(1) };
    let start = clock::mono();
    let script = Script::new(move |sent| {
        if sent.at < start + Duration::from_mins(2) { Err(Fault::Refused) } else { status(204) }
    });
    let outbox = Fake::with(300);
    let limited = Endpoint { rate_limit: Some(rate), concurrency: 64, ..endpoint() };
    let bench = Bench::of(limited, &outbox, &script);
    bench.run(300).await;
    assert_eq!(outbox.lock().delivered.len(), 300);
    let starts: Vec<_> = script.sent().iter().map(|sent| sent.at).collect();
    for (first, eleventh) in starts.iter().zip(starts.iter().skip(11)) {
        assert!(*eleventh - *first >= Duration::from_secs(1), "twelve within a second");
    }
    drop(bench);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_key_makes_the_files_be_read_again_before_the_next_probe() {
    const NEW: usize = 100;
    let reads = Arc::new(OnceLock::<Arc<Mutex<VecDeque<u8>>>>::new());
    let files = Arc::clone(&reads);
    // From the moment that the new files have been read the key is the right one.
    let is_new = move || files.get().is_some_and(|files| files.lock().unwrap().len() == NEW - 1);
    let script = Script::new(move |_| status(if is_new() { 204 } else { 401 }));
    let outbox = Fake::with(3);
    let bench = Bench::new(&outbox, &script);
    reads.set(Arc::clone(&bench.reads)).unwrap();
    bench.run(40).await;
    assert!(outbox.lock().delivered.is_empty());
    let before = script.sent().len();
    bench.reads.lock().unwrap().extend([7; NEW]);
    bench.run(62).await;
    assert_eq!(outbox.lock().delivered.len(), 3);
    assert_eq!(script.sent().len(), before + 3, "read before the probe, not after it");
}

#[tokio::test(start_paused = true)]
async fn one_event_that_waits_for_ten_minutes_is_tried_at_once_when_an_operator_says_so() {
    for read in [None, Some(7), Some(8)] {
        let outbox = Fake::with(1);
        let bench = Bench::new(&outbox, &Script::answers(vec![status(401)]));
        bench.run(200).await;
        assert_eq!(bench.script.sent().len(), 1, "it waits");
        bench.reopen(read).await;
        assert_eq!(outbox.lock().delivered, [1], "whatever was found: {read:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_before_its_time_because_an_operator_said_so_is_not_charged() {
    let outbox = Fake::with(1);
    let bench = Bench::new(&outbox, &Script::new(|_| status(401)));
    bench.run(5).await;
    for _ in 0..20 {
        bench.reopen(Some(7)).await;
    }
    assert!(bench.script.sent().len() > 15);
    assert!(outbox.lock().conclusions.iter().all(|(_, attempts)| *attempts == 1));
}

#[tokio::test(start_paused = true)]
async fn one_event_that_waits_is_tried_at_once_when_the_files_turn_out_to_have_changed() {
    let with_key = Endpoint { secret_files: vec!["/key".into()], ..endpoint() };
    let outbox = Fake::with(1);
    let bench = Bench::of(with_key, &outbox, &Script::answers(vec![status(401)]));
    bench.reads.lock().unwrap().extend([7, 7]);
    bench.run(170).await;
    assert_eq!(bench.script.sent().len(), 1, "the same key twice");
    bench.reads.lock().unwrap().extend([8; 10]);
    bench.run(130).await;
    assert_eq!(outbox.lock().delivered, [1]);
    assert_eq!(bench.script.sent().len(), 2);
}

/// The first requests are under way while the files are read, and then answered; later ones are at once.
async fn while_files_change(bench: &Bench) {
    bench.script.0.lock().unwrap().takes = Duration::from_secs(20);
    bench.run(10).await;
    bench.reopen(Some(8)).await;
    bench.script.0.lock().unwrap().takes = Duration::from_millis(10);
    bench.run(30).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_under_way_when_the_files_are_read_does_not_wait_for_its_refusal() {
    let outbox = Fake::with(1);
    let script = Script::answers(vec![status(401)]);
    let bench = Bench::new(&outbox, &script);
    while_files_change(&bench).await;
    assert_eq!(outbox.lock().delivered, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_gone_is_found_again_when_its_url_file_changes() {
    let outbox = Fake::with(5);
    let script = Script::answers(vec![status(410)]);
    let moving = Endpoint { url: UrlSource::File("/url".into()), ..endpoint() };
    let bench = Bench::of(moving, &outbox, &script);
    bench.reads.lock().unwrap().extend([7, 7]);
    bench.run(170).await;
    assert_eq!(script.sent().len(), 1, "the same URL twice");
    assert_eq!(bench.vitals.state(), LaneState::Parked);
    bench.reads.lock().unwrap().extend([8; 100]);
    bench.run(90).await;
    assert_eq!(outbox.lock().delivered.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_the_old_url_says_parks_no_new_one_and_an_event_that_it_refused_is_asked_of_the_new() {
    let outbox = Fake::with(3);
    let script = Script::answers(vec![status(410), status(410), status(410)]);
    let bench = Bench::new(&outbox, &script);
    while_files_change(&bench).await;
    assert_eq!(bench.vitals.state(), LaneState::Running);
    let inside = outbox.lock();
    assert_eq!((inside.delivered.len(), inside.parked), (3, None));
    assert!(inside.conclusions.is_empty(), "charged: {:?}", inside.conclusions);
    drop(inside);
    assert_eq!(bench.vitals.waiting.load(Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_operator_says_about_statuses_is_done() {
    let statuses = Statuses { success: vec![302], retry: vec![404], permanent: vec![500] };
    let outbox = Fake::with(3);
    let answers = vec![status(302), status(404), status(500)];
    let bench = Bench::of(Endpoint { statuses, ..endpoint() }, &outbox, &Script::answers(answers));
    bench.run(60).await;
    assert_eq!(outbox.lock().delivered, [1, 2]);
    assert_eq!(outbox.lock().dead, [3]);
    assert_eq!(outbox.lock().conclusions, [(2, 1), (3, 1)], "no breaker, one retry");
}
