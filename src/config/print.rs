//! The effective configuration as TOML, for `--print-config`. What is printed can be loaded again.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    path::Path,
    time::Duration,
};

use super::{
    checked::{
        Backend, Config, Endpoint, Format, Initial, Instance, LogFormat, SecretUrl, Statuses,
        UrlSource, Watch,
    },
    file::Settings,
    units::{show_period, show_rate, show_size},
};
use crate::{arrival::Name, globs::DEFAULT_EXCLUDES, http::HeaderName};

/// What stands for the path of a URL, which may be a secret.
const HIDDEN: &str = "HIDDEN";

/// The text. `typed` is asked for the patterns, which are compiled in `config`.
pub(super) fn toml(config: &Config, typed: &Settings) -> String {
    let mut page = Page(String::new());
    let instance = match &config.instance {
        Instance::Auto => "auto",
        Instance::Given(given) => given,
    };
    page.key("instance", Text(instance));
    for watch in &config.watches {
        page.watch(watch, typed);
    }
    for endpoint in &config.endpoints {
        page.endpoint(endpoint);
    }
    page.table("state");
    page.key("dir", Text(&config.state.dir.to_string_lossy()));
    page.key("outbox_max_events", config.state.outbox_events_max);
    page.size("outbox_max_size", Some(config.state.outbox_bytes_max));
    page.key("dead_max_events", config.state.dead_events_max);
    page.table("shutdown");
    page.period("drain", config.drain);
    page.table("http");
    let listen = config.listen.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
    page.key("listen", Text(&listen));
    page.table("self_check");
    page.period("interval", config.self_check.interval);
    page.key("failures", config.self_check.failures);
    page.table("restart");
    let max_age = config.restart.max_age.map_or_else(|| "none".to_owned(), show_period);
    page.key("max_age", Text(&max_age));
    page.key("on_binary_change", config.restart.on_binary_change);
    if let Some(heartbeat) = &config.heartbeat {
        page.table("heartbeat");
        page.url_source(&heartbeat.url);
        page.period("interval", heartbeat.interval);
    }
    page.table("operations");
    page.key("endpoint", Text(config.operations.as_ref().map_or("none", Name::as_str)));
    page.table("log");
    page.key("level", Text(&config.log.filter));
    page.key("format", Text(log_format(config.log.format)));
    page.table("control");
    page.key(
        "socket",
        config
            .control
            .as_ref()
            .map_or(Text("auto"), |path| Text(path.to_str().unwrap_or_default())),
    );
    page.0
}

struct Page(String);

impl Page {
    fn table(&mut self, name: &str) {
        self.line(format_args!("\n[{name}]"));
    }

    fn key(&mut self, key: &str, value: impl fmt::Display) {
        self.line(format_args!("{key} = {value}"));
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a String does not fail.
        let _infallible = writeln!(self.0, "{line}");
    }

    fn period(&mut self, key: &str, period: Duration) {
        self.key(key, Text(&show_period(period)));
    }

    fn size(&mut self, key: &str, bytes: Option<u64>) {
        let size = bytes.map_or_else(|| "none".to_owned(), show_size);
        self.key(key, Text(&size));
    }

    fn list<T: AsRef<str>>(&mut self, key: &str, texts: &[T]) {
        let texts: Vec<String> = texts.iter().map(|t| Text(t.as_ref()).to_string()).collect();
        self.key(key, format_args!("[{}]", texts.join(", ")));
    }

    fn watch(&mut self, watch: &Watch, typed: &Settings) {
        self.table(&format!("watch.{}", watch.name));
        self.key("path", Text(&watch.path.to_string_lossy()));
        let endpoints: Vec<&str> = watch.endpoints.iter().map(Name::as_str).collect();
        self.list("endpoints", &endpoints);
        self.key("recursive", watch.recursive);
        self.key("max_depth", watch.max_depth);
        if let Some(typed) = typed.watch.get(watch.name.as_str()) {
            self.list("include", &typed.include);
            self.list("exclude", &typed.exclude);
            self.key("default_excludes", typed.default_excludes);
            if typed.default_excludes {
                self.line(format_args!("# these are: {}", DEFAULT_EXCLUDES.join("  ")));
            }
        }
        self.size("min_size", Some(watch.size_min));
        self.size("max_size", watch.size_max);
        self.period("quiet", watch.quiet);
        self.key("writer_detection", Text(if watch.writer_detection { "auto" } else { "off" }));
        let marker = watch.done_marker.as_ref().map(|marker| {
            let part = |bytes| String::from_utf8_lossy(bytes).into_owned();
            format!("{}{{name}}{}", part(&marker.prefix), part(&marker.suffix))
        });
        self.key("done_marker", Text(marker.as_deref().unwrap_or("none")));
        self.key("initial", Text(initial(watch.initial)));
        self.key("require_mount", watch.require_mount);
        self.key("backend", Text(backend(watch.backend)));
        self.period("poll_interval", watch.poll_interval);
        self.period("rescan_interval", watch.rescan_interval);
        self.period("stuck_after", watch.stuck_after);
    }

