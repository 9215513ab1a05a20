//! The whole lane against an outbox in memory and a scripted receiver, in paused time: no sockets here.

mod fakes;
mod real;
mod recovery;

use std::{collections::HashMap, sync::atomic::Ordering::Relaxed};

use self::fakes::{Bench, Fake, Script, busy, endpoint, form, status};
use super::*;
use crate::{
    arrival::{Due, EventId, Name, RelPath, UrlPrint},
    http::Fault,
};

/// An event that was never tried.
pub(in crate::deliver) fn due(seq: i64) -> Due {
    Due {
        seq,
        event: EventId(i128::from(seq).to_be_bytes()),
        watch: Name::parse("w").unwrap(),
        path: RelPath::from_bytes(format!("f{seq}").as_bytes()),
        body: Arc::from(b"{}".as_slice()),
        attempts: 0,
        rejections: 0,
    }
}

/// Nothing is told yet; kept, so that nobody takes the daemon for gone.
fn orders() -> (watch::Sender<Stop>, Orders) {
    let (stop, told) = watch::channel(Stop::Run);
    let (_reopen, reopened) = watch::channel(0);
    (stop, Orders { stop: told, reopen: reopened, renewed: false })
}

#[tokio::test(start_paused = true)]
async fn everything_due_is_delivered_once_and_overlaps() {
    let bench = Bench::new(&Fake::with(500), &Script::answers(Vec::new()));
    bench.run(30).await;
    let mut delivered = bench.outbox.lock().delivered.clone();
    delivered.sort_unstable();
    assert_eq!(delivered, (1..=500).collect::<Vec<_>>());
    assert_eq!(bench.script.sent().len(), 500);
    assert_eq!(bench.script.0.lock().unwrap().in_flight_max, 4);
    let asked = bench.outbox.lock().asked;
    assert!(asked < 40, "asked {asked} times");
    assert_eq!(bench.vitals.waiting.load(Relaxed), 0);
    assert_eq!(bench.end().await, LaneSummary { delivered: 500, cut: 0 });
}

