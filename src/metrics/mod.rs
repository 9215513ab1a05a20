//! `/metrics`: what the board says, for a scraper. Names and labels are a contract; label values are names of
//! the configuration or words of ours, never a path, a URL or what a receiver said.

mod exposition;
mod machine;
mod pipeline;

pub use self::{exposition::CONTENT_TYPE, machine::Machine};
use self::{
    exposition::{Kind, Page},
    pipeline::{endpoints, journal, watches},
};
use crate::{status::Moment, vitals::Board};

/// The whole page.
pub fn text(board: &Board, machine: &Machine, now: Moment) -> String {
    let mut page = Page::default();
    process(&mut page, board, machine, now);
    daemon(&mut page, board, now);
    watches(&mut page, board, now);
    inotify(&mut page, board, machine);
    journal(&mut page, board, now);
    endpoints(&mut page, board);
    page.end()
}

fn process(page: &mut Page, board: &Board, machine: &Machine, now: Moment) {
    page.family(Kind::Info, "watchd_build", "The program.")
        .put(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    let (started, _) = board.started();
    // By the clock as it is now: it may have been wrong at the start.
    let start = now.wall.0.saturating_sub(i64::try_from(millis(now, started)).unwrap_or(0));
    page.family(Kind::Gauge, "process_start_time_seconds", "Since 1970.")
        .put(&[], format_args!("{}.{:03}", start.div_euclid(1000), start.rem_euclid(1000)));
    if let Some(bytes) = machine.resident {
        page.family(Kind::Gauge, "process_resident_memory_bytes", "Of this process.")
            .put(&[], bytes);
    }
    if let Some(open) = machine.open_files {
        page.family(Kind::Gauge, "process_open_fds", "Of this process.").put(&[], open);
    }
}

fn daemon(page: &mut Page, board: &Board, now: Moment) {
    let health = board.health(now.mono);
    let flag = u8::from;
    page.family(Kind::Gauge, "watchd_healthy", "Whether every stage turns over.")
        .put(&[], flag(health.is_good()));
    page.family(Kind::Gauge, "watchd_ready", "Whether files get through.")
        .put(&[], flag(board.not_ready(now.mono).is_empty()));
    page.family(Kind::Gauge, "watchd_stuck_stages", "Stages that make no progress.")
        .put(&[], health.stuck.len());
    page.family(Kind::Gauge, "watchd_hanging_roots", "Threads whose file system does not answer.")
        .put(&[], health.hanging.len());
    let reload = board.reload();
    page.family(
        Kind::Gauge,
        "watchd_config_reload_successful",
        "Whether the configuration that was read last is in force.",
    )
    .put(&[], flag(reload.as_ref().is_none_or(|reload| reload.ok)));
    if let Some(reload) = reload {
        let help = "When the configuration was last read again, since 1970.";
        page.family(Kind::Gauge, "watchd_config_reload_timestamp_seconds", help)
            .put(&[], reload.at.unix_seconds());
    }
}

fn inotify(page: &mut Page, board: &Board, machine: &Machine) {
    let states: Vec<_> = board.watches().iter().map(|(_, watch)| watch.state()).collect();
    let armed: u64 = states.iter().map(|state| state.armed).sum();
    let instances = states.iter().filter(|state| state.backend == "events").count();
    page.family(
        Kind::Gauge,
        "watchd_inotify_watches",
        "Directories that the kernel watches for us.",
    )
    .put(&[], armed);
    page.family(Kind::Gauge, "watchd_inotify_instances", "Inotify instances in use.")
        .put(&[], instances);
    for (name, help, limit) in [
        ("watchd_inotify_watches_limit", "What one user may have.", machine.watches_max),
        ("watchd_inotify_instances_limit", "What one user may have.", machine.instances_max),
        ("watchd_inotify_queue_limit", "Events that the kernel keeps for us.", machine.queue_max),
    ] {
        if let Some(limit) = limit {
            page.family(Kind::Gauge, name, help).put(&[], limit);
        }
    }
}

fn millis(now: Moment, earlier: std::time::Instant) -> u128 {
    now.mono.saturating_duration_since(earlier).as_millis()
}
