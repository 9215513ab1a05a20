//! `watchd endpoint test`: one signed event about nothing, every step of its way, and nothing else touched.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    thread,
};

use serde_json::Value;

use super::quiet_periods_pass;
use crate::harness::{
    Config, Receiver, Reply, Site, disk,
    hostile::{Authority, Hostile},
    log::said,
    signature,
    site::SECRET,
    watchd::{Finished, finish},
};

const TOKEN: &str = "T0KENT0KEN";

fn test(config: &Config, args: &[&str]) -> Finished {
    finish(config.command(&[&["endpoint", "test", "crm"], args].concat()))
}

/// What `--json` says; accepted exactly when the exit code is 0, and no secret in any of it.
fn tested(config: &Config) -> Value {
    let tested = test(config, &["--json"]);
    let report: Value = serde_json::from_str(&tested.stdout).expect(&tested.stderr);
    let code = i32::from(!report["accepted"].as_bool().unwrap());
    assert_eq!(tested.status.code(), Some(code), "{}", tested.stdout);
    let all = format!("{}{}{}", tested.stdout, tested.stderr, test(config, &[]).stdout);
    for secret in [TOKEN, SECRET, &SECRET[6..]] {
        assert!(!all.contains(secret), "{all}");
    }
    report
}

fn steps(report: &Value) -> Vec<&str> {
    let steps = report["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["ms"].as_f64().is_some_and(|ms| ms >= 0.0)), "{steps:?}");
    steps.iter().map(|step| step["step"].as_str().unwrap()).collect()
}

/// Which step failed, the class of it, and what is said about it.
fn failure(config: &Config) -> (String, String, String) {
    let report = tested(config);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let failure = &report["failure"];
    let said = format!("{} {}", text(&failure["reason"]), text(&failure["advice"]));
    (text(&failure["step"]), text(&report["class"]), said)
}

#[test]
fn a_test_sends_one_signed_event_as_a_delivery_does_whether_the_daemon_runs_or_not() {
    let (receiver, site) = (Receiver::up(), Site::new());
    fs::write(site.path("token"), "Bearer abcdefgh\n").unwrap();
    let config = site.config(&receiver.url_of(&format!("/hook/{TOKEN}"))).set(
        "endpoint.crm.header_files",
        "authorization",
        site.path("token").to_str().unwrap(),
    );
    let pinged = |config: &Config| {
        let before = receiver.read(|record| record.requests.len());
        let report: Value = serde_json::from_str(&test(config, &["--json"]).stdout).unwrap();
        assert_eq!(steps(&report), ["files", "connected", "answered"], "{report}");
        assert_eq!((&report["accepted"], &report["status"]), (&true.into(), &200.into()));
        let requests = receiver.read(|record| record.requests[before..].to_vec());
        assert_eq!(requests.len(), 1, "one request");
        assert_eq!(report["event"].as_str(), Some(requests[0].id()));
        requests[0].clone()
    };
    let sent = pinged(&config);
    assert_eq!(sent.json["type"], "watchd.ping");
    assert_eq!(sent.json["data"]["endpoint"], "crm");
    assert_eq!(sent.json["data"]["id"].as_str(), Some(sent.id()));
    assert_eq!(sent.attempt(), 1);
    assert_eq!(sent.header("authorization"), Some("Bearer abcdefgh"));
    let at = sent.header("webhook-timestamp").unwrap();
    let signature = signature::v1(SECRET, sent.id(), at, &sent.body);
    assert_eq!(sent.header("webhook-signature"), Some(signature.as_str()));
    assert!(!site.state_dir().exists(), "no journal is made for it");

    let watchd = config.ready();
    let again = pinged(&config);
    assert_ne!(again.id(), sent.id(), "a receiver that de-duplicates takes each");
    let landed = disk::create(&site.root(), "a.dat");
    receiver.wait_for_paths(&[landed]);
    let instance = receiver.wait_for_file("a.dat").json["data"]["instance"].clone();
    for data in [&sent.json["data"], &again.json["data"]] {
        assert_eq!(data["instance"], instance, "the same daemon");
    }
    watchd.stop();

    let binary = pinged(&config.endpoint("format", "cloudevents-binary"));
    assert_eq!(binary.header("ce-type"), Some("io.watchd.ping.v1"));
}

#[test]
fn a_test_changes_nothing_of_the_endpoint_and_tells_when_a_parked_one_is_back() {
    let (receiver, site) = (Receiver::scripted(|_| Reply::Status(410)), Site::new());
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    let path = disk::create(&site.root(), "waits.dat");
    watchd.wait_for("endpoint parked");
    let report = tested(&config);
    assert_eq!((&report["class"], &report["status"]), (&"gone".into(), &410.into()));
    receiver.script(|_| Reply::Status(200));
    assert_eq!(tested(&config)["accepted"], true);
    let listed = finish(config.command(&["events", "list", "--json"])).stdout;
    assert_eq!(listed.lines().count(), 1, "the one that waits, and no ping: {listed}");
    let resumed = finish(config.command(&["endpoint", "resume", "crm"]));
    assert_eq!(resumed.status.code(), Some(0), "it was still parked: {}", resumed.stderr);
    receiver.wait_for_paths(&[path]);
    assert_eq!(watchd.count(said::ENDPOINT_FAILING), 0);
    watchd.stop();
}

#[test]
fn each_step_that_fails_is_named_with_a_remedy() {
    let site = Site::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = Hostile::new(crate::harness::hostile::Visit::wait);
    let closing = Hostile::new(|visit| {
        visit.request();
    });
    let plain = Hostile::new(|visit| {
        visit.send("HTTP/1.1 400 Bad Request\r\n\r\n");
        visit.finish();
    });
    let url = |base: &str| format!("{base}/{TOKEN}?key={TOKEN}");
    let of = |base: &str| site.config(&url(base)).endpoint("timeout", "1s");
    let hurried = |base: &str| of(base).endpoint("connect_timeout", "500ms");
    let cases = [
        (of("http://no-such-host.invalid"), "resolve", "", ""),
        (of(&format!("http://{free}")), "connect", "retry", "is the receiver running"),
        (of("http://169.254.169.254"), "connect", "config", "metadata"),
        (of("http://127.0.0.1:1").endpoint("deny_private", true), "connect", "config", "allow"),
        (hurried(&silent.url("https")), "tls", "retry", "nothing speaks TLS"),
        (of(&silent.url("http")), "answer", "retry", "longer than `timeout`"),
        (of(&closing.url("http")), "answer", "retry", "http or https"),
        (of(&plain.url("https")), "tls", "config", "does the receiver speak TLS"),
        (
            of("http://a.example").endpoint("proxy", format!("http://{free}")),
            "connect",
            "config",
            "is `proxy` right",
        ),
    ];
    for (config, step, class, says) in cases {
        let (failed, found, said) = failure(&config);
        assert_eq!(failed, step, "{said}");
        // A machine without a name server has a fault of its own.
        assert!(class.is_empty() || class == found, "{step}: {found}");
        assert!(said.contains(says), "{step}: {said}");
    }
    let config = site.config("http://127.0.0.1:1/");
    let missing = config.clone().endpoint("secret_files", vec!["/nowhere/secret"]);
    let (failed, _, said) = failure(&missing);
    assert_eq!(failed, "files");
    assert!(said.contains("/nowhere/secret") && said.contains("CREDENTIALS_DIRECTORY"), "{said}");
    let other = finish(config.command(&["endpoint", "test", "other"]));
    assert_eq!(other.status.code(), Some(2));
    assert!(other.stderr.contains("there is crm"), "{}", other.stderr);
    let broken = finish(config.endpoint("timeout", "soon").command(&["endpoint", "test", "crm"]));
    assert_eq!(broken.status.code(), Some(78), "{}", broken.stderr);
}

#[test]
fn what_a_receiver_answers_is_judged_as_for_a_delivery_bounded_and_escaped() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url_of(&format!("/{TOKEN}")));
    for (status, class, says) in [
        (401, "config", "compare the signing secret"),
        (403, "config", "compare the signing secret"),
        (307, "config", "set the URL"),
        (404, "config", "the path of the URL"),
        (422, "reject", "has to take every event"),
        (429, "slow", "rate_limit"),
        (503, "retry", "own log"),
    ] {
        receiver.script(move |_| {
            let location = format!("Location: https://elsewhere.example/{TOKEN}\r\n");
            Reply::Headers(status, location)
        });
        let (step, found, said) = failure(&config);
        assert_eq!((step.as_str(), found.as_str()), ("answer", class), "{status}: {said}");
        assert!(said.contains(says) && said.contains(&status.to_string()), "{status}: {said}");
    }
    receiver.script(|_| {
        let body = format!("\u{1b}[31mno\n/{TOKEN} {}", "x".repeat(5000));
        let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT";
        let head = format!("HTTP/1.1 503 No\r\n{date}\r\nContent-Length: {}\r\n\r\n", body.len());
        Reply::Raw(format!("{head}{body}").into_bytes())
    });
    let report = tested(&config);
    let answer = report["answer"].as_str().unwrap();
    assert!(answer.len() <= 1024 && !answer.contains('\u{1b}'), "{answer}");
    assert!(report["clock_offset_s"].as_i64().unwrap() < -900_000_000, "{report}");
    let text = test(&config, &[]).stdout;
    assert!(text.contains("behind ours") && !text.contains('\u{1b}'), "{text}");
    let own = config.endpoint("success_statuses", vec![503]);
    assert_eq!(tested(&own)["accepted"], true, "as the operator says");
}

