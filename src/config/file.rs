//! The configuration as typed: every key of the file, with its default as one would write it. Only names
//! and types are checked here; [`super::cross`] makes a [`super::checked::Config`] of it.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, de};

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Settings {
    pub(super) instance: String,
    pub(super) watch: BTreeMap<String, Watch>,
    pub(super) endpoint: BTreeMap<String, Endpoint>,
    pub(super) state: State,
    pub(super) shutdown: Shutdown,
    pub(super) http: Http,
    pub(super) self_check: SelfCheck,
    pub(super) restart: Restart,
    pub(super) heartbeat: Heartbeat,
    pub(super) operations: Operations,
    pub(super) log: Log,
    pub(super) control: Control,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            instance: "auto".into(),
            watch: BTreeMap::new(),
            endpoint: BTreeMap::new(),
            state: State::default(),
            shutdown: Shutdown::default(),
            http: Http::default(),
            self_check: SelfCheck::default(),
            restart: Restart::default(),
            heartbeat: Heartbeat::default(),
            operations: Operations::default(),
            log: Log::default(),
            control: Control::default(),
        }
    }
}

/// `[watch.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
#[expect(clippy::struct_excessive_bools, reason = "these are the switches of the file")]
pub(super) struct Watch {
    pub(super) path: Option<String>,
    pub(super) endpoints: Option<Vec<String>>,
    pub(super) recursive: bool,
    pub(super) max_depth: Count,
    pub(super) include: Vec<String>,
    pub(super) exclude: Vec<String>,
    pub(super) default_excludes: bool,
    pub(super) min_size: Size,
    pub(super) max_size: Size,
    pub(super) quiet: Period,
    pub(super) writer_detection: Detection,
    pub(super) done_marker: String,
    pub(super) follow_symlinks: bool,
    pub(super) initial: Initial,
    pub(super) require_mount: bool,
    pub(super) backend: Backend,
    pub(super) poll_interval: Period,
    pub(super) rescan_interval: Period,
    pub(super) stuck_after: Period,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            path: None,
            endpoints: None,
            recursive: true,
            max_depth: Count(64),
            include: Vec::new(),
            exclude: Vec::new(),
            default_excludes: true,
            min_size: Size::from("0B"),
            max_size: Size::from("none"),
            quiet: Period::from("2s"),
            writer_detection: Detection::Auto,
            done_marker: "none".into(),
            follow_symlinks: false,
            initial: Initial::Deliver,
            require_mount: false,
            backend: Backend::Auto,
            poll_interval: Period::from("10s"),
            rescan_interval: Period::from("10m"),
            stuck_after: Period::from("10m"),
        }
    }
}

/// `[endpoint.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Endpoint {
    pub(super) url: Option<String>,
    pub(super) url_file: Option<String>,
    pub(super) secret_files: Vec<String>,
    pub(super) format: Format,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) header_files: BTreeMap<String, String>,
    pub(super) connect_timeout: Period,
    pub(super) timeout: Period,
    pub(super) concurrency: Count,
    pub(super) rate_limit: String,
    pub(super) retry_delays: Vec<Period>,
    pub(super) attempts: Count,
    pub(super) ca_file: String,
    pub(super) client_cert_file: String,
    pub(super) client_key_file: String,
    pub(super) proxy: String,
    pub(super) deny_private: bool,
    pub(super) allow: Vec<String>,
    pub(super) success_statuses: Vec<Count>,
    pub(super) retry_statuses: Vec<Count>,
    pub(super) permanent_statuses: Vec<Count>,
}

