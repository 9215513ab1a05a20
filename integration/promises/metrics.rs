//! The metrics are `OpenMetrics`, by a reading of the specification that is not the daemon's own, and count
//! what happened.

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::{Front, Receiver, Reply, Site, disk};

/// Samples by name and labels, as written.
type Samples = BTreeMap<String, f64>;

#[derive(Default)]
struct Family {
    kind: String,
    unit: Option<String>,
    has_help: bool,
}

/// Reads a page and panics at whatever the specification forbids.
fn parse(page: &str) -> (BTreeMap<String, Family>, Samples) {
    let body = page.strip_suffix("# EOF\n").expect("the page ends with # EOF");
    let (mut families, mut samples) = (BTreeMap::<String, Family>::new(), Samples::new());
    let (mut current, mut ended) = (String::new(), BTreeSet::new());
    for line in body.lines() {
        assert!(!line.is_empty(), "no line is empty");
        if let Some(meta) = line.strip_prefix("# ") {
            let (word, rest) = meta.split_once(' ').unwrap();
            let (name, text) = rest.split_once(' ').unwrap();
            if name != current {
                assert!(ended.insert(name.to_owned()), "{name} begins once");
                name.clone_into(&mut current);
            }
            let family = families.entry(name.to_owned()).or_default();
            match word {
                "TYPE" => text.clone_into(&mut family.kind),
                "UNIT" => family.unit = Some(text.to_owned()),
                "HELP" => family.has_help = true,
                other => panic!("unknown metadata {other}"),
            }
            continue;
        }
        let (key, value) = line.rsplit_once(' ').unwrap();
        let name = key.split('{').next().unwrap();
        let suffix = name.strip_prefix(&current).unwrap_or_else(|| panic!("{line} of {current}"));
        let suffixes: &[&str] = match families[&current].kind.as_str() {
            "counter" => &["_total"],
            "gauge" | "stateset" => &[""],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_count", "_sum"],
            other => panic!("{current} has the type {other}"),
        };
        assert!(suffixes.contains(&suffix), "{line}");
        check_labels(&key[name.len()..]);
        let value: f64 = value.parse().unwrap();
        assert!(samples.insert(key.to_owned(), value).is_none(), "{key} comes once");
    }
    (families, samples)
}

/// `{name="text",...}`, with escapes.
fn check_labels(labels: &str) {
    let Some(inner) = labels.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return assert!(labels.is_empty(), "{labels}");
    };
    let mut rest = inner;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").unwrap();
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        let mut escaped = false;
        let end = after.char_indices().find(|(_, c)| {
            let is_end = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            is_end
        });
        rest = &after[end.unwrap().0 + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

#[test]
fn the_metrics_are_openmetrics_and_count_what_happened() {
    let site = Site::new();
    let receiver =
        Receiver::scripted(|request| Reply::Status(if request.is_of("bad") { 422 } else { 200 }));
    let config = site.config(&receiver.url()).endpoint("attempts", 1);
    let watchd = config.set("http", "listen", "127.0.0.1:0").ready();
    let front = Front::of(&watchd);
    disk::create_many(&site.root(), "good", 3);
    disk::create(&site.root(), "bad");
    front.status_when("three are delivered, one is dead, and the journal knows", |status| {
        status["journal"]["waiting"] == 0
            && status["endpoints"][0]["delivered"] == 3
            && status["journal"]["dead"] == 1
    });
    let (families, samples) = parse(&front.get("/metrics").text());
    for (name, family) in &families {
        assert!(family.has_help && !family.kind.is_empty(), "{name}");
        if let Some(unit) = &family.unit {
            assert!(name.ends_with(&format!("_{unit}")), "{name} in {unit}");
        }
    }
    for (key, expected) in [
        ("watchd_healthy", 1.0),
        ("watchd_ready", 1.0),
        ("watchd_config_reload_successful", 1.0),
        ("watchd_watch_files_total{watch=\"inbox\",result=\"recorded\"}", 4.0),
        ("watchd_watch_state{watch=\"inbox\",watchd_watch_state=\"watching\"}", 1.0),
        ("watchd_inotify_watches", 1.0),
        ("watchd_outbox_events{endpoint=\"crm\",state=\"waiting\"}", 0.0),
        ("watchd_dead_letters{endpoint=\"crm\",class=\"reject\"}", 1.0),
        ("watchd_webhook_deliveries_total{endpoint=\"crm\",result=\"delivered\"}", 3.0),
        ("watchd_webhook_attempts_total{endpoint=\"crm\",class=\"ok\",code=\"200\"}", 3.0),
        ("watchd_webhook_attempts_total{endpoint=\"crm\",class=\"reject\",code=\"422\"}", 1.0),
        ("watchd_webhook_attempt_seconds_count{endpoint=\"crm\"}", 4.0),
        ("watchd_webhook_attempt_seconds_bucket{endpoint=\"crm\",le=\"+Inf\"}", 4.0),
        ("watchd_endpoint_state{endpoint=\"crm\",watchd_endpoint_state=\"running\"}", 1.0),
    ] {
        assert_eq!(samples.get(key), Some(&expected), "{key}");
    }
    for name in
        ["watchd_outbox_bytes", "watchd_outbox_oldest_seconds", "watchd_clock_offset_seconds"]
    {
        assert!(families.contains_key(name), "{name}");
    }
    watchd.stop();
}