#[tokio::test(start_paused = true)]
async fn a_new_event_is_sent_at_once() {
    let bench = Bench::new(&Fake::with(0), &Script::answers(Vec::new()));
    bench.run(5).await;
    let added = clock::mono();
    bench.outbox.add(1);
    bench.run(1).await;
    assert_eq!(bench.script.sent()[0].at, added);
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_discards_is_not_sent_although_the_lane_holds_it() {
    let bench = Bench::new(&Fake::with(400), &Script::answers(Vec::new()));
    bench.script.0.lock().unwrap().takes = Duration::from_secs(1);
    bench.run(10).await;
    let sent = bench.script.sent().len();
    assert!((20..50).contains(&sent), "{sent} of what the lane holds");
    let discarded: Vec<i64> = (100..=400).collect();
    bench.outbox.discard(&discarded);
    bench.run(100).await;
    assert_eq!(bench.outbox.lock().delivered.len(), 99);
    assert_eq!(bench.script.sent().len(), 99);
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_sends_again_goes_slowly_at_first() {
    let bench = Bench::new(&Fake::with(0), &Script::answers(Vec::new()));
    bench.script.0.lock().unwrap().takes = Duration::from_millis(600);
    bench.run(30).await;
    bench.outbox.lock().replayed = true;
    for seq in 1..=8 {
        bench.outbox.add(seq);
    }
    let start = clock::mono();
    bench.run(10).await;
    let at = |n: usize| (bench.script.sent()[n].at - start).as_millis();
    assert!(at(1) >= 600, "one at a time in the first second: {}", at(1));
    assert_eq!(bench.outbox.lock().delivered.len(), 8);
}

#[tokio::test(start_paused = true)]
async fn slow_storage_does_not_hold_up_other_requests() {
    let outbox = Fake::with(40);
    outbox.lock().store_takes = Duration::from_secs(3);
    let bench = Bench::new(&outbox, &Script::answers(Vec::new()));
    bench.run(2).await;
    assert_eq!(bench.script.sent().len(), 40);
    assert_eq!(outbox.lock().delivered.len(), 0);
    assert_eq!(bench.end().await.delivered, 40);
    assert_eq!(outbox.lock().delivered.len(), 40, "a drain waits for storage");
}

#[tokio::test(start_paused = true)]
async fn failures_are_retried_on_schedule_and_then_dead() {
    let outbox = Fake::with(1);
    let bench = Bench::new(&outbox, &Script::new(|_| status(500)));
    bench.run(600).await;
    assert_eq!(outbox.lock().conclusions, [(1, 1), (1, 2), (1, 3), (1, 4), (1, 5)]);
    assert_eq!(outbox.lock().dead, [1]);
    let attempts: Vec<_> = bench.script.sent().iter().map(|s| s.attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5]);
    let first_delay = bench.script.sent()[1].at - bench.script.sent()[0].at;
    assert!((2500..7700).contains(&first_delay.as_millis()), "{first_delay:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_tried_again_once_at_once() {
    let outbox = Fake::with(1);
    let bench = Bench::new(&outbox, &Script::answers(vec![Err(Fault::ConnectionLost)]));
    bench.run(1).await;
    let sent = bench.script.sent();
    assert_eq!((sent.len(), sent[1].attempt, &sent[1].id), (2, 1, &sent[0].id));
    assert_eq!(outbox.lock().delivered, [1]);

    let lost = || Err(Fault::ConnectionLost);
    let outbox = Fake::with(1);
    let bench = Bench::new(&outbox, &Script::answers(vec![lost(), lost()]));
    bench.run(1).await;
    assert_eq!((bench.script.sent().len(), outbox.lock().conclusions.len()), (2, 1));

    let outbox = Fake::with(1);
    let slow = Script::answers(vec![lost()]);
    slow.0.lock().unwrap().takes = Duration::from_secs(2);
    let bench = Bench::new(&outbox, &slow);
    bench.run(3).await;
    assert_eq!(bench.script.sent().len(), 1, "lost late: an ordinary failure");
}

#[tokio::test(start_paused = true)]
async fn retry_after_pauses_the_whole_lane() {
    let bench = Bench::new(&Fake::with(20), &Script::answers(vec![busy("100")]));
    bench.run(99).await;
    assert_eq!(bench.script.sent().len(), 1);
    assert_eq!(bench.vitals.state(), LaneState::Paused);
    bench.run(30).await;
    assert_eq!(bench.script.sent().len(), 21);
}

#[tokio::test(start_paused = true)]
async fn a_dead_endpoint_is_probed_and_recovers_within_a_minute() {
    let outbox = Fake::with(200);
    let start = clock::mono();
    let down = Duration::from_hours(2);
    let bench = Bench::new(
        &outbox,
        &Script::new(
            move |sent| if sent.at < start + down { Err(Fault::Refused) } else { status(200) },
        ),
    );
    bench.run(3600).await;
    assert_eq!(bench.vitals.state(), LaneState::Failing);
    let charged: u32 = outbox.lock().rows.iter().map(|(_, due)| due.attempts).sum();
    let sent = bench.script.sent().len();
    assert!(sent < 500, "{sent} requests in an hour");
    bench.run(3600).await;
    let later: u32 = outbox.lock().rows.iter().map(|(_, due)| due.attempts).sum();
    assert_eq!(charged, later, "charged while the breaker was open");
    bench.run(5 * 60 + 10).await;
    assert_eq!(outbox.lock().delivered.len(), 200);
    assert!(outbox.lock().dead.is_empty());
    assert_eq!(outbox.lock().released, 1);
    assert_eq!(bench.vitals.state(), LaneState::Running);
}

#[tokio::test(start_paused = true)]
async fn one_poisoned_event_does_not_keep_the_lane_shut() {
    let poison = EventId(1i128.to_be_bytes()).to_string();
    let outbox = Fake::with(10);
    let bench = Bench::new(
        &outbox,
        &Script::new(move |sent| status(if sent.id == poison { 404 } else { 200 })),
    );
    bench.run(60).await;
    assert_eq!(outbox.lock().delivered.len(), 9);
    bench.run(6 * 3600).await;
    assert!(outbox.lock().dead.is_empty(), "the breaker protects even the poisoned event");
}

#[tokio::test(start_paused = true)]
async fn gone_parks_the_lane_until_resumed() {
    let outbox = Fake::with(10);
    let bench = Bench::new(&outbox, &Script::answers(vec![status(410)]));
    bench.run(300).await;
    assert_eq!(bench.script.sent().len(), 1);
    assert_eq!(outbox.lock().parked, Some(UrlPrint([7; 16])));
    assert_eq!(outbox.lock().rows.len(), 10, "parked, not dropped");
    assert_eq!(bench.vitals.state(), LaneState::Parked);
    assert_eq!(bench.end().await, LaneSummary::default());

    let again = Bench::new(&outbox, &Script::answers(Vec::new()));
    again.run(300).await;
    assert_eq!(again.script.sent().len(), 0, "remembered across a restart");
    outbox.lock().parked = None;
    again.run(120).await;
    assert_eq!(outbox.lock().delivered.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_parked_lane_goes_on_when_its_url_is_another_one() {
    let outbox = Fake::with(10);
    let bench = Bench::new(&outbox, &Script::answers(vec![status(410)]));
    bench.run(5).await;
    bench.reopen(None).await;
    bench.reopen(Some(7)).await;
    assert_eq!(bench.vitals.state(), LaneState::Parked, "unreadable, then the same URL");
    bench.reopen(Some(8)).await;
    assert_eq!(outbox.lock().delivered.len(), 10);
    assert_eq!(bench.end().await, LaneSummary { delivered: 10, cut: 0 });
}

#[tokio::test(start_paused = true)]
async fn reading_the_files_again_repeats_and_loses_nothing() {
    let bench = Bench::new(&Fake::with(300), &Script::answers(Vec::new()));
    for read in [None, Some(7), Some(8), None, Some(9)] {
        bench.reopen(read).await;
    }
    bench.run(60).await;
    let mut delivered = bench.outbox.lock().delivered.clone();
    delivered.sort_unstable();
    assert_eq!(delivered, (1..=300).collect::<Vec<_>>());
    assert_eq!(bench.script.sent().len(), 300);
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_this_machine_charges_nothing() {
    let outbox = Fake::with(3);
    let local = || Err(Fault::Local("no route to any network"));
    let bench = Bench::new(&outbox, &Script::answers((0..20).map(|_| local()).collect()));
    bench.run(3600).await;
    assert_eq!(outbox.lock().delivered, [1, 2, 3]);
    assert_eq!(outbox.lock().conclusions, []);
}

#[tokio::test(start_paused = true)]
async fn an_unusable_journal_forgets_nothing() {
    let outbox = Fake::with(30);
    let script = Script::answers(Vec::new());
    let bench = Bench::new(&outbox, &script);
    bench.run(1).await;
    outbox.lock().unavailable = true;
    for seq in 31..=60 {
        outbox.add(seq);
    }
    bench.run(120).await;
    outbox.lock().unavailable = false;
    bench.run(120).await;
    let mut sent: HashMap<String, usize> = HashMap::new();
    script.sent().into_iter().for_each(|s| *sent.entry(s.id).or_default() += 1);
    assert_eq!((outbox.lock().delivered.len(), sent.len()), (60, 60));
    assert!(sent.values().all(|n| *n == 1), "sent twice");
}

#[tokio::test(start_paused = true)]
async fn ends_that_cannot_be_stored_together_are_stored_a_few_at_a_time() {
    let (outbox, script) = (Fake::with(500), Script::answers(vec![]));
    outbox.lock().ends_max = Some(3);
    Bench::new(&outbox, &script).run(5 * 60).await;
    assert_eq!((outbox.lock().delivered.len(), script.sent().len()), (500, 500));
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_requests_finish_and_starts_none() {
    let outbox = Fake::with(50);
    let script = Script::answers(Vec::new());
    script.0.lock().unwrap().takes = Duration::from_secs(5);
    let bench = Bench::new(&outbox, &script);
    bench.run(2).await;
    let sent = script.sent().len();
    let summary = bench.end().await;
    assert_eq!((script.sent().len(), summary.cut), (sent, 0));
    assert_eq!(outbox.lock().delivered.len(), sent);
}

#[tokio::test(start_paused = true)]
async fn what_is_cut_is_not_charged() {
    let outbox = Fake::with(50);
    let script = Script::answers(Vec::new());
    script.0.lock().unwrap().takes = Duration::from_secs(25);
    let bench = Bench::new(&outbox, &script);
    bench.run(3).await;
    bench.stop.send_replace(Stop::Now);
    let summary = bench.lane.await.unwrap();
    assert_eq!(summary, LaneSummary { delivered: 0, cut: 4 });
    assert_eq!(outbox.lock().conclusions, []);
    assert!(outbox.lock().rows.iter().all(|(_, due)| due.attempts == 0));
}

#[tokio::test(start_paused = true)]
async fn a_lane_waits_for_its_files() {
    static TRIES: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let (vitals, notices) = (LaneVitals::default(), Notices::default());
    let (_stop, mut orders) = orders();
    let start = clock::mono();
    let endpoint = Arc::new(endpoint());
    let opened = open_lane(&endpoint, (&vitals, &notices), &mut orders, |_| {
        if TRIES.fetch_add(1, Relaxed) < 2 {
            return Err(OpenError::File { path: "/x".into(), why: std::io::ErrorKind::NotFound });
        }
        Ok(Opened { courier: (), form: form(), terms: fakes::terms(0), contents: [0; 32] })
    });
    assert!(opened.await.is_some());
    assert_eq!((clock::mono() - start).as_secs(), 20);
    assert_eq!(vitals.state(), LaneState::Degraded);
}

#[tokio::test(start_paused = true)]
async fn a_degraded_lane_stops_when_told() {
    let (stop, orders) = orders();
    let mut endpoint = endpoint();
    endpoint.secret_files = vec!["/nonexistent/secret".into()];
    let lane =
        tokio::spawn(run_lane(endpoint, Fake::with(1), Arc::default(), Notices::default(), orders));
    tokio::time::sleep(Duration::from_mins(1)).await;
    stop.send_replace(Stop::Drain);
    assert_eq!(lane.await.unwrap(), LaneSummary::default());
}
