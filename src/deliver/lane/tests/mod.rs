mod answers;
mod meaning;

use proptest::prelude::*;

use super::*;
use crate::{arrival::Refusal, deliver::tests::due};

const MID: Dice = Dice(0x8000_0000_8000_0000);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn outcome(class: Class) -> Outcome {
    let (reason, answer, took) = (String::new(), String::new(), Duration::ZERO);
    let refusal = Refusal { class: class.name(), status: None, reason, answer, took };
    Outcome { class, retry_after: None, refusal }
}

fn asking(class: Class, retry_after: u64) -> Outcome {
    Outcome { retry_after: Some(secs(retry_after)), ..outcome(class) }
}

fn lane(concurrency: usize, now: Instant) -> Lane {
    Lane::new(concurrency, None, Schedule::new(&[secs(5), secs(30)], 20), now)
}

/// As the stage does it: verdict in, slot free, stored.
fn end(lane: &mut Lane, seq: i64, outcome: &Outcome, now: Instant) -> Ended {
    let ended = lane.ended(seq, outcome, now, MID).expect("running");
    lane.slot_free(seq);
    if ended.conclusion.is_some() {
        lane.concluded(seq);
    }
    ended
}

fn start_all(lane: &mut Lane, now: Instant) -> Vec<i64> {
    std::iter::from_fn(|| lane.start(now)).map(|due| due.seq).collect()
}

#[test]
fn as_many_start_as_the_ramp_and_concurrency_allow() {
    let t = crate::clock::mono();
    let mut lane = lane(4, t);
    assert_eq!(lane.load((0..20).map(due).collect()), 20);
    assert_eq!(start_all(&mut lane, t), [0]);
    assert_eq!(lane.wake_at(t), Some(t + secs(1)));
    assert_eq!(start_all(&mut lane, t + secs(1)), [1]);
    assert_eq!(start_all(&mut lane, t + secs(2)), [2, 3]);
    assert!(start_all(&mut lane, t + secs(9)).is_empty());
    end(&mut lane, 2, &outcome(Class::Ok), t + secs(9));
    assert_eq!(start_all(&mut lane, t + secs(9)), [4]);
}

#[test]
fn what_is_held_is_not_taken_twice_and_paths_keep_their_order() {
    let t = crate::clock::mono();
    let mut lane = lane(1, t);
    lane.load(vec![due(1), due(2)]);
    lane.start(t);
    assert_eq!(lane.load(vec![due(1), due(2)]), 0);
    assert_eq!(
        lane.load(vec![Due { path: due(1).path, ..due(9) }]),
        0,
        "a later version of a path"
    );
    let mut held = lane.held();
    held.sort_unstable();
    assert_eq!(held, [1, 2]);
    let ended = lane.ended(1, &outcome(Class::Ok), t, MID).unwrap();
    assert!(matches!(ended.conclusion, Some(Conclusion::Delivered)));
    assert_eq!(lane.held().len(), 2, "held until its end is stored");
    assert!(lane.start(t).is_none(), "the slot is taken until the body has ended");
    lane.slot_free(1);
    lane.concluded(1);
    assert_eq!(lane.held(), [2]);
}

#[test]
fn unstored_ends_are_bounded() {
    let t = crate::clock::mono();
    let mut lane = lane(4, t);
    let now = t + secs(60);
    let mut started = 0;
    for seq in 0..1000 {
        lane.load(vec![due(seq)]);
        let Some(due) = lane.start(now) else { break };
        lane.ended(due.seq, &outcome(Class::Ok), now, MID).unwrap();
        lane.slot_free(due.seq);
        started += 1;
    }
    assert_eq!(started, CONCLUDING_MAX);
}

#[test]
fn a_failure_is_charged_and_delayed() {
    let t = crate::clock::mono();
    let mut lane = lane(1, t);
    lane.load(vec![Due { attempts: 1, ..due(1) }]);
    lane.start(t);
    let ended = end(&mut lane, 1, &outcome(Class::Retry), t);
    let Some(Conclusion::Retry { attempts: 2, delay, .. }) = ended.conclusion else {
        panic!("{ended:?}")
    };
    assert_eq!(delay, secs(30));
    assert!(ended.change.is_none() && ended.paused.is_none());
}

