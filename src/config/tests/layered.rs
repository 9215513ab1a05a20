//! Defaults, file, environment, flags; and back to text.

use std::time::Duration;

use super::*;
use crate::arrival::RelPath;
use checked::{Backend, Initial, Instance, LogFormat, UrlSource};

#[test]
fn defaults() {
    let (_dir, sources) = file(GOOD);
    let loaded = good(&sources);
    let (watch, endpoint) = (watch(&loaded, "scans"), endpoint(&loaded, "crm"));
    let seconds = Duration::from_secs;
    assert_eq!(watch.path, path("/srv/incoming"));
    assert_eq!(watch.endpoints, std::slice::from_ref(&endpoint.name));
    assert!(watch.recursive && watch.writer_detection && !watch.require_mount);
    assert_eq!((watch.max_depth, watch.size_min, watch.size_max), (64, 0, None));
    assert_eq!((watch.quiet, watch.poll_interval), (seconds(2), seconds(10)));
    assert_eq!((watch.rescan_interval, watch.stuck_after), (seconds(600), seconds(600)));
    assert_eq!((watch.initial, watch.backend), (Initial::Deliver, Backend::Auto));
    assert_eq!(watch.done_marker, None);
    assert!(!watch.selection.takes_file(&RelPath::from_bytes(b"x.part")));
    assert_eq!((endpoint.connect_timeout, endpoint.timeout), (seconds(5), seconds(30)));
    assert_eq!((endpoint.concurrency, endpoint.attempts), (4, 20));
    assert_eq!(endpoint.retry_delays.len(), 9);
    assert_eq!(endpoint.retry_delays.last(), Some(&seconds(8 * 3600)));
    assert_eq!((&endpoint.ca_file, endpoint.secret_files.len()), (&None, 0));
    assert_eq!(loaded.config.instance, Instance::Auto);
    assert_eq!(loaded.config.drain, seconds(10));
    assert_eq!(loaded.config.state.outbox_events_max, 100_000);
    assert_eq!(loaded.config.state.outbox_bytes_max, 256 << 20);
    assert_eq!(loaded.config.state.dead_events_max, 10_000);
    assert_eq!(
        (loaded.config.log.filter.as_str(), loaded.config.log.format),
        ("info", LogFormat::Auto)
    );
    assert!(loaded.warnings.is_empty());
}

#[test]
fn the_environment_overrides_the_file_and_flags_override_both() {
    let (_dir, mut sources) = file(&GOOD.replace("[endpoint", "quiet = \"3s\"\n[endpoint"));
    assert_eq!(watch(&good(&sources), "scans").quiet, Duration::from_secs(3));
    sources.env.extend(env(&[("WATCHD_WATCH__SCANS__QUIET", "4s")]));
    assert_eq!(watch(&good(&sources), "scans").quiet, Duration::from_secs(4));
    sources.flags.quiet = Some("5s".to_owned());
    assert_eq!(watch(&good(&sources), "scans").quiet, Duration::from_secs(5));
}

#[test]
fn text_of_the_environment_becomes_the_type_of_its_key() {
    let (_dir, mut sources) = file(&format!("{GOOD}[watch.a-b]\npath = \"/b\"\n"));
    sources.env.extend(env(&[
        ("WATCHD_INSTANCE", "1234"),
        ("WATCHD_ENDPOINT__CRM__CONCURRENCY", "8"),
        ("WATCHD_ENDPOINT__CRM__RETRY_DELAYS", "[\"1s\", \"2s\"]"),
        ("WATCHD_ENDPOINT__CRM__SECRET_FILES", "[\"/a\", \"/b\"]"),
        ("WATCHD_WATCH__SCANS__RECURSIVE", "false"),
        ("WATCHD_WATCH__A_B__INITIAL", "baseline"),
        ("WATCHD_STATE__DIR", "/x/1e3"),
        ("WATCHD_LOG__LEVEL", "warn"),
        ("WATCHD_LOG", "debug,hyper=off"),
    ]));
    let loaded = good(&sources);
    assert_eq!(loaded.config.instance, Instance::Given("1234".to_owned()));
    let endpoint = endpoint(&loaded, "crm");
    assert_eq!(endpoint.concurrency, 8);
    assert_eq!(endpoint.retry_delays, [Duration::from_secs(1), Duration::from_secs(2)]);
    assert_eq!(endpoint.secret_files, [path("/a"), path("/b")]);
    assert!(!watch(&loaded, "scans").recursive);
    assert_eq!(watch(&loaded, "a-b").initial, Initial::Baseline);
    assert_eq!(loaded.config.state.dir, path("/x/1e3"));
    assert_eq!(loaded.config.log.filter, "debug,hyper=off");
}

#[test]
fn unknown_variables_warn_and_bad_values_are_refused_by_name() {
    let (_dir, mut sources) = file(GOOD);
    sources.env.extend(env(&[
        ("WATCHD_PORT", "tcp://10.0.0.1:80"),
        ("WATCHD_LOG", "a=b=c"),
        ("WATCHD_WATCH", "x"),
    ]));
    let loaded = good(&sources);
    assert_eq!(loaded.warnings.iter().count(), 3, "{}", loaded.warnings);
    assert!(loaded.warnings.to_string().contains("variable WATCHD_PORT"), "{}", loaded.warnings);
    assert_eq!(loaded.config.log.filter, "info");

    sources.env.extend(env(&[("WATCHD_ENDPOINT__CRM__ATTEMPTS", "many")]));
    let text = bad(&sources).to_string();
    assert!(
        text.contains("set by the environment variable WATCHD_ENDPOINT__CRM__ATTEMPTS"),
        "{text}"
    );
}

