//! Log lines: text for people, JSON for machines, priorities for the journal. All of it on stderr.

use std::{
    io::{self, IsTerminal as _},
    panic,
    process::abort,
};

use tracing::{Event, Level, Subscriber, error, level_filters::LevelFilter, warn};
use tracing_subscriber::{
    Layer as _,
    filter::Targets,
    fmt::{self, FmtContext, FormatEvent, FormatFields, format::Writer},
    layer::SubscriberExt as _,
    registry::{LookupSpan, Registry},
    reload,
    util::SubscriberInitExt as _,
};

use crate::config::checked::{Log, LogFormat};

/// Only our own lines: libraries below us would log requests, URLs and headers included (P10), and no
/// filter that an operator sets may bring that back.
const OURS: &str = "watchd";

/// The way to change what is logged while the process runs.
#[derive(Clone)]
pub struct Filter(reload::Handle<Targets, Registry>);

impl Filter {
    /// Uses another filter from now on. One that cannot be parsed is refused, and the old one stays.
    pub fn set(&self, filter: &str) {
        match filter.parse() {
            // An error would mean that logging itself is gone.
            Ok(parsed) => self.0.reload(ours(&parsed)).unwrap_or(()),
            Err(error) => {
                warn!(filter, %error, "cannot understand this log filter, keeping the old one");
            }
        }
    }
}

/// Starts logging, and makes a panic on any thread end the whole process.
///
/// A filter that cannot be parsed is no reason not to start: it is said, and `info` is used.
pub fn start(log: &Log) -> Filter {
    let (filter, refused) = match log.filter.parse::<Targets>() {
        Ok(filter) => (filter, None),
        Err(error) => (Targets::new().with_default(LevelFilter::INFO), Some(error)),
    };
    let (filter, handle) = reload::Layer::new(ours(&filter));
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match resolve(log.format) {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Journal => lines.event_format(Priorities).boxed(),
        LogFormat::Auto | LogFormat::Text => lines.with_ansi(false).with_target(false).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    if let Some(error) = refused {
        warn!(filter = log.filter, %error, "cannot understand this log filter, using info");
    }
    end_on_panic();
    Filter(handle)
}

/// What was asked for, as far as it is about our own lines. It depends on target and level alone: a line that
/// is not wanted costs one comparison.
fn ours(asked: &Targets) -> Targets {
    let otherwise = asked.default_level().unwrap_or(LevelFilter::OFF);
    let named = asked.iter().filter(|(target, _)| target.starts_with(OURS));
    Targets::new().with_target(OURS, otherwise).with_targets(named)
}

fn resolve(format: LogFormat) -> LogFormat {
    if format == LogFormat::Auto && !io::stderr().is_terminal() && stderr_is_journal() {
        LogFormat::Journal
    } else {
        format
    }
}

/// systemd.exec(5): `JOURNAL_STREAM` names the device and inode of the stream that goes to the journal; a
/// redirected stderr has others.
fn stderr_is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(stat) = rustix::fs::fstat(io::stderr()) else { return false };
    stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}

/// Half a daemon is worse than none: systemd starts a whole one again.
fn end_on_panic() {
    let default = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        error!(panic = %info.to_string().escape_debug(), "a bug: the process ends");
        default(info);
        abort();
    }));
}

/// One line with a syslog priority in front (sd-daemon(3)); the journal adds the time.
struct Priorities;

impl<S, N> FormatEvent<S, N> for Priorities
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(writer, "<{priority}>")?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