    fn endpoint(&mut self, endpoint: &Endpoint) {
        self.table(&format!("endpoint.{}", endpoint.name));
        self.url_source(&endpoint.url);
        let files: Vec<_> = endpoint.secret_files.iter().map(|f| f.to_string_lossy()).collect();
        self.list("secret_files", &files);
        self.key("format", Text(format(endpoint.format)));
        self.headers(endpoint);
        self.period("connect_timeout", endpoint.connect_timeout);
        self.period("timeout", endpoint.timeout);
        self.key("concurrency", endpoint.concurrency);
        let rate_limit = endpoint.rate_limit.map(show_rate);
        self.key("rate_limit", Text(rate_limit.as_deref().unwrap_or("none")));
        let delays: Vec<String> = endpoint.retry_delays.iter().map(|d| show_period(*d)).collect();
        self.list("retry_delays", &delays);
        self.key("attempts", endpoint.attempts);
        self.file("ca_file", endpoint.ca_file.as_deref());
        let identity = endpoint.identity.as_ref();
        self.file("client_cert_file", identity.map(|files| files.cert.as_path()));
        self.file("client_key_file", identity.map(|files| files.key.as_path()));
        let proxy = endpoint.proxy.as_ref().map_or("none", |proxy| proxy.as_url().as_str());
        self.key("proxy", Text(proxy));
        self.key("deny_private", endpoint.deny_private);
        self.list("allow", &endpoint.allow.iter().map(ToString::to_string).collect::<Vec<_>>());
        let Statuses { success, retry, permanent } = &endpoint.statuses;
        self.key("success_statuses", format_args!("{success:?}"));
        self.key("retry_statuses", format_args!("{retry:?}"));
        self.key("permanent_statuses", format_args!("{permanent:?}"));
    }

    fn headers(&mut self, endpoint: &Endpoint) {
        let hidden = endpoint.headers.iter().map(|(name, _)| (name, HIDDEN.into()));
        if !endpoint.headers.is_empty() {
            self.line(format_args!("# the values of headers are not shown: they may be secrets"));
        }
        self.inline_table("headers", hidden);
        let files = endpoint.header_files.iter().map(|(name, file)| (name, file.to_string_lossy()));
        self.inline_table("header_files", files);
    }

    fn inline_table<'h>(
        &mut self,
        key: &str,
        entries: impl Iterator<Item = (&'h HeaderName, Cow<'h, str>)>,
    ) {
        let entry = |(name, value): (&HeaderName, Cow<'_, str>)| {
            format!("{} = {}", Text(name.as_str()), Text(&value))
        };
        let entries: Vec<String> = entries.map(entry).collect();
        self.key(key, format_args!("{{{}}}", entries.join(", ")));
    }

    fn file(&mut self, key: &str, file: Option<&Path>) {
        let file = file.map(Path::to_string_lossy);
        self.key(key, Text(file.as_deref().unwrap_or("none")));
    }

    fn url_source(&mut self, source: &UrlSource) {
        match source {
            UrlSource::Given(url) => self.url(url),
            UrlSource::File(file) => self.key("url_file", Text(&file.to_string_lossy())),
        }
    }

    /// Scheme, host and port as they are; path and query may be what authorises us at the receiver.
    fn url(&mut self, url: &SecretUrl) {
        let mut shown = url.expose().clone();
        if shown.path() != "/" || shown.query().is_some() {
            shown.set_path(HIDDEN);
            shown.set_query(None);
            self.line(format_args!("# path and query are not shown: they may be a secret"));
        }
        self.key("url", Text(shown.as_str()));
    }
}

/// A basic string of TOML.
struct Text<'t>(&'t str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{:04X}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

fn initial(initial: Initial) -> &'static str {
    match initial {
        Initial::Deliver => "deliver",
        Initial::Baseline => "baseline",
    }
}

fn backend(backend: Backend) -> &'static str {
    match backend {
        Backend::Auto => "auto",
        Backend::Events => "events",
        Backend::Poll => "poll",
    }
}

fn log_format(format: LogFormat) -> &'static str {
    match format {
        LogFormat::Auto => "auto",
        LogFormat::Text => "text",
        LogFormat::Json => "json",
        LogFormat::Journal => "journal",
    }
}

fn format(format: Format) -> &'static str {
    match format {
        Format::Json => "json",
        Format::CloudEvents => "cloudevents",
        Format::CloudEventsBinary => "cloudevents-binary",
    }
}