#[test]
fn slow_pauses_the_lane_for_a_minute_or_as_long_as_asked() {
    for (outcome, pause) in [
        (outcome(Class::Slow), secs(60)),
        (asking(Class::Slow, 200), secs(210)),
        (asking(Class::Retry, 10), secs(10) + Duration::from_millis(500)),
        (asking(Class::Reject, 100), secs(105)),
    ] {
        let t = crate::clock::mono();
        let mut lane = lane(2, t);
        lane.load(vec![due(1), due(2)]);
        lane.start(t);
        let ended = end(&mut lane, 1, &outcome, t);
        assert_eq!(ended.paused, Some(pause));
        assert!(lane.start(t + pause * 99 / 100).is_none());
        assert_eq!(lane.wake_at(t), Some(t + pause));
        assert!(lane.start(t + pause).is_some());
    }
}

#[test]
fn config_opens_at_once_and_probes_rotate_over_paths_uncharged() {
    let t = crate::clock::mono();
    let mut lane = lane(4, t);
    lane.load((1..=4).map(due).collect());
    let mut now = t;
    lane.start(now);
    let ended = end(&mut lane, 1, &outcome(Class::Config), now);
    assert_eq!(ended.change, Some(Change::Opened));
    assert!(matches!(ended.conclusion, Some(Conclusion::Retry { attempts: 1, .. })));

    let mut probed = Vec::new();
    for _ in 0..6 {
        now = lane.wake_at(now).into_iter().chain([now + secs(3600)]).min().unwrap();
        let seqs = start_all(&mut lane, now);
        for seq in seqs {
            probed.push(seq);
            let ended = end(&mut lane, seq, &outcome(Class::Retry), now);
            assert!(ended.conclusion.is_none(), "nothing is charged while the breaker is open");
        }
    }
    assert!(probed.starts_with(&[2, 3, 4, 2]), "{probed:?}");
}

#[test]
fn a_success_or_a_rejection_closes_the_breaker_and_starts_a_ramp() {
    for class in [Class::Ok, Class::Reject] {
        let t = crate::clock::mono();
        let mut lane = lane(4, t);
        lane.load((1..=9).map(due).collect());
        let now = t + secs(60);
        lane.start(now);
        end(&mut lane, 1, &outcome(Class::Config), now);
        let now = now + secs(1);
        assert_eq!(start_all(&mut lane, now), [2]);
        let ended = end(&mut lane, 2, &outcome(class), now);
        assert_eq!(ended.change, Some(Change::Closed(secs(1))));
        assert!(ended.conclusion.is_some());
        assert_eq!(start_all(&mut lane, now).len(), 1, "one in the first second");
        assert_eq!(start_all(&mut lane, now + secs(2)).len(), 3);
    }
}

#[test]
fn three_rejections_are_the_end_whatever_failed_before() {
    let mut now = crate::clock::mono();
    let mut lane = lane(1, now);
    for (attempts, dead) in [(7, false), (8, false), (9, true)] {
        lane.load(vec![Due { attempts, ..due(1) }]);
        lane.start(now);
        let ended = end(&mut lane, 1, &outcome(Class::Reject), now);
        assert_eq!(matches!(ended.conclusion, Some(Conclusion::Dead { .. })), dead, "{attempts}");
        now += secs(3600);
    }
}

#[test]
fn refusals_before_a_restart_count() {
    let t = crate::clock::mono();
    for (rejections, dead) in [(0, false), (1, false), (2, true)] {
        let mut lane = lane(1, t);
        lane.load(vec![Due { attempts: 5, rejections, ..due(1) }]);
        lane.start(t);
        let ended = end(&mut lane, 1, &outcome(Class::Reject), t);
        assert_eq!(matches!(ended.conclusion, Some(Conclusion::Dead { .. })), dead, "{rejections}");
    }
}

