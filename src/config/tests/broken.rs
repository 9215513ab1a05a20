//! What is refused, and how it is said.

use proptest::prelude::*;

use super::*;

/// Lines below the table that is open at the end of [`GOOD`] or its first one, and what is said of them.
const BROKEN: &[(&str, &str, &str)] = &[
    ("watch", "path2 = 1", "`watch.scans.path2`: unknown key"),
    ("watch", "quiet = \"49ms\"", "`watch.scans.quiet`: too short: at least 50ms is needed"),
    ("watch", "quiet = \"2\"", "`watch.scans.quiet`: the duration `2` has no unit"),
    ("watch", "quiet = 2.5", "`watch.scans.quiet`: this is the number `2.5`"),
    ("watch", "quiet = 2024-01-01", "`watch.scans.quiet`: this is a table or a date"),
    ("watch", "min_size = \"1M\"", "`watch.scans.min_size`: `M` is not a unit of size"),
    ("watch", "min_size = \"2B\"\nmax_size = \"1B\"", "`watch.scans.max_size`: the size limits"),
    ("watch", "max_depth = -1", "`watch.scans.max_depth`: this is the number `-1`"),
    ("watch", "max_depth = 5000", "`watch.scans.max_depth`: 5000 is out of range"),
    ("watch", "initial = 1", "`watch.scans.initial`: this is the number `1`"),
    ("watch", "initial = \"none\"", "`watch.scans.initial`: `none` is not one of its words"),
    ("watch", "include = \"*.pdf\"", "`watch.scans.include`: this is a text in quotes"),
    ("watch", "include = [\"[\"]", "`watch.scans.include`: bad glob pattern"),
    ("watch", "exclude = [\"/\"]", "`watch.scans.exclude`: bad glob pattern"),
    ("watch", "endpoints = []", "`watch.scans.endpoints`: the list is empty"),
    ("watch", "endpoints = [\"x\"]", "`watch.scans.endpoints`: no endpoint of the name `x`"),
    ("watch", "endpoints = [\"crm\", \"crm\"]", "`watch.scans.endpoints`: named twice: `crm`"),
    ("watch", "done_marker = \"done\"", "`watch.scans.done_marker`: the marker must contain"),
    ("watch", "done_marker = \"{name}\"", "`watch.scans.done_marker`: the marker must differ"),
    (
        "watch",
        "done_marker = \"{name}{name}\"",
        "`watch.scans.done_marker`: the marker must contain",
    ),
    ("watch", "done_marker = \"m/{name}\"", "`watch.scans.done_marker`: a marker lies beside"),
    ("watch", "follow_symlinks = true", "`watch.scans.follow_symlinks`: not available"),
    ("endpoint", "concurrency = 0", "`endpoint.crm.concurrency`: 0 is out of range"),
    ("endpoint", "concurrency = 257", "`endpoint.crm.concurrency`: 257 is out of range"),
    ("endpoint", "attempts = 0", "`endpoint.crm.attempts`: 0 is out of range"),
    ("endpoint", "timeout = \"0s\"", "`endpoint.crm.timeout`: too short"),
    ("endpoint", "retry_delays = []", "`endpoint.crm.retry_delays`: the list is empty"),
    ("endpoint", "retry_delays = [\"1s\", \"x\"]", "`endpoint.crm.retry_delays`: not a duration"),
    ("endpoint", "url_file = \"u\"", "`endpoint.crm.url`: both a URL and a file"),
    ("endpoint", "secret_files = [\"whsk_a\"]", "`endpoint.crm.secret_files`: this is a secret"),
    ("endpoint", "headers = { a = \"b\", A = \"c\" }", "`endpoint.crm.headers`: named twice: `a`"),
    ("endpoint", "headers = { \"a b\" = \"c\" }", "headers.a b`: this is no name of a header"),
    ("endpoint", "headers = { Host = \"c\" }", "headers.Host`: this header is watchd's own"),
    ("endpoint", "headers = { a = \"c\\u0007\" }", "headers.a`: the value has a control character"),
    ("endpoint", "headers = { a = \"\" }", "headers.a`: the value is empty"),
    ("endpoint", "headers = { a = 5 }", "headers.a`: this is something else, and must be a text"),
    (
        "endpoint",
        "headers = { a = \"b\" }\nheader_files = { A = \"c\" }",
        "`endpoint.crm.header_files.A`: this header has a value and a file",
    ),
    ("endpoint", "header_files = { webhook-id = \"f\" }", "webhook-id`: this header is watchd's"),
    ("endpoint", "header_files = { a = \"\" }", "header_files.a`: no file can have this name"),
    ("endpoint", "rate_limit = \"50\"", "`endpoint.crm.rate_limit`: the rate has no `/`"),
    ("endpoint", "rate_limit = \"50/x\"", "`endpoint.crm.rate_limit`: `x` is not a unit of time"),
    ("endpoint", "rate_limit = \"0/s\"", "`endpoint.crm.rate_limit`: not a whole number from 1"),
    ("endpoint", "client_cert_file = \"c\"", "client_cert_file`: `client_key_file` is missing"),
    ("endpoint", "client_key_file = \"c\"", "client_key_file`: `client_cert_file` is missing"),
    ("endpoint", "proxy = \"socks5://p\"", "`endpoint.crm.proxy`: a proxy is spoken to by http"),
    ("endpoint", "proxy = \"http://p/x\"", "`endpoint.crm.proxy`: a proxy has a host and a port"),
    ("endpoint", "allow = [\"10.0.0.0/8\", \"x\"]", "`endpoint.crm.allow`: this is no network"),
    ("endpoint", "allow = [\"10.0.0.1/8\"]", "`endpoint.crm.allow`: bits are set behind"),
    ("endpoint", "allow = [\"10.0.0.1\"]", "`endpoint.crm.allow`: this is no network"),
    ("endpoint", "success_statuses = [99]", "`endpoint.crm.success_statuses`: 99 is out of range"),
    ("endpoint", "retry_statuses = [1000]", "`endpoint.crm.retry_statuses`: 1000 is out of range"),
    ("endpoint", "retry_statuses = [404, 404]", "retry_statuses`: named twice: `404`"),
    (
        "endpoint",
        "success_statuses = [302]\npermanent_statuses = [302]",
        "`endpoint.crm.permanent_statuses`: 302 is in two of the lists",
    ),
    (
        "endpoint",
        "secret_files = [\"\"]",
        "`endpoint.crm.secret_files`: no file can have this name",
    ),
    ("endpoint", "[endpoint.CRM]\nurl = \"http://a\"", "`endpoint.CRM`: bad name"),
    ("endpoint", "[endpoint.b]", "`endpoint.b`: neither a URL nor a file"),
    ("endpoint", "[watch.b]", "`watch.b.path`: missing"),
    ("endpoint", "[watch.b]\npath = \"in\"", "`watch.b.path`: the path is relative"),
    ("endpoint", "[watch.b]\npath = \"/a/../b\"", "`watch.b.path`: the path has a `..`"),
    ("endpoint", "[watch.b]\npath = \"/srv/incoming//./\"", "is watched twice"),
    ("endpoint", "[watch.b]\npath = \"/srv\"", "`watch.scans.path`: this directory lies in that"),
    ("endpoint", "[watch.b]\npath = \"/srv/incoming/b\"", "`watch.b.path`: this directory lies in"),
    ("endpoint", "[state]\ndir = \"s\"", "`state.dir`: the path is relative"),
    ("endpoint", "[state]\noutbox_max_size = \"1B\"", "`state.outbox_max_size`: 1 is out of range"),
    ("endpoint", "[state]\noutbox_max_events = 0", "`state.outbox_max_events`: 0 is out of range"),
    ("endpoint", "[http]\nlisten = \"localhost:1\"", "`http.listen`: neither an address"),
    ("endpoint", "[http]\nlisten = \"unix:run/s\"", "`http.listen`: the path is relative"),
    ("endpoint", "[log]\nlevel = \"a=b=c\"", "`log.level`: not a log filter"),
    ("endpoint", "[log]\nformat = \"xml\"", "`log.format`: `xml` is not one of its words"),
    (
        "endpoint",
        "[self_check]\ninterval = \"1\"",
        "`self_check.interval`: the duration `1` has no",
    ),
    ("endpoint", "[self_check]\nfailures = 0", "`self_check.failures`: 0 is out of range"),
    ("endpoint", "[restart]\nmax_age = \"5s\"", "`restart.max_age`: too short: at least 10s"),
    ("endpoint", "[restart]\nmax_age = \"1\"", "`restart.max_age`: the duration `1` has no"),
    ("endpoint", "[shutdown]\ndrain = \"ten\"", "`shutdown.drain`: not a duration"),
    ("top", "instance = \"\"", "`instance`: an instance is 1 to 128"),
    ("top", "instance = \"a b\"", "`instance`: an instance is 1 to 128"),
    ("top", "state = 5", "`state`: this is the number `5`, and must be a table"),
    ("top", "nonsense = 5", "`nonsense`: unknown key"),
    ("top", "\"\\u001b[31m\" = 5", "`\\u{1b}[31m`: unknown key"),
];

