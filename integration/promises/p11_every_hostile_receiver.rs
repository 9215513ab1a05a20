//! P11, P8 and P6: one daemon, one file, and an endpoint for each way in which a receiver can misbehave. For
//! each the class, the requests it saw, the time it cost and the bytes it got rid of; for all the memory.
//!
//! `cargo test --test integration every_hostile_receiver -- --nocapture` prints the table.

use std::{fmt::Write, ops::RangeInclusive, time::Duration};

use crate::harness::{
    Receiver, Site, Watchd, disk,
    hostile::{Authority, Hostile, Visit, self_signed},
    log::{Line, said},
};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// `timeout` of each endpoint, and the time after which a verdict has to be there on a busy machine.
const TIMEOUT: &str = "2s";
const VERDICT_MS_MAX: u64 = 30_000;
/// What all of them together may add to the daemon's memory at its worst. A debug build needs some of it
/// for the connections alone.
const GROWTH_KIB_MAX: u64 = 32 * 1024;

struct Row {
    name: &'static str,
    receiver: Hostile,
    scheme: &'static str,
    class: &'static str,
    /// With the one immediate repetition after a lost connection.
    requests: RangeInclusive<usize>,
    taken_max: usize,
    /// Milliseconds that a verdict takes at least: a limit of ours had to end it.
    takes_min: u64,
}

/// What is the same for most: one request, little said, no need to wait.
fn row(
    name: &'static str,
    class: &'static str,
    script: impl Fn(&Visit) + Send + Sync + 'static,
) -> Row {
    let receiver = Hostile::new(script);
    let (requests, taken_max) = (1..=1, 4 * KIB);
    Row { name, receiver, scheme: "http", class, requests, taken_max, takes_min: 0 }
}

/// Every request of it is answered with the same bytes.
fn says(name: &'static str, class: &'static str, answer: impl Into<Vec<u8>>) -> Row {
    let answer = answer.into();
    row(name, class, move |visit| visit.answer(&answer))
}

/// The same, and then the connection ends.
fn says_and_goes(name: &'static str, class: &'static str, answer: impl Into<Vec<u8>>) -> Row {
    let answer = answer.into();
    row(name, class, move |visit| {
        if visit.request() {
            visit.send(&answer);
            visit.finish();
        }
    })
}

impl Row {
    fn twice(self) -> Self {
        Self { requests: 2..=2, ..self }
    }

    fn taken(self, taken_max: usize) -> Self {
        Self { taken_max, ..self }
    }

    fn takes(self, takes_min: u64) -> Self {
        Self { takes_min, ..self }
    }

    fn tls(name: &'static str, config: rustls::ServerConfig) -> Self {
        let receiver = Hostile::tls(config);
        Self { receiver, scheme: "https", requests: 0..=0, ..row(name, "config", |_| {}) }
    }
}

fn lost_connections() -> Vec<Row> {
    vec![
        Row { requests: 0..=0, ..row("closes before it reads", "retry", |_| {}) },
        Row { requests: 0..=0, ..row("resets before it reads", "retry", Visit::reset) },
        row("closes after the head of the request", "retry", |visit| {
            visit.head();
        })
        .twice(),
        row("closes after the request", "retry", |visit| {
            visit.request();
        })
        .twice(),
        says_and_goes("closes within the head of its answer", "retry", "HTTP/1.1 200 OK\r\nX: ")
            .twice(),
        row("never answers", "retry", |visit| {
            visit.request();
            visit.wait();
        })
        .takes(1900),
    ]
}