#[test]
fn a_permanent_refusal_is_the_end_and_shows_that_the_endpoint_is_alive() {
    let t = crate::clock::mono();
    let mut lane = lane(1, t);
    lane.load(vec![due(1), due(2)]);
    lane.start(t);
    end(&mut lane, 1, &outcome(Class::Config), t);
    assert!(lane.is_failing());
    let now = t + secs(1);
    lane.start(now);
    let ended = end(&mut lane, 2, &outcome(Class::Permanent), now);
    assert!(matches!(ended.conclusion, Some(Conclusion::Dead { attempts: 1, .. })), "{ended:?}");
    assert!(!lane.is_failing());
    // Also before its scheduled time: no later attempt would end otherwise.
    lane.load(vec![Due { attempts: 1, ..due(1) }]);
    lane.start(now);
    let ended = end(&mut lane, 1, &outcome(Class::Permanent), now);
    assert!(matches!(ended.conclusion, Some(Conclusion::Dead { attempts: 2, .. })), "{ended:?}");
}

#[test]
fn a_resend_counts_against_the_rate_limit() {
    let t = crate::clock::mono();
    let rate = Rate { count: 1, per: secs(1) };
    let mut lane = Lane::new(4, Some(rate), Schedule::new(&[secs(5)], 20), t);
    lane.load((1..=3).map(due).collect());
    assert_eq!(start_all(&mut lane, t), [1]);
    lane.resent(t);
    assert!(start_all(&mut lane, t + secs(1)).is_empty());
    assert_eq!(lane.wake_at(t + secs(1)), Some(t + secs(2)));
    assert_eq!(start_all(&mut lane, t + secs(2)), [2]);
}

#[test]
fn an_attempt_before_its_time_is_free_and_keeps_its_time() {
    for class in [Class::Retry, Class::Config, Class::Reject] {
        let t = crate::clock::mono();
        let mut lane = lane(1, t);
        lane.load(vec![due(1)]);
        lane.start(t);
        let ended = end(&mut lane, 1, &outcome(class), t);
        let Some(Conclusion::Retry { attempts: 1, delay, .. }) = ended.conclusion else {
            panic!("{ended:?}")
        };
        lane.load(vec![due(2)]);
        let now = t + secs(1);
        lane.start(now);
        end(&mut lane, 2, &outcome(Class::Ok), now);
        for _ in 0..30 {
            lane.load(vec![Due { attempts: 1, ..due(1) }]);
            lane.start(now).expect("an early failure of one event does not shut the lane");
            let ended = end(&mut lane, 1, &outcome(class), now);
            let Some(Conclusion::Retry { attempts: 1, delay: left, .. }) = ended.conclusion else {
                panic!("{ended:?}")
            };
            assert_eq!(left + secs(1), delay);
        }
    }
}

#[test]
fn the_last_attempt_of_a_lone_event_is_its_end() {
    let t = crate::clock::mono();
    let mut lane = lane(1, t);
    let mut now = t;
    for attempts in 0..20 {
        lane.load(vec![Due { attempts, ..due(1) }]);
        now += secs(3600);
        lane.start(now);
        let ended = end(&mut lane, 1, &outcome(Class::Retry), now);
        assert_eq!(matches!(ended.conclusion, Some(Conclusion::Dead { .. })), attempts == 19);
    }
}

#[test]
fn local_faults_cost_nothing_and_keep_the_turn() {
    let t = crate::clock::mono();
    let mut lane = lane(2, t);
    lane.load(vec![due(1), due(2)]);
    lane.start(t);
    let ended = end(&mut lane, 1, &outcome(Class::Local), t);
    assert!(ended.conclusion.is_none());
    assert_eq!(ended.paused, Some(secs(1)));
    assert!(lane.start(t).is_none());
    assert_eq!(start_all(&mut lane, t + secs(1)), [1]);
}