fn with(table: &str, lines: &str) -> String {
    match table {
        "top" => format!("{lines}\n{GOOD}"),
        "watch" => GOOD.replace("[endpoint.crm]", &format!("{lines}\n[endpoint.crm]")),
        _ => format!("{GOOD}{lines}\n"),
    }
}

#[test]
fn each_mistake_is_named_once_at_its_line_and_with_advice() {
    for (table, lines, expected) in BROKEN {
        // Two endpoints would ask every watch which one it means.
        let (_dir, sources) = file(&with(table, lines).replace(
            "path = \"/srv/incoming\"\n",
            if lines.contains("endpoints") {
                "path = \"/srv/incoming\"\n"
            } else {
                "path = \"/srv/incoming\"\nendpoints = [\"crm\"]\n"
            },
        ));
        let problems = bad(&sources);
        let about = said(&problems);
        assert!(about.iter().any(|line| line.contains(expected)), "{lines}: {about:?}");
        assert!(about.len() <= 2, "{lines}: {about:?}");
        let text = problems.to_string();
        assert!(text.contains("watchd.toml:"), "no line in {text}");
        assert!(problems.iter().all(|problem| !problem.advice().is_empty()), "{text}");
        assert!(!text.contains('\u{1b}'), "a terminal escape in {text:?}");
    }
}

