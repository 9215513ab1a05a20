//! What an operator does on the command line, while the daemon runs and while it does not.

use std::{
    io::{Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
};

use serde_json::Value;

use super::quiet_periods_pass;
use crate::harness::{
    Config, PATIENCE, Receiver, Reply, Site, clock, disk, helpers::have, http::Request, log::said,
    skipped, watchd::finish,
};

#[test]
fn a_dead_letter_is_shown_with_its_body_and_with_what_the_receiver_said_at_each_attempt() {
    let (receiver, site) = (Receiver::scripted(refuse), Site::new());
    let config = site.config(&receiver.url_of("/hook/T0KENT0KEN")).endpoint("attempts", 3);
    let watchd = config.ready();
    disk::create(&site.root(), "doomed.dat");
    watchd.wait_for("given up");
    let id = receiver.read(|record| record.requests[0].id().to_owned());
    let shown = show(&config, &id);
    let sent = receiver.read(|record| record.requests[0].json.clone());
    assert_eq!(shown["body"], sent, "byte for byte what was sent");
    let delivery = &shown["deliveries"][0];
    assert_eq!((&delivery["endpoint"], &delivery["state"]), (&"crm".into(), &"dead".into()));
    let log = delivery["log"].as_array().unwrap();
    let answers: Vec<_> = log.iter().map(|a| a["answer"].as_str().unwrap()).collect();
    assert_eq!(answers.len(), 3, "{log:?}");
    for (number, answer) in answers.iter().enumerate() {
        assert!(answer.starts_with(&format!("attempt {}\\nno such hook", number + 1)), "{answer}");
        assert!(answer.len() > 900 && answer.len() <= 1024, "the first 1 KiB: {}", answer.len());
    }
    assert!(!shown.to_string().contains("T0KEN"), "{shown}");
    let text = finish(config.command(&["events", "show", &id])).stdout;
    assert!(text.contains("HTTP 503") && text.contains("no such hook: [...]"), "{text}");
    watchd.stop();
    assert_eq!(show(&config, &id), shown, "the same with the daemon down");
}

/// Says which attempt it was, echoes the path, sends control characters and more than is kept.
fn refuse(request: &Request) -> Reply {
    let (attempt, target) = (request.attempt(), request.line.split(' ').nth(1).unwrap());
    let body = format!("attempt {attempt}\nno such hook: {target}\n{}", "x".repeat(3000));
    let head = format!("HTTP/1.1 503 No\r\nContent-Length: {}\r\n\r\n", body.len());
    Reply::Raw(format!("{head}{body}").into_bytes())
}

#[test]
fn what_is_not_there_is_said_and_ends_with_1() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    disk::create(&site.root(), "a.dat");
    let id = receiver.wait_for_file("a.dat").id().to_owned();
    watchd.wait_for("delivered");
    watchd.stop();
    let listed = finish(config.command(&["events", "list"]));
    assert_eq!(listed.status.code(), Some(1), "{}", listed.stdout);
    let shown = finish(config.command(&["events", "show", &id]));
    assert_eq!(shown.status.code(), Some(1));
    assert!(shown.stderr.contains("delivered") && shown.stderr.contains(&id), "{}", shown.stderr);
}

#[test]
fn a_list_is_narrowed_by_state_endpoint_watch_path_and_number() {
    let (receiver, site) = (Receiver::down_at_first(), Site::new());
    let config = site.config(&receiver.url()).add_endpoint("other", &receiver.url());
    let config = config.watch("endpoints", vec!["crm", "other"]);
    let watchd = config.ready();
    disk::create_many(&site.root(), "scan", 3);
    disk::create(&site.root(), "letter.pdf");
    watchd.wait_for_count("committed", 4);
    let count = |args: &[&str]| list(&config, args).len();
    assert_eq!(count(&[]), 8);
    assert_eq!(count(&["--endpoint", "other", "--state", "waiting"]), 4);
    assert_eq!(count(&["--path", "*.pdf"]), 2);
    assert_eq!(count(&["--path", "scan-0000", "--endpoint", "crm"]), 3);
    assert_eq!(count(&["--watch", "inbox", "--since", "1d", "--limit", "5"]), 5);
    for none in [["--watch", "other"], ["--state", "dead"], ["--path", "*.dat.gz"]] {
        assert_eq!(count(&none), 0, "{none:?}");
    }
    watchd.stop();
}

/// `events list --json`; nothing fits exactly when the exit code is 1.
fn list(config: &Config, args: &[&str]) -> Vec<Value> {
    let listed = finish(config.command(&[&["events", "list", "--json"], args].concat()));
    let rows: Vec<_> = listed.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(listed.status.code(), Some(i32::from(rows.is_empty())), "{}", listed.stderr);
    rows
}

fn show(config: &Config, id: &str) -> Value {
    let shown = finish(config.command(&["events", "show", "--json", id]));
    assert_eq!(shown.status.code(), Some(0), "{}", shown.stderr);
    serde_json::from_str(&shown.stdout).unwrap()
}