#[test]
fn a_clock_fault_is_delayed_but_not_charged() {
    let t = crate::clock::mono();
    let mut lane = lane(1, t);
    lane.load(vec![Due { attempts: 3, ..due(1) }]);
    lane.start(t);
    let ended = end(&mut lane, 1, &outcome(Class::Clock), t);
    let Some(Conclusion::Retry { attempts: 3, delay, .. }) = ended.conclusion else {
        panic!("{ended:?}")
    };
    assert!(delay >= secs(60));
}

#[test]
fn a_parked_lane_starts_nothing_until_resumed() {
    let t = crate::clock::mono();
    let mut lane = lane(1, t);
    lane.load(vec![due(1), due(2)]);
    lane.start(t);
    let ended = end(&mut lane, 1, &outcome(Class::Gone), t);
    assert_eq!(ended.change, Some(Change::Parked));
    assert!(ended.conclusion.is_none() && lane.is_parked() && lane.room() == 0);
    assert!(lane.start(t + secs(9999)).is_none());
    lane.resume(t);
    assert_eq!(start_all(&mut lane, t), [1], "the refused one keeps its turn");
}

/// Every event of a random receiver ends, and the limits hold at every step.
fn run_model(concurrency: usize, answers: &[Class], events: i64) -> Result<(), TestCaseError> {
    let mut now = crate::clock::mono();
    let mut lane = lane(concurrency, now);
    let mut journal: Vec<(Instant, Due)> = (0..events).map(|seq| (now, due(seq))).collect();
    let mut answers = answers.iter().copied();
    let (mut running, mut ended) = (Vec::new(), 0);
    let mut steps = 0;
    while ended < events {
        steps += 1;
        prop_assert!(steps < 100_000, "stuck");
        let held = lane.held();
        let ready = journal.iter().filter(|(at, due)| *at <= now && !held.contains(&due.seq));
        let batch: Vec<Due> = ready.map(|(_, due)| due.clone()).take(lane.room()).collect();
        lane.load(batch);
        let was_failing = lane.is_failing();
        let started = start_all(&mut lane, now);
        prop_assert!(!was_failing || started.len() <= 1, "one probe");
        running.extend(started);
        prop_assert!(running.len() <= concurrency);
        prop_assert_eq!(lane.in_flight(), running.len());
        if running.is_empty() {
            now += secs(1);
            continue;
        }
        let seq = running.remove(running.len() / 2);
        now += Duration::from_millis(100);
        let class = answers.next().unwrap_or(Class::Ok);
        let was_open = lane.is_failing();
        let result = end(&mut lane, seq, &outcome(class), now);
        let index = journal.iter().position(|(_, due)| due.seq == seq).unwrap();
        match result.conclusion {
            Some(Conclusion::Retry { attempts, delay, .. }) => {
                prop_assert!(
                    !was_open || matches!(class, Class::Reject | Class::Permanent),
                    "charged while open"
                );
                journal[index].0 = now + delay;
                journal[index].1.attempts = attempts;
            }
            Some(Conclusion::Delivered | Conclusion::Dead { .. }) => {
                journal.remove(index);
                ended += 1;
            }
            None => prop_assert!(lane.held().contains(&seq), "forgotten"),
        }
        if matches!(result.change, Some(Change::Closed(_))) {
            for (at, _) in &mut journal {
                *at = now;
            }
        }
        if result.change == Some(Change::Parked) {
            lane.resume(now);
        }
    }
    prop_assert!(lane.held().is_empty());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_event_ends_and_limits_hold(
        concurrency in 1usize..6,
        events in 1i64..40,
        answers in prop::collection::vec(prop::sample::select(vec![
            Class::Ok, Class::Retry, Class::Slow, Class::Config, Class::Proxy, Class::Reject,
            Class::Permanent, Class::Gone, Class::Clock, Class::Local,
        ]), 0..120),
    ) {
        run_model(concurrency, &answers, events)?;
    }
}