fn bodies() -> Vec<Row> {
    let half = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 100\r\n\r\npart");
    let endless = |status: &'static str| {
        move |visit: &Visit| {
            if visit.request() && visit.send(format!("HTTP/1.1 {status}\r\n\r\n")) {
                visit.pour(&[b'x'; 8 * KIB], Duration::ZERO);
            }
        }
    };
    let trickled = |status: &'static str| {
        move |visit: &Visit| {
            if visit.request() && visit.send(format!("HTTP/1.1 {status}\r\n\r\n")) {
                visit.pour(b"x", Duration::from_millis(50));
            }
        }
    };
    vec![
        says_and_goes("closes within the body of a 200", "ok", half("200 OK")),
        says_and_goes("closes within the body of a 500", "retry", half("500 No")),
        row("a body without end after 200", "ok", endless("200 OK")).taken(8 * MIB),
        row("a body without end after 500", "retry", endless("500 No")).taken(8 * MIB),
        row("a body that trickles after 200", "ok", trickled("200 OK")),
        row("a body that trickles after 500", "retry", trickled("500 No")).takes(1900),
        says(
            "a body that is longer than it says",
            "ok",
            &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nlonger"[..],
        ),
        says(
            "a Content-Length that is no number",
            "retry",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        ),
        says(
            "two Content-Lengths",
            "retry",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        ),
        says("a gzip bomb after 200", "ok", bomb("200 OK")).taken(16 * KIB),
        says("a gzip bomb after 500", "retry", bomb("500 No")).taken(16 * KIB),
        row("an early 413, then gone", "reject", |visit| {
            visit.head();
            visit.send("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        }),
    ]
}

/// What `gzip -9` makes of 8 MiB of zeros: whoever inflates it has a thousand times as much.
fn bomb(status: &str) -> Vec<u8> {
    const LEN: usize = 8175;
    const BEGINS: &[u8] =
        b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xec\xc1\x01\x01\0\0\0\x80\x90\xfe\xaf\xee\x08\x0a";
    const MIDDLE: &[u8] = b"\x80\xdb\x83\x03\x02\x00\x00\x00\x00\x21\xff\x5f\x37\x24";
    const ENDS: &[u8] = b"\x9c\x05\x45\xbc\xd2\x1a\x00\x00\x80\x00";
    let mut body = BEGINS.to_vec();
    body.resize(4118, 0);
    body.extend(MIDDLE);
    body.resize(LEN - ENDS.len(), 0);
    body.extend(ENDS);
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Encoding: gzip\r\nContent-Length: {LEN}\r\n\r\n");
    [head.into_bytes(), body].concat()
}

fn heads() -> Vec<Row> {
    let pad = "X-Pad: 0123456789012345678901234567890123456789012345678901234\r\n";
    let large =
        format!("HTTP/1.1 200 OK\r\nX-Pad: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(64 * KIB));
    vec![
        says("a header of 64 KiB", "ok", large).taken(66 * KIB),
        row("a head without end", "retry", move |visit| {
            if visit.request() && visit.send("HTTP/1.1 200 OK\r\n") {
                visit.pour(pad.as_bytes(), Duration::ZERO);
            }
        })
        .taken(8 * MIB),
        row("a head that trickles", "retry", |visit| {
            if visit.request() && visit.send("HTTP/1.1 200 OK\r\nX: ") {
                visit.pour(b"x", Duration::from_millis(50));
            }
        })
        .takes(1900),
        // Each is read and forgotten; time is what ends it, and the other lanes have theirs meanwhile.
        row("interim answers without end", "retry", |visit| {
            if visit.request() {
                visit.pour(b"HTTP/1.1 100 Continue\r\n\r\n", Duration::ZERO);
            }
        })
        .taken(1024 * MIB)
        .takes(1900),
        says_and_goes("a hundred interim answers, then 200", "ok", {
            let mut answer = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100);
            answer.extend(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            answer
        }),
        says(
            "an upgrade that nobody asked for",
            "retry",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        ),
        says("garbage", "retry", &b"\x00\xff\x16\x03 this is no HTTP \r\n\r\n"[..]),
        says("a status of two digits", "retry", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
        says(
            "a status that does not exist",
            "retry",
            "HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n",
        ),
        Row {
            // The banner may come before our request is taken up, which is then never sent.
            requests: 0..=2,
            ..row("speaks before it is asked", "retry", |visit| {
                visit.send("SSH-2.0-OpenSSH_9.2\r\n");
                visit.request();
            })
        },
    ]
}

fn retry_after() -> Vec<Row> {
    let busy = |lines: &str| format!("HTTP/1.1 503 Busy\r\n{lines}Content-Length: 0\r\n\r\n");
    vec![
        says("Retry-After twice", "slow", busy("Retry-After: 5\r\nRetry-After: 7\r\n")),
        says("Retry-After of a thousand years", "slow", busy("Retry-After: 31557600000\r\n")),
        says(
            "Retry-After of more digits than fit",
            "slow",
            busy("Retry-After: 99999999999999999999999\r\n"),
        ),
        says("Retry-After of 1e300", "retry", busy("Retry-After: 1e300\r\n")),
        says("Retry-After of minus one", "retry", busy("Retry-After: -1\r\n")),
        says("Retry-After in bytes that are no text", "retry", {
            [
                b"HTTP/1.1 503 Busy\r\nRetry-After: ",
                &b"\xff\xfe"[..],
                b"\r\nContent-Length: 0\r\n\r\n",
            ]
            .concat()
        }),
    ]
}

fn redirects(trap: &Receiver) -> Vec<Row> {
    let to = |status: u16| {
        let target = trap.url();
        format!("HTTP/1.1 {status} Moved\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n")
    };
    vec![
        says("301 to a trap", "config", to(301)),
        says("302 to a trap", "config", to(302)),
        says("303 to a trap", "config", to(303)),
        says("307 to a trap", "config", to(307)),
        says("308 to a trap", "config", to(308)),
    ]
}

fn tls(ca: &Authority) -> Vec<Row> {
    let stranger = Authority::new("somebody else");
    vec![
        Row::tls("TLS: expired", ca.server("127.0.0.1", (2001, 2002))),
        Row::tls("TLS: not valid yet", ca.server("127.0.0.1", (2998, 2999))),
        Row::tls("TLS: for another name", ca.server("elsewhere.example", (2001, 2999))),
        Row::tls("TLS: unknown issuer", stranger.server("127.0.0.1", (2001, 2999))),
        Row::tls("TLS: self-signed", self_signed()),
        Row::tls("TLS: wants a client certificate", ca.strict_server()),
        Row {
            scheme: "https",
            requests: 0..=0,
            ..row("TLS: plain HTTP instead", "config", |visit| {
                visit.send("HTTP/1.1 400 Bad Request\r\n\r\n");
                visit.finish();
            })
        },
        Row {
            scheme: "https",
            requests: 0..=0,
            ..row("TLS: a handshake that is never answered", "retry", Visit::wait).takes(1900)
        },
    ]
}

#[test]
fn every_hostile_receiver_costs_what_the_table_says() {
    let (site, healthy, trap) = (Site::new(), Receiver::up(), Receiver::up());
    let ca = Authority::new("test");
    std::fs::write(site.path("ca.pem"), &ca.pem).unwrap();
    let rows: Vec<Row> =
        [lost_connections(), bodies(), heads(), retry_after(), redirects(&trap), tls(&ca)]
            .into_iter()
            .flatten()
            .collect();
    let names: Vec<_> = (0..rows.len()).map(|at| format!("h{at}")).collect();
    let mut config = site.config(&healthy.url());
    for (name, row) in names.iter().zip(&rows) {
        let table = format!("endpoint.{name}");
        config = config
            .set(&table, "url", row.receiver.url(row.scheme))
            .set(&table, "timeout", TIMEOUT)
            .set(&table, "connect_timeout", TIMEOUT)
            .set(&table, "retry_delays", vec!["1h"])
            .set(&table, "ca_file", site.path("ca.pem").to_str().unwrap());
    }
    let all: Vec<_> = names.iter().map(String::as_str).chain(["crm"]).collect();
    let watchd = config.watch("endpoints", all).ready();
    let before = watchd.memory_kib();
    let path = disk::create(&site.root(), "one.dat");

    healthy.wait_for_paths(&[path]);
    let mut table = header();
    let mut wrong = Vec::new();
    for (name, row) in names.iter().zip(&rows) {
        let verdict = verdict_of(&watchd, name);
        wrong.extend(judge(row, &verdict));
        table.push_str(&shown(row, &verdict));
    }
    let grown = watchd.memory_peak_kib().saturating_sub(before);
    println!("{table}\nmemory before {before} KiB, at its peak {grown} KiB more");
    assert!(wrong.is_empty(), "{wrong:#?}\n{table}");
    assert!(grown <= GROWTH_KIB_MAX, "{grown} KiB more\n{table}");
    trap.read(|record| assert_eq!(record.requests.len(), 0, "the trap was visited"));
    healthy.assert_no_duplicates();
    watchd.stop();
}

/// The first line that says how an attempt at this endpoint ended.
fn verdict_of(watchd: &Watchd, endpoint: &str) -> Line {
    watchd.wait_for_log(&format!("a verdict on {endpoint}"), |line| {
        let is_verdict = line.says(said::DELIVERED) || line.says(said::RETRY);
        is_verdict && line.field("endpoint").as_deref() == Some(endpoint)
    })
}

fn class_of(verdict: &Line) -> String {
    verdict.field("class").unwrap_or_else(|| "ok".to_owned())
}

fn millis_of(verdict: &Line) -> u64 {
    verdict.field("duration_ms").and_then(|text| text.parse().ok()).expect("a duration")
}

fn judge(row: &Row, verdict: &Line) -> Vec<String> {
    let (tally, took) = (row.receiver.tally(), millis_of(verdict));
    let checks = [
        (class_of(verdict) == row.class, format!("class {}", class_of(verdict))),
        (row.requests.contains(&tally.requests), format!("{} requests", tally.requests)),
        // One for the request, one for its immediate repetition, one to find out who is to blame.
        ((1..=3).contains(&tally.connections), format!("{} connections", tally.connections)),
        (tally.taken <= row.taken_max, format!("{} bytes", tally.taken)),
        ((row.takes_min..VERDICT_MS_MAX).contains(&took), format!("{took} ms")),
        (verdict.field("attempt").as_deref() == Some("1"), "not the first attempt".to_owned()),
    ];
    let failed = checks.into_iter().filter(|(holds, _)| !holds);
    failed.map(|(_, what)| format!("{}: {what}: {}", row.name, verdict.raw)).collect()
}

fn header() -> String {
    format!(
        "{:<42}{:<8}{:>9}{:>7}{:>11}  {}\n",
        "receiver", "class", "requests", "ms", "bytes", "told"
    )
}

fn shown(row: &Row, verdict: &Line) -> String {
    let tally = row.receiver.tally();
    let status = verdict.field("status").filter(|status| status != "null");
    let reason = verdict.field("reason").unwrap_or_default();
    let mut line = format!(
        "{:<42}{:<8}{:>9}{:>7}{:>11}  ",
        row.name,
        class_of(verdict),
        tally.requests,
        millis_of(verdict),
        tally.taken
    );
    let told: String = reason.chars().take(70).collect();
    writeln!(line, "{} {told}", status.unwrap_or_default()).unwrap();
    line
}

/// Receivers that close or reset a connection as its second request arrives.
#[test]
fn an_idle_connection_that_dies_costs_no_attempt_and_is_met_once() {
    for by_reset in [false, true] {
        let site = Site::new();
        let receiver = Hostile::new(move |visit| {
            let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            if visit.request() && visit.send(ok) {
                // The second request of the first connection meets its end; all others are answered.
                match (visit.number, by_reset) {
                    (1, true) => visit.reset(),
                    (1, false) => {
                        visit.request();
                    }
                    _ => visit.answer(ok),
                }
            }
        });
        let watchd = site.config(&receiver.url("http")).ready();
        for name in ["one.dat", "two.dat", "three.dat"] {
            disk::create(&site.root(), name);
            watchd.wait_for_file(said::DELIVERED, name, 1);
        }
        for line in watchd.lines().iter().filter(|line| line.says(said::DELIVERED)) {
            assert_eq!(line.field("attempt").as_deref(), Some("1"), "{}", line.raw);
        }
        assert_eq!(watchd.count(said::RETRY), 0);
        // On a slow machine the connection was given up before the second request.
        assert!((2..=3).contains(&receiver.tally().connections), "{:?}", receiver.tally());
        watchd.stop();
    }
}
