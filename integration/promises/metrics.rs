//! The metrics are `OpenMetrics`, by a reading of the specification that is not the daemon's own, and count
//! what happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::harness::{Front, Receiver, Reply, Site, Watchd, clock::wait_until, disk};

/// Samples by name and labels, as written.
type Samples = BTreeMap<String, f64>;

#[derive(Default)]
struct Family {
    kind: String,
    unit: Option<String>,
    has_help: bool,
    /// Names of labels, but for the bounds of a histogram.
    labels: BTreeSet<String>,
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
        let labels = labels_of(&key[name.len()..]).into_iter().filter(|label| label != "le");
        families.get_mut(&current).unwrap().labels.extend(labels);
        let value: f64 = value.parse().unwrap();
        assert!(samples.insert(key.to_owned(), value).is_none(), "{key} comes once");
    }
    (families, samples)
}

/// The names in `{name="text",...}`, whose text may have escapes.
fn labels_of(labels: &str) -> Vec<String> {
    let mut names = Vec::new();
    let Some(inner) = labels.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        assert!(labels.is_empty(), "{labels}");
        return names;
    };
    let mut rest = inner;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").unwrap();
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        names.push(name.to_owned());
        let mut escaped = false;
        let end = after.char_indices().find(|(_, c)| {
            let is_end = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            is_end
        });
        rest = &after[end.unwrap().0 + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    names
}

/// A daemon that has delivered three files, given up one and read its configuration again, and its page: every
/// metric has a sample.
fn worked(site: &Site) -> (Watchd, String) {
    let receiver =
        Receiver::scripted(|request| Reply::Status(if request.is_of("bad") { 422 } else { 200 }));
    let config = site.config(&receiver.url()).endpoint("attempts", 1);
    let config = config.set("http", "listen", "127.0.0.1:0");
    let watchd = config.ready();
    let front = Front::of(&watchd);
    disk::create_many(&site.root(), "good", 3);
    disk::create(&site.root(), "bad");
    front.status_when("three are delivered, one is dead, and the journal knows", |status| {
        status["journal"]["waiting"] == 0
            && status["endpoints"][0]["delivered"] == 3
            && status["journal"]["dead"] == 1
    });
    let recorded = "watchd_watch_files_total{watch=\"inbox\",result=\"recorded\"} 4\n";
    wait_until("all four are counted", || front.get("/metrics").text().contains(recorded));
    config.reload(&watchd);
    let mut page = String::new();
    wait_until("the reload and a scan of the whole root are counted", || {
        page = front.get("/metrics").text();
        page.contains("watchd_watch_scan_seconds{")
            && page.contains("\nwatchd_config_reload_timestamp_seconds ")
    });
    (watchd, page)
}

fn kept(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// By name, as a query has it: type and labels.
type Listed = BTreeMap<String, (String, BTreeSet<String>)>;

/// The rows of the README's table.
fn listed() -> Listed {
    let readme = kept("README.md");
    let (_, section) = readme.split_once("\n### Metrics\n").expect("README.md lists the metrics");
    let section = section.split("\n#").next().unwrap();
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let name = cells.get(1)?.strip_prefix('`')?.strip_suffix('`')?;
        let labels = cells[3].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Some((name.to_owned(), (cells[2].to_owned(), labels)))
    };
    section.lines().filter_map(row).collect()
}

#[test]
fn the_readme_lists_every_metric_with_its_type_and_its_labels() {
    let site = Site::new();
    let (watchd, page) = worked(&site);
    let (families, _) = parse(&page);
    let as_queried = |(name, family): (String, Family)| {
        let suffix = match family.kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        (name + suffix, (family.kind, family.labels))
    };
    let exposed: Listed = families.into_iter().map(as_queried).collect();
    assert_eq!(exposed, listed(), "left: what the daemon exposes; right: README.md");
    watchd.stop();
}

#[test]
fn every_alert_asks_for_metrics_and_labels_that_there_are() {
    let site = Site::new();
    let (watchd, page) = worked(&site);
    let (_, samples) = parse(&page);
    let rules = kept("packaging/watchd.rules.yml");
    let questions: Vec<_> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
    assert_eq!(questions.len(), rules.matches("- alert: ").count());
    // What a scraper adds.
    let mut labels = BTreeSet::from(["instance".to_owned()]);
    for question in questions.iter().filter(|question| **question != "up{job=\"watchd\"} == 0") {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut words = question.split(|c| !is_name(c));
        let name = words.find(|word| word.starts_with("watchd_")).expect(question);
        let sample = samples.keys().find(|key| key.split('{').next() == Some(name));
        let sample = sample.unwrap_or_else(|| panic!("no sample of {name}: {question}"));
        labels.extend(labels_of(&sample[name.len()..]));
    }
    for part in rules.split("$labels.").skip(1) {
        let label = part.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap();
        assert!(labels.contains(label), "no metric that is asked for has the label {label}");
    }
    assert!(labels.contains("class"), "which one question sums over");
    watchd.stop();
}

#[test]
fn the_metrics_are_openmetrics_and_count_what_happened() {
    let site = Site::new();
    let (watchd, page) = worked(&site);
    let (families, samples) = parse(&page);
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
