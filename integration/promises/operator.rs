//! What an operator does on the command line, while the daemon runs and while it does not.

use serde_json::Value;

use crate::harness::{Config, Receiver, Reply, Site, disk, http::Request, watchd::finish};

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