#[test]
fn p3_a_dead_letter_that_is_sent_again_is_delivered_under_its_old_id() {
    let (receiver, site) = (Receiver::scripted(|_| Reply::Status(422)), Site::new());
    let config = site.config(&receiver.url()).endpoint("attempts", 1);
    let watchd = config.ready();
    disk::create(&site.root(), "again.dat");
    watchd.wait_for("given up");
    let id = receiver.read(|record| record.requests[0].id().to_owned());
    let body = receiver.read(|record| record.requests[0].body.clone());
    receiver.script(|_| Reply::Status(200));
    let done = finish(config.command(&["events", "retry", "--json", &id]));
    assert_eq!(done.status.code(), Some(0), "{}", done.stderr);
    let treated: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&treated["outcome"], &treated["state"]), (&"done".into(), &"dead".into()));
    let request = receiver.wait_for_file("again.dat");
    assert_eq!((request.id(), request.attempt(), &request.body), (id.as_str(), 1, &body));
    watchd.wait_for(said::DELIVERED);
    watchd.stop();
    assert!(list(&config, &[]).is_empty());
}

#[test]
fn what_is_discarded_is_not_sent_when_the_receiver_is_back() {
    let (receiver, site) = (Receiver::down_at_first(), Site::new());
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    disk::create(&site.root(), "kept.dat");
    disk::create_many(&site.root(), "spam", 20);
    watchd.wait_for_count(said::COMMITTED, 21);
    let done = finish(config.command(&["events", "discard", "--all", "--path", "spam-*"]));
    assert_eq!(done.status.code(), Some(0), "{}", done.stderr);
    assert!(done.stdout.ends_with("20 discarded\n"), "{}", done.stdout);
    assert_eq!(list(&config, &[]).len(), 1);
    receiver.come_up();
    receiver.wait_for_file("kept.dat");
    quiet_periods_pass(&site, &receiver, 2);
    let spam = receiver.read(|record| {
        record
            .requests
            .iter()
            .filter(|request| request.path.windows(4).any(|w| w == b"spam"))
            .count()
    });
    assert_eq!(spam, 0);
    watchd.stop();
    let none = finish(config.command(&["events", "discard", "--all", "--path", "spam-*"]));
    assert_eq!(none.status.code(), Some(1));
    assert!(none.stderr.contains("the daemon has to run for this"), "{}", none.stderr);
}

#[test]
fn an_endpoint_that_was_parked_is_delivered_to_again_when_it_is_resumed() {
    let (receiver, site) = (Receiver::scripted(|_| Reply::Status(410)), Site::new());
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    disk::create(&site.root(), "first.dat");
    watchd.wait_for("endpoint parked");
    clock::wait_until("the journal knows that it is parked", || {
        !list(&config, &["--state", "parked"]).is_empty()
    });
    let retried = finish(config.command(&["events", "retry", "--all", "--endpoint", "crm"]));
    assert_eq!(retried.status.code(), Some(1));
    assert!(retried.stdout.contains("endpoint resume"), "{}", retried.stdout);
    receiver.script(|_| Reply::Status(200));
    let resumed = finish(config.command(&["endpoint", "resume", "crm"]));
    assert_eq!(resumed.status.code(), Some(0), "{}", resumed.stderr);
    receiver.wait_for_paths(&[site.root().join("first.dat")]);
    let again = finish(config.command(&["endpoint", "resume", "crm"]));
    assert_eq!(again.status.code(), Some(1), "it is not parked any more");
    let unknown = finish(config.command(&["endpoint", "resume", "none"]));
    assert!(unknown.stderr.contains("no endpoint of this name"), "{}", unknown.stderr);
    watchd.stop();
}

#[test]
fn status_says_what_is_waited_for_and_why_and_when_the_daemon_is_down_what_its_journal_holds() {
    let (receiver, site) = (Receiver::down_at_first(), Site::new());
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    let open = std::fs::File::create(site.root().join("half.dat")).unwrap();
    disk::create(&site.root(), "waits.dat");
    watchd.wait_for(said::COMMITTED);
    let expected =
        if disk::tells_writers(&site.root()) { "open for writing since" } else { "half.dat" };
    clock::wait_until("status says what is waited for", || {
        let status = finish(config.command(&["status"]));
        assert_eq!(status.status.code(), Some(0), "{}", status.stderr);
        let said = &status.stdout;
        said.contains(expected) && said.contains("1 waiting") && said.contains("connection refused")
    });
    let json = finish(config.command(&["status", "--json"])).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["endpoints"][0]["name"], "crm");
    drop(open);
    watchd.wait_for_count(said::COMMITTED, 2);
    watchd.stop();
    let down = finish(config.command(&["status"]));
    assert_eq!(down.status.code(), Some(1));
    assert!(down.stdout.contains("the daemon is not running"), "{}", down.stdout);
    assert!(down.stdout.contains("crm  2 waiting, 0 dead, 0 parked"), "{}", down.stdout);
}