#[test]
fn what_this_version_cannot_do_is_refused_and_its_default_is_not() {
    let (_dir, sources) = file(&with("watch", "follow_symlinks = false"));
    assert!(load(&sources).is_ok());
    let (_dir, sources) = file(&with("watch", "follow_symlinks = true"));
    let about = said(&bad(&sources));
    assert_eq!(about.len(), 1, "{about:?}");
    assert!(about[0].contains("not available in watchd"), "{about:?}");
    assert!(about[0].contains("follow_symlinks"), "{about:?}");
}

#[test]
fn nothing_but_the_file_hides_a_line_that_holds_a_secret() {
    for line in [
        "url = \"ftp://example.net/canary?canary\"",
        "url = \"https://canary:canary@example.net\"",
        "url = 'example.net/canary'",
        "url = \"\"\"\nftp://example.net/canary\n\"\"\"",
        "ulr = \"https://example.net/\"\nurl = \"nonsense canary\"",
        "\"url\" = \"ftp://e/ca\\\"canary\"",
        "url = https://example.net/canary",
        "url = \"https://example.net/canary",
        "url = 5\nheaders = { Authorization = \"canary\" }",
        "url = 5\nproxy = \"http://canary@p\"",
        "url = 5\nheaders = { path = \"canary\", timeout = [\"canary\"], b = { c = \"canary\" } }",
        "headers.level = \"canary\"\nurl = 5",
        "url = \"http://h\"\n[endpoint.crm.headers]\ndir = \"\"\"\ncanary\nx\"\"\"",
        "url = 5\nsecret = \"whsec_canary\"",
        "url = 5\nsecret_files = [\"whsec_canary\"]",
        "url = 5\nsecret_files = \"whsec_canary\"",
        "url = 5\nurl_file = \"https://example.net/canary\"",
        "url = 5 # was https://example.net/canary",
    ] {
        let (_dir, sources) = file(&GOOD.replace("url = \"https://example.net/hook\"", line));
        let text = bad(&sources).to_string();
        assert!(text.contains("watchd.toml:"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn no_name_of_the_file_reaches_the_terminal_raw() {
    let evil = "\"\\u001b[31m\\n\"";
    for text in [
        format!(
            "[endpoint.{evil}]\nurl = \"http://a\"\n[endpoint.b]\nurl = \"http://b\"\n[watch.{evil}]"
        ),
        format!("{GOOD}[watch.{evil}]\npath = \"/srv/incoming\"\nendpoints = [{evil}]\n"),
        format!("{evil} = 1\n{evil} = 1\n"),
        format!("{GOOD}[watch.b]\npath = {evil}\ninitial = {evil}\n"),
        format!("{GOOD}[log]\nlevel = {evil}\n# \u{1b}[31m"),
        format!("{GOOD}[log]\nformat = \"\u{9b}31m\""),
        "a = \"\u{9b}31m\"~".to_owned(),
    ] {
        let (_dir, sources) = file(&text);
        let said = bad(&sources).to_string();
        assert!(!said.contains(['\u{1b}', '\u{9b}']), "{said:?}");
    }
}

#[test]
fn a_hundred_mistakes_are_enough() {
    let lines: Vec<String> = (0..500).map(|n| format!("x{n} = 1")).collect();
    let lines = lines.join("\n");
    let (_dir, sources) = file(&format!("{lines}\n{GOOD}"));
    assert_eq!(bad(&sources).iter().count(), 100);
}

#[test]
fn files_that_are_none() {
    let (dir, mut sources) = file(GOOD);
    fs::write(sources.config.as_ref().unwrap(), b"a = \"\xff\"").unwrap();
    assert!(said(&bad(&sources))[0].contains("not UTF-8 text: see byte 5"));
    fs::write(sources.config.as_ref().unwrap(), "#".repeat(2 << 20)).unwrap();
    assert!(said(&bad(&sources))[0].contains("larger than 1024 KiB"));
    sources.config = Some(dir.path().to_owned());
    assert!(said(&bad(&sources))[0].contains("cannot be read"));
    sources.config = Some(dir.path().join("absent"));
    assert!(said(&bad(&sources))[0].contains("cannot be read"));
}

/// Lines that are nearly right, so that the checks behind the parser are reached.
fn nearly() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "path",
        "endpoints",
        "quiet",
        "include",
        "url",
        "url_file",
        "secret_files",
        "retry_delays",
        "headers",
        "max_size",
        "level",
        "dir",
        "watch",
        "[watch.scans]",
        "[endpoint.crm]",
        "[[watch]]",
        "[watch.\"\"]",
        "[state]",
        "[log]",
        "watch.a.path",
        "\"\\u0000\"",
        "attempts",
    ]);
    let value = prop_oneof![
        Just("\"none\"".to_owned()),
        Just("[\"crm\", 5, \"[\"]".to_owned()),
        Just("{ a = 1, b = {} }".to_owned()),
        Just("1979-05-27T07:32:00Z".to_owned()),
        Just("-9223372036854775808".to_owned()),
        Just("nan".to_owned()),
        "\"[ -~]{0,12}\"",
        "\"\\PC{0,8}\"",
        any::<i64>().prop_map(|n| n.to_string()),
    ];
    prop::collection::vec((key, value), 0..12).prop_map(|pairs| {
        let line = |(key, value): (&str, String)| {
            if key.starts_with('[') { key.to_owned() } else { format!("{key} = {value}") }
        };
        pairs.into_iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_file_panics(text in prop_oneof![any::<String>(), "[ -~\\n]{0,200}", nearly()]) {
        let (_dir, sources) = file(&text);
        match inspect(&sources) {
            Ok(loaded) => prop_assert!(!loaded.to_toml().is_empty()),
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                prop_assert!(!problems.render(true).is_empty());
                prop_assert!(!problems.render(false).contains('\x1b'));
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (_dir, sources) = file("");
        fs::write(sources.config.as_ref().unwrap(), bytes).unwrap();
        prop_assert!(load(&sources).is_err());
    }

    #[test]
    fn no_variable_panics(name in "[A-Z_]{0,20}", value in any::<String>()) {
        let (_dir, mut sources) = file(GOOD);
        sources.env.push((format!("WATCHD_{name}").into(), value.clone().into()));
        sources.env.push(("WATCHD_WATCH__SCANS__INCLUDE".into(), value.clone().into()));
        sources.env.push(("WATCHD_ENDPOINT__CRM__CONCURRENCY".into(), value.into()));
        if let Err(problems) = load(&sources) {
            prop_assert!(!problems.render(false).is_empty());
        }
    }
}