#[test]
fn odd_text_in_the_environment_is_refused() {
    // The first made figment's own reader panic; the second would set another key.
    for value in ["\"\u{1ec71}\u{1312}0\u{11d3a}A\\0\"", "8\nattempts = 1", "", "[8", "8 # eight"] {
        let (_dir, mut sources) = file(GOOD);
        sources.env.extend(env(&[("WATCHD_ENDPOINT__CRM__CONCURRENCY", value)]));
        match load(&sources) {
            Ok(loaded) => {
                assert_eq!((value, endpoint(&loaded, "crm").concurrency), ("8 # eight", 8));
            }
            Err(problems) => assert!(problems.to_string().contains("CRM__CONCURRENCY"), "{value}"),
        }
    }
}

#[test]
fn a_higher_layer_may_use_the_other_way_to_give_a_url() {
    let (_dir, mut sources) =
        file(&GOOD.replace("url = \"https://example.net/hook\"", "url_file = \"/u\""));
    assert!(matches!(endpoint(&good(&sources), "crm").url, UrlSource::File(_)));
    sources.flags.url = Some("http://127.0.0.1:1".to_owned());
    assert!(matches!(endpoint(&good(&sources), "crm").url, UrlSource::Given(_)));

    let (_dir, mut sources) = file(GOOD);
    sources.env.extend(env(&[("WATCHD_ENDPOINT__CRM__URL_FILE", "/u")]));
    assert!(matches!(endpoint(&good(&sources), "crm").url, UrlSource::File(_)));
}

#[test]
fn flags_about_one_endpoint_need_one() {
    let (_dir, mut sources) = file(&format!(
        "{}[endpoint.b]\nurl = \"http://b\"\n",
        GOOD.replace("[endpoint.crm]", "endpoints = [\"crm\"]\n[endpoint.crm]")
    ));
    sources.flags.url = Some("http://127.0.0.1:1".to_owned());
    let text = bad(&sources).to_string();
    assert!(text.contains("exactly one endpoint, and there are 2"), "{text}");
}

/// Everything that can be set, set to something else than its default.
const FULL: &str = r#"
instance = "box \"7\"\\"
[watch.scans]
path = "/srv/in coming"
endpoints = ["b", "crm"]
recursive = false
max_depth = 3
include = ["*.pdf", "in/**/\"x\".xml"]
exclude = ["old"]
default_excludes = false
min_size = "1B"
max_size = "3MB"
quiet = "1500ms"
writer_detection = "off"
done_marker = "m-{name}.done"
initial = "baseline"
require_mount = true
backend = "poll"
poll_interval = "1s"
rescan_interval = "1h"
stuck_after = "1d"
[endpoint.crm]
url = "https://example.net:8443/"
secret_files = ["/a", "b"]
connect_timeout = "1s"
timeout = "2s"
concurrency = 1
retry_delays = ["10ms"]
attempts = 1
ca_file = "ca.pem"
format = "cloudevents-binary"
header_files = { X-Key = "key", authorization = "/auth" }
rate_limit = "50/m"
success_statuses = [302, 304]
retry_statuses = [404]
permanent_statuses = [409]
[endpoint.b]
url_file = "u"
format = "cloudevents"
rate_limit = "1/d"
[state]
dir = "/var/lib/w"
outbox_max_events = 1
outbox_max_size = "1MiB"
dead_max_events = 0
[shutdown]
drain = "0s"
[log]
level = "info,watchd::watch=trace"
format = "json"
"#;

#[test]
fn what_is_printed_is_read_back_as_the_same() {
    for text in [GOOD, FULL.replace("box \\\"7\\\"\\\\", "box-\\\"7\\\"\\\\").as_str()] {
        let text = text.replace("https://example.net/hook", "https://example.net");
        let (_dir, sources) = file(&text);
        let printed = good(&sources).to_toml();
        let (_elsewhere, again) = file(&printed);
        assert_eq!(good(&again).to_toml(), printed);
        // The compiled patterns have no text of their own to compare, the rest has.
        let plain = |loaded: &Loaded| {
            let mut config = loaded.config.clone();
            for watch in &mut config.watches {
                watch.selection = crate::globs::Selection::new(&[], &[], false).unwrap();
            }
            format!("{config:?}")
        };
        assert_eq!(plain(&good(&again)), plain(&good(&sources)));
    }
}

#[test]
fn bare_flags_are_printed_as_a_file_that_means_the_same() {
    let mut sources = bare(&["a", "/b/c"], Some("http://127.0.0.1:80"));
    sources.flags.include = vec!["*.pdf".to_owned()];
    let printed = good(&sources).to_toml();
    let (_dir, again) = file(&printed);
    assert_eq!(good(&again).to_toml(), printed);
}

#[test]
fn print_config_names_headers_and_hides_their_values() {
    let line = "headers = { X-Api-Key = \"canary\", authorization = \"Bearer canary\" }\n";
    let (_dir, sources) = file(&format!("{GOOD}{line}"));
    let printed = good(&sources).to_toml();
    assert!(printed.contains("x-api-key") && !printed.contains("canary"), "{printed}");
    let (_dir, again) = file(&printed);
    assert_eq!(endpoint(&good(&again), "crm").headers.len(), 2);
    assert!(!format!("{:?}", good(&sources).config).contains("canary"));
}

#[test]
fn print_config_shows_no_secret() {
    for url in ["https://h/canary", "https://h/?canary", "https://h/canary?canary=canary"] {
        let (_dir, sources) = file(&GOOD.replace("https://example.net/hook", url));
        let printed = good(&sources).to_toml();
        assert!(!printed.contains("canary"), "{printed}");
        let (_dir, again) = file(&printed);
        assert!(load(&again).is_ok());
    }
}