#[test]
fn tls_is_shown_with_version_and_end_of_the_certificate_and_each_fault_has_its_remedy() {
    let (site, ca, other) = (Site::new(), Authority::new("one"), Authority::new("other"));
    let file = |name: &str, content: &str| {
        fs::write(site.path(name), content).unwrap();
        site.path(name).to_str().unwrap().to_owned()
    };
    let ca_file = file("ca.pem", &ca.pem);
    let (cert, key) = ca.client();
    let good = (2001, 2999);
    let config =
        |server: &Hostile| site.config(&server.url("https")).endpoint("ca_file", ca_file.as_str());
    let server = Hostile::tls(ca.server("127.0.0.1", good));
    let report = tested(&config(&server));
    assert_eq!(steps(&report), ["files", "connected", "secured", "answered"], "{report}");
    let secured = &report["steps"][2];
    assert_eq!(
        (&secured["version"], &secured["certificate_until"]),
        (&"TLSv1_3".into(), &"2999-01-01T00:00:00Z".into())
    );
    assert!(secured["certificate_days"].as_i64().unwrap() > 300_000);

    for (server, says) in [
        (Hostile::tls(ca.server("127.0.0.1", (2001, 2002))), "expired"),
        (Hostile::tls(ca.server("elsewhere.example", good)), "another host name"),
        (Hostile::tls(other.server("127.0.0.1", good)), "ca_file"),
        (Hostile::tls(ca.strict_server()), "client_cert_file"),
    ] {
        let (step, class, said) = failure(&config(&server));
        assert_eq!((step.as_str(), class.as_str()), ("tls", "config"), "{said}");
        assert!(said.contains(says), "{said}");
        assert_eq!(server.tally().requests, 0, "nothing is sent");
    }
    let strict = Hostile::tls(ca.strict_server());
    let shown = config(&strict)
        .endpoint("client_cert_file", file("cert.pem", &cert))
        .endpoint("client_key_file", file("key.pem", &key));
    assert_eq!(tested(&shown)["accepted"], true);

    let through = config(&server).endpoint("proxy", tunnels());
    let report = tested(&through);
    assert_eq!(steps(&report), ["files", "connected", "tunnelled", "secured", "answered"]);
    let refuses = Hostile::new(|visit| {
        visit.head();
        visit.send("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
    });
    let proxy = refuses.url("http").replace("/hook", "");
    let (step, class, said) = failure(&config(&server).endpoint("proxy", proxy));
    assert_eq!((step.as_str(), class.as_str()), ("tunnel", "config"), "{said}");
    assert!(said.contains("CONNECT with 403"), "{said}");
}

/// A proxy that opens every tunnel; its URL.
fn tunnels() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || tunnel(&stream));
        }
    });
    url
}

fn tunnel(near: &TcpStream) {
    use std::io::{BufRead as _, BufReader, Write as _, copy};
    // Its client says no more before the tunnel is open, so nothing else is in the buffer.
    let mut lines = BufReader::new(near).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let Some(target) = first.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next())
    else {
        return;
    };
    while lines.next().is_some_and(|line| !line.is_empty()) {}
    let far = TcpStream::connect(target).unwrap();
    (&*near).write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            drop(copy(&mut &far, &mut &*near));
            drop(near.shutdown(std::net::Shutdown::Write));
        });
        drop(copy(&mut &*near, &mut &far));
        drop(far.shutdown(std::net::Shutdown::Write));
    });
}

#[test]
fn a_test_delays_no_delivery() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    thread::scope(|scope| {
        scope.spawn(|| (0..5).for_each(|_| assert_eq!(tested(&config)["accepted"], true)));
        quiet_periods_pass(&site, &receiver, 2);
    });
    watchd.stop();
}
