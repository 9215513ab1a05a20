//! The command: which runs are played, and what is printed of them.

use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use crate::{
    cases::{self, Case},
    run::{Outcome, play},
    script::Script,
};

/// What is replayed in full of many that fail.
const HISTORIES_MAX: usize = 3;

/// One run: of a seed, or of a case with these dice.
#[derive(Clone, Copy)]
struct Run {
    case: Option<Case>,
    seed: u64,
}

impl Run {
    fn play(self, with_history: bool) -> Outcome {
        let script = self.case.map_or_else(|| Script::of(self.seed), |(_, script)| script());
        play(script, self.seed, with_history)
    }

    fn name(self) -> String {
        match self.case {
            Some((name, _)) => format!("case {name}, dice {}", self.seed),
            None => format!("seed {}", self.seed),
        }
    }
}

struct Asked {
    runs: Vec<Run>,
    /// With its history.
    replay: bool,
    /// Stop at the first violation.
    first_only: bool,
    threads: usize,
}

fn asked() -> Option<Asked> {
    let (mut from, mut count, mut seed, mut case) = (1, 1000, None, None);
    let (mut threads, mut first_only) = (2, false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--first" {
            first_only = true;
            continue;
        }
        let value = words.next()?;
        match word.as_str() {
            "--seeds" => count = value.parse().ok()?,
            "--from" => from = value.parse().ok()?,
            "--threads" => threads = value.parse::<usize>().ok()?.max(1),
            "--seed" => seed = Some(value.parse().ok()?),
            "--case" => case = Some(*cases::ALL.iter().find(|(name, _)| *name == value)?),
            _ => return None,
        }
    }
    let of_seed = |seed| Run { case: None, seed };
    let of_case = |case| (1..=cases::DICE).map(move |seed| Run { case: Some(case), seed });
    let runs = match (seed, case) {
        (None, Some(case)) => of_case(case).collect(),
        (Some(seed), case) => vec![Run { case, seed }],
        (None, None) => {
            let all = cases::ALL.into_iter().flat_map(of_case);
            all.chain((from..from + count).map(of_seed)).collect()
        }
    };
    Some(Asked { runs, replay: seed.is_some(), first_only, threads })
}

/// 0: no violation; 1: some; 2: usage.
pub(crate) fn main() -> ExitCode {
    let Some(asked) = asked() else {
        let cases = cases::ALL.map(|(name, _)| name).join(", ");
        eprintln!(
            "usage: simulate [--seeds COUNT] [--from FIRST] [--threads N] [--first] | [--case NAME] [--seed SEED]\ncases: {cases}"
        );
        return ExitCode::from(2);
    };
    report(&play_all(&asked), asked.replay)
}

fn play_all(asked: &Asked) -> Vec<(Run, Outcome)> {
    let (next, enough) = (AtomicUsize::new(0), AtomicBool::new(false));
    let all = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..asked.threads {
            scope.spawn(|| {
                while !enough.load(Relaxed) {
                    let at = next.fetch_add(1, Relaxed);
                    let Some(run) = asked.runs.get(at) else { return };
                    let outcome = run.play(asked.replay);
                    enough.fetch_or(asked.first_only && !outcome.violations.is_empty(), Relaxed);
                    all.lock().expect("no thread panics with it").push((at, *run, outcome));
                }
            });
        }
    });
    let mut all = all.into_inner().expect("no thread panics with it");
    all.sort_by_key(|(at, ..)| *at);
    all.into_iter().map(|(_, run, outcome)| (run, outcome)).collect()
}

fn report(all: &[(Run, Outcome)], replay: bool) -> ExitCode {
    let failed: Vec<_> = all.iter().filter(|(_, o)| !o.violations.is_empty()).collect();
    let shown = if replay { all.iter().collect() } else { failed.clone() };
    for (at, (run, outcome)) in shown.into_iter().enumerate() {
        if at >= HISTORIES_MAX {
            println!("{}: {}", run.name(), outcome.violations.first().map_or("", String::as_str));
            continue;
        }
        let again = if replay { outcome.clone() } else { run.play(true) };
        println!("---- {}", run.name());
        again.history.iter().for_each(|line| println!("{line}"));
        if again.violations != outcome.violations {
            println!("REPLAY DIFFERS: {:?}", outcome.violations);
        }
    }
    summarize(all);
    let violations: usize = all.iter().map(|(_, outcome)| outcome.violations.len()).sum();
    println!("{violations} violations in {} runs", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn summarize(all: &[(Run, Outcome)]) {
    let sum = |f: fn(&Outcome) -> u64| all.iter().map(|(_, outcome)| f(outcome)).sum::<u64>();
    let seeds = all.iter().filter(|(run, _)| run.case.is_none()).count();
    println!(
        "{seeds} seeds and {} runs of fixed cases: {} deeds, {} events taken ({} of them again), {} requests, {} dead letters, {} overflows, {} simulated hours",
        all.len() - seeds,
        sum(|o| o.deeds),
        sum(|o| o.events),
        sum(|o| o.repeated),
        sum(|o| o.requests),
        sum(|o| o.dead),
        sum(|o| o.overflows),
        sum(|o| o.simulated.as_secs()) / 3600,
    );
    let mut crashes: BTreeMap<_, u64> = BTreeMap::new();
    for (how, times) in all.iter().flat_map(|(_, outcome)| &outcome.crashes) {
        *crashes.entry(how).or_default() += times;
    }
    println!("{} crashes:", crashes.values().sum::<u64>());
    for ((how, with), times) in crashes {
        println!("{times:>8} {how}{with}");
    }
    println!("{:>8} reloads, {} files that a baseline met", sum(|o| o.reloads), sum(|o| o.silent));
    println!("{:>8} databases were deleted meanwhile", sum(|o| o.databases_lost));
}