#[test]
fn the_socket_of_a_daemon_that_was_killed_is_replaced() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    let mut watchd = config.ready();
    let socket = std::fs::read_link(site.state_dir().join("control.sock")).unwrap();
    assert!(status_of(&config).is_some());
    watchd.kill9();
    assert!(socket.exists(), "it stays behind");
    assert_eq!(status_of(&config), None);
    let watchd = config.ready();
    clock::wait_until("the next daemon answers", || status_of(&config).is_some());
    watchd.stop();
    assert!(!socket.exists(), "a clean stop takes it away");
}

#[test]
fn another_user_is_refused_even_where_the_modes_would_let_them_in() {
    if !disk::is_root() || !have("setpriv") {
        return skipped("this needs root and setpriv");
    }
    let (receiver, site) = (Receiver::up(), Site::new());
    let config =
        site.config(&receiver.url()).set("control", "socket", in_home(&site, "run/c.sock"));
    let watchd = config.ready();
    clock::wait_until("it answers root", || status_of(&config).is_some());
    let refused = ask_as_nobody(&site, &config);
    assert!(refused.stderr.contains("refuses this user"), "{}", refused.stderr);
    site.open_to_all();
    let open = |path: &str, mode| {
        std::fs::set_permissions(site.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open("run", 0o777);
    open("run/c.sock", 0o777);
    let refused = ask_as_nobody(&site, &config);
    assert!(refused.stderr.contains("does not answer"), "{}", refused.stderr);
    assert!(status_of(&config).is_some());
    watchd.stop();
}

fn in_home(site: &Site, name: &str) -> String {
    site.path(name).to_str().unwrap().to_owned()
}

/// `watchd status` with the configuration of root's daemon.
fn ask_as_nobody(site: &Site, config: &Config) -> crate::harness::watchd::Finished {
    drop(config.command(&[]));
    let open = |name: &str, mode| {
        let path = if name.is_empty() { site.home().to_path_buf() } else { site.path(name) };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open("", 0o755);
    open("watchd.toml", 0o644);
    let mut command = crate::harness::watchd::command_of("setpriv", site.home());
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    command.arg(env!("CARGO_BIN_EXE_watchd")).args(["status", "--config"]);
    command.arg(site.path("watchd.toml"));
    let refused = finish(command);
    assert_eq!(refused.status.code(), Some(1), "{}{}", refused.stdout, refused.stderr);
    refused
}

#[test]
fn p11_nonsense_on_the_control_socket_gets_an_answer_or_an_end_and_harms_nobody() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    clock::wait_until("it answers", || status_of(&config).is_some());
    let socket = std::fs::read_link(site.state_dir().join("control.sock")).unwrap();
    let answer = |request: &[u8]| {
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // It may have been cut off already.
        drop(stream.write_all(request));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
    };
    let post = |path: &str, body: &str| {
        let length = body.len();
        format!("POST {path} HTTP/1.1\r\nHost: w\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
            .into_bytes()
    };
    let everything = r#"{"filter":{}}"#;
    let table = [
        (post("/events/discard", everything), "400"),
        (post("/events/discard", "{"), "400"),
        (post("/events/discard", r#"{"filter":{"path":"["}}"#), "400"),
        (post("/events/retry", r#"{"filter":{"ids":["evt_1"]}}"#), "400"),
        (post("/events/retry", r#"{"filter":{"idz":[]}}"#), "400"),
        (post("/events/list", &format!("\"{}\"", "x".repeat(1 << 20))), "413"),
        (post("/endpoints/..%2f/resume", ""), "404"),
        (post("/nothing", ""), "404"),
        (b"DELETE /events/list HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n".to_vec(), "405"),
        (b"\x00\xff\r\n\r\n".to_vec(), "400"),
        (format!("GET /{}", "x".repeat(100_000)).into_bytes(), "4"),
    ];
    for (request, expected) in table {
        let line = answer(&request);
        let shown = String::from_utf8_lossy(&request).chars().take(80).collect::<String>();
        let code = line.split(' ').nth(1).unwrap_or_default();
        assert!(code.starts_with(expected), "{shown}: {line}");
    }
    assert!(status_of(&config).is_some());
    disk::create(&site.root(), "a.dat");
    receiver.wait_for_file("a.dat");
    watchd.stop();
}

#[test]
fn the_binary_brings_its_completions_and_its_manual() {
    let site = Site::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = finish(site.watchd(&["completions", shell]));
        assert_eq!(script.status.code(), Some(0), "{}", script.stderr);
        assert!(script.stdout.contains("watchd") && script.stdout.contains("retry"), "{shell}");
    }
    let pages = finish(site.watchd(&["man", "--out", "man"]));
    assert_eq!(pages.status.code(), Some(0), "{}", pages.stderr);
    for page in ["watchd.1", "watchd-events.1", "watchd-events-retry.1"] {
        let page = std::fs::read_to_string(site.path("man").join(page)).unwrap();
        assert!(page.contains(".TH"), "{page}");
    }
}

/// The status document; `None` when the daemon is not running.
fn status_of(config: &Config) -> Option<Value> {
    let status = finish(config.command(&["status", "--json"]));
    let json: Value = serde_json::from_str(&status.stdout).ok()?;
    json.get("pid").is_some().then_some(json)
}