impl Default for Endpoint {
    fn default() -> Self {
        let delays = ["5s", "30s", "2m", "10m", "30m", "1h", "2h", "4h", "8h"];
        Self {
            url: None,
            url_file: None,
            secret_files: Vec::new(),
            format: Format::Json,
            headers: BTreeMap::new(),
            header_files: BTreeMap::new(),
            connect_timeout: Period::from("5s"),
            timeout: Period::from("30s"),
            concurrency: Count(4),
            rate_limit: "none".into(),
            retry_delays: delays.map(Period::from).into(),
            attempts: Count(20),
            ca_file: "none".into(),
            client_cert_file: "none".into(),
            client_key_file: "none".into(),
            proxy: "none".into(),
            deny_private: false,
            allow: Vec::new(),
            success_statuses: Vec::new(),
            retry_statuses: Vec::new(),
            permanent_statuses: Vec::new(),
        }
    }
}

/// A table of the daemon: its keys, their types and defaults.
macro_rules! table {
    ($title:literal $name:ident { $($key:ident: $type:ty = $default:expr,)* }) => {
        #[doc = $title]
        #[derive(Clone, Debug, Deserialize)]
        #[serde(default, deny_unknown_fields, expecting = "a table")]
        pub(super) struct $name { $(pub(super) $key: $type,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default.into(),)* }
            }
        }
    };
}

table!("`[state]`." State {
    dir: String = "auto",
    outbox_max_events: Count = Count(100_000),
    outbox_max_size: Size = "256MiB",
    dead_max_events: Count = Count(10_000),
});
table!("`[shutdown]`." Shutdown { drain: Period = "10s", });
table!("`[http]`." Http { listen: String = "none", });
table!("`[self_check]`." SelfCheck { interval: Period = "1m", failures: Count = Count(3), });
table!("`[restart]`." Restart { max_age: Period = "none", on_binary_change: bool = false, });
table!("`[heartbeat]`." Heartbeat {
    url: String = "none",
    url_file: Option<String> = None,
    interval: Period = "1m",
});
table!("`[operations]`." Operations { endpoint: String = "none", });
table!("`[log]`." Log { level: String = "info", format: LogFormat = LogFormat::Auto, });
table!("`[control]`." Control { socket: String = "auto", });

/// A key that takes one of a few words. Not derived: a derived enum takes numbers, too.
macro_rules! choice {
    ($title:literal $name:ident { $($word:literal = $variant:ident,)* }) => {
        #[doc = $title]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum $name { $($variant,)* }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                const WORDS: &[&str] = &[$($word,)*];
                match from.deserialize_str(Quoted("one of a few words, in quotes"))?.as_str() {
                    $($word => Ok(Self::$variant),)*
                    other => Err(de::Error::unknown_variant(other, WORDS)),
                }
            }
        }
    };
}

choice!("`watch.*.writer_detection`." Detection { "auto" = Auto, "off" = Off, });
choice!("`watch.*.initial`." Initial { "deliver" = Deliver, "baseline" = Baseline, });
choice!("`watch.*.backend`." Backend { "auto" = Auto, "events" = Events, "poll" = Poll, });
choice!("`endpoint.*.format`." Format {
    "json" = Json,
    "cloudevents" = CloudEvents,
    "cloudevents-binary" = CloudEventsBinary,
});
choice!("`log.format`." LogFormat {
    "auto" = Auto, "text" = Text, "json" = Json, "journal" = Journal,
});

/// Text that is read as something else later; its type is what a wrong type is answered with.
macro_rules! quoted {
    ($title:literal $name:ident $expected:literal) => {
        #[doc = $title]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(super) struct $name(pub(super) String);

        impl $name {
            /// What a value of another type is told.
            pub(super) const EXPECTED: &str = $expected;
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_str(Quoted(Self::EXPECTED)).map(Self)
            }
        }
    };
}

quoted!("A duration." Period "a duration in quotes, such as \"2s\"");
quoted!("A size." Size "a size in quotes, such as \"10MiB\"");

struct Quoted(&'static str);

impl de::Visitor<'_> for Quoted {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

/// A number of things. Its range is checked later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count(pub(super) u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_u64(Whole).map(Self)
    }
}

struct Whole;

impl de::Visitor<'_> for Whole {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number without quotes")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &"a number of 0 or more"))
    }
}
