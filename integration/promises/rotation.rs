//! P1 and P10: a URL file is replaced while requests to the old URL are under way. Their answers are about the
//! old URL.

use std::fs;

use crate::harness::{
    Config, Front, Receiver, Reply, Request, Site, Watchd, clock, disk, http::Gate, log::said,
};

const OLD: &str = "/CANARY-of-the-old-url";

/// One request or more is under way to a URL that is no longer the endpoint's.
struct Rotated {
    site: Site,
    watchd: Watchd,
    /// Opens, and the receiver at the old URL answers.
    gate: Gate,
    new: Receiver,
    old: Receiver,
}

impl Rotated {
    /// The receiver at the old URL will give this answer.
    fn before(answer: &'static str) -> Self {
        let (gate, new, site) = (Gate::default(), Receiver::up(), Site::new());
        let held = gate.clone();
        let reply = move |_: &Request| Reply::HeldRaw(held.clone(), answer.into());
        let old = Receiver::scripted(reply);
        let file = site.path("url");
        fs::write(&file, old.url_of(OLD)).unwrap();
        let config = by_file(&site).endpoint("url_file", file.to_str().unwrap());
        let watchd = config.ready();
        disk::create(&site.root(), "first.dat");
        old.wait_for_requests(1);
        fs::write(&file, new.url()).unwrap();
        watchd.signal("HUP");
        let mut count = 0;
        clock::wait_until("a request goes to the new URL", || {
            count += 1;
            disk::create(&site.root(), format!("{count}.dat"));
            new.read(|record| record.accepted > 0)
        });
        Self { site, watchd, gate, new, old }
    }
}

fn by_file(site: &Site) -> Config {
    let config = site.config("unused").without("endpoint.crm", "url");
    // Whatever the old receiver holds, there is room for the request that goes to the new one.
    config.endpoint("concurrency", 256).set("http", "listen", "127.0.0.1:0").log_filter("debug")
}

#[test]
fn p10_what_a_receiver_says_of_a_url_that_was_replaced_meanwhile_shows_nothing_of_it() {
    let rotated = Rotated::before(
        "HTTP/1.1 500 No\r\nContent-Length: 39\r\n\r\nCannot POST /CANARY-of-the-old-url at all",
    );
    rotated.gate.open();
    let line = rotated.watchd.wait_for_log("the answer is told", |line| {
        line.raw.contains("Cannot POST") && line.says_of("not delivered", "first.dat")
    });
    assert!(line.raw.contains("[...]"), "{}", line.raw);
    rotated.new.wait_for_file("first.dat");
    let front = Front::of(&rotated.watchd);
    for path in ["/", "/status", "/metrics"] {
        let shown = front.get(path).body;
        assert!(!String::from_utf8_lossy(&shown).contains("CANARY"), "{path}");
    }
    for line in rotated.watchd.lines() {
        assert!(!line.raw.contains("CANARY"), "{}", line.raw);
    }
    rotated.watchd.stop();
    for path in rotated.site.state_files() {
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(6).any(|six| six == b"CANARY"), "{}", path.display());
    }
}

#[test]
fn p1_a_url_that_is_gone_parks_no_endpoint_that_has_another_by_now() {
    let rotated = Rotated::before("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n");
    rotated.gate.open();
    let first = rotated.new.wait_for_file("first.dat");
    assert_eq!(first.attempt(), 1, "nothing was charged for what the old URL said");
    let last = disk::create(&rotated.site.root(), "last.dat");
    rotated.new.wait_for_paths(&[last]);
    assert_eq!(rotated.watchd.count("endpoint parked"), 0);
    assert_eq!(rotated.watchd.count(said::RETRY), 0);
    assert!(rotated.old.read(|record| !record.requests.is_empty()));
    rotated.watchd.stop();
}
