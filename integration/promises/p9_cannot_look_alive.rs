//! P9: it cannot look alive while it is stuck. What the service manager hears of it, and what it does when it
//! does not answer itself. These proofs play systemd.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixListener,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use crate::harness::{
    Config, Front, Gate, PATIENCE, Receiver, Reply, Site, Systemd, Watchd, disk, front,
    log::said,
    systemd::{Told, activated},
};

const WATCHDOG: Duration = Duration::from_secs(2);
const SELF_CHECK_FAILED: i32 = 70;
const DRAIN: Duration = Duration::from_secs(8);

fn is_ping(told: &Told) -> bool {
    told.says("WATCHDOG=1")
}

fn is_extension(told: &Told) -> bool {
    told.value("EXTEND_TIMEOUT_USEC").is_some()
}

#[test]
fn it_is_ready_first_and_then_alive_twice_in_every_interval() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let systemd = Systemd::new(&site);
    let mut watchd = Watchd::spawn(systemd.watched(site.config(&receiver.url()).run(), WATCHDOG));
    systemd.wait_for_count(6, "pings", is_ping);
    let told = systemd.told();
    assert!(told[0].says("READY=1"), "{told:?}");
    assert!(told[0].value("STATUS").unwrap().starts_with("watching 1 of 1 root;"), "{told:?}");
    let pings: Vec<_> = told.iter().filter(|told| is_ping(told)).map(|told| told.at).collect();
    let five = pings[5].duration_since(pings[0]);
    assert!(five >= WATCHDOG * 2, "not more often than that: {five:?}");
    assert!(told.iter().all(|told| told.value("EXTEND_TIMEOUT_USEC").is_none()), "{told:?}");
    watchd.signal("TERM");
    assert_eq!(watchd.wait_exit(PATIENCE).code(), Some(0));
    systemd.wait_for("STOPPING=1");
}

#[test]
fn a_reload_is_told_with_the_time_of_its_beginning_and_its_end_with_what_became_of_it() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let systemd = Systemd::new(&site);
    let config = site.config(&receiver.url());
    let watchd = Watchd::spawn(systemd.service(config.run()));
    systemd.wait_for("READY=1");
    for (text, status) in
        [(None, "watching 1 of 1 root"), (Some("[watch"), "configuration refused")]
    {
        if let Some(text) = text {
            fs::write(site.path("watchd.toml"), text).unwrap();
        }
        let before = systemd.told().len();
        watchd.signal("HUP");
        let begun = systemd.wait_after(before, "RELOADING=1", |told| told.says("RELOADING=1"));
        let stamp: u64 = begun.value("MONOTONIC_USEC").unwrap().parse().unwrap();
        assert!(stamp > 0, "{begun:?}");
        let ended = systemd.wait_after(before, "READY=1", |told| told.says("READY=1"));
        assert!(ended.value("STATUS").unwrap().starts_with(status), "{ended:?}");
        assert!(ended.at >= begun.at);
    }
    watchd.stop();
}

#[test]
fn more_time_is_asked_for_when_a_request_in_flight_ends_and_not_while_one_hangs() {
    let (gate, site) = (Gate::default(), Site::new());
    let opened = gate.clone();
    let receiver = Receiver::scripted(move |request| {
        if request.is_of("hangs.dat") { Reply::Never } else { Reply::Held(opened.clone(), 200) }
    });
    let config = site.config(&receiver.url()).endpoint("timeout", "10m").set(
        "shutdown",
        "drain",
        format!("{}s", DRAIN.as_secs()),
    );
    let systemd = Systemd::new(&site);
    let mut watchd = Watchd::spawn(systemd.service(config.run()));
    watchd.wait_ready(1);
    disk::create(&site.root(), "hangs.dat");
    disk::create(&site.root(), "ends.dat");
    receiver.wait_for_requests(2);
    systemd.wait_for("READY=1");
    watchd.signal("TERM");
    let stopping = systemd.wait_for("STOPPING=1");
    systemd.wait_for_count(1, "more time at the beginning", is_extension);
    gate.open();
    systemd.wait_for_count(2, "more time when a request has ended", is_extension);
    assert_eq!(watchd.wait_exit(PATIENCE).code(), Some(0));
    let told = systemd.told();
    let extensions: Vec<_> = told.iter().filter(|told| is_extension(told)).map(|t| t.at).collect();
    // The third, if there is time for it, comes when the other request has been cut.
    let while_it_hung = extensions.iter().skip(2).filter(|at| **at < stopping.at + DRAIN);
    assert_eq!(while_it_hung.count(), 0, "none while the other request hung: {told:?}");
    assert_eq!(systemd.count("WATCHDOG=1"), 0, "nobody asked for it");
}

/// A daemon in which `stage` stalls when something lands: it is no longer fed, tells it, and ends itself.
fn a_stalled_stage_is_noticed(stage: &str, named: &str, failure: &str, act: impl Fn(&Watchd)) {
    let (receiver, site) = (Receiver::up(), Site::new());
    let switch = site.path("stall");
    let config = site
        .config(&receiver.url())
        .set("http", "listen", "127.0.0.1:0")
        .set("self_check", "interval", "1s")
        .set("self_check", "failures", 3);
    let systemd = Systemd::new(&site);
    let mut command = systemd.watched(config.run(), WATCHDOG);
    command.env("WATCHD_STALL", format!("{stage}:{}", switch.display()));
    let mut watchd = Watchd::spawn(command);
    watchd.wait_ready(1);
    systemd.wait_after(0, "a ping", is_ping);
    fs::write(&switch, "").unwrap();
    disk::create(&site.root(), "a.dat");
    act(&watchd);
    let is_stuck = |told: &Told| {
        told.value("STATUS").is_some_and(|status| status.contains(&format!("STUCK: {named}")))
    };
    systemd.wait_after(0, "that it is stuck", is_stuck);
    systemd.wait_for("STOPPING=1");
    assert_eq!(watchd.wait_exit(PATIENCE).code(), Some(SELF_CHECK_FAILED));
    let failures = watchd.lines().into_iter().filter(|line| line.says(said::SELF_CHECK_FAILED));
    let reasons: Vec<_> = failures.filter_map(|line| line.field("reason")).collect();
    assert!(reasons.len() >= 3 && reasons.iter().all(|why| why.contains(failure)), "{reasons:?}");
    let told = systemd.told();
    let stuck_at = told.iter().position(is_stuck).unwrap();
    assert!(!told[stuck_at..].iter().any(is_ping), "no ping once it is stuck: {told:?}");
}

#[test]
fn a_journal_that_stalls_is_not_alive() {
    a_stalled_stage_is_noticed("journal", "journal", "it answered 503", |_| {});
}

#[test]
fn a_lane_that_stalls_is_not_alive() {
    a_stalled_stage_is_noticed("lane", "lane crm", "it answered 503", |_| {});
}

#[test]
fn a_watching_thread_that_stalls_is_not_alive() {
    a_stalled_stage_is_noticed("watch", "watch inbox", "it answered 503", |_| {});
}

#[test]
fn a_settling_thread_that_stalls_is_not_alive() {
    a_stalled_stage_is_noticed("settle", "settle inbox", "it answered 503", |_| {});
}

#[test]
fn a_front_that_stalls_is_not_alive() {
    a_stalled_stage_is_noticed("front", "front", "no answer within", |_| {});
}

#[test]
fn a_main_loop_that_stalls_is_not_alive_and_is_ended_from_outside_of_it() {
    a_stalled_stage_is_noticed("daemon", "daemon", "it answered 503", |watchd| {
        watchd.signal("HUP");
    });
}

fn start_activated(
    config: &Config,
    socket: &TcpListener,
    site: &Site,
    systemd: &Systemd,
) -> Watchd {
    let command = activated(site.home(), socket.try_clone().unwrap(), "http");
    Watchd::spawn(systemd.service(config.run_by(command)))
}

/// Whether one request was answered; `None` when the connection was refused.
fn ask_once(address: SocketAddr) -> Option<bool> {
    let Ok(mut stream) = TcpStream::connect(address) else { return None };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let read = asked.and_then(|()| stream.read_to_string(&mut answer));
    Some(read.is_ok() && answer.starts_with("HTTP/1.1 200"))
}

#[test]
fn a_socket_that_is_held_over_a_restart_refuses_and_cuts_nobody() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // The inherited socket wins over one that could not even be had.
    let config = site.config(&receiver.url()).set("http", "listen", "192.0.2.1:1");
    let systemd = Systemd::new(&site);
    let mut watchd = start_activated(&config, &socket, &site, &systemd);
    let line = watchd.wait_for(said::LISTENING);
    assert_eq!(line.field("address").unwrap(), address.to_string());
    let over = Arc::new(AtomicBool::new(false));
    let [answered, cut, refused] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
    let client = thread::spawn({
        let over = over.clone();
        let [answered, cut, refused] = [&answered, &cut, &refused].map(Arc::clone);
        move || {
            while !over.load(Relaxed) {
                let count = match ask_once(address) {
                    Some(true) => &answered,
                    Some(false) => &cut,
                    None => &refused,
                };
                count.fetch_add(1, Relaxed);
            }
        }
    });
    let answers = |more: usize| {
        let enough = answered.load(Relaxed) + more;
        crate::harness::wait_until("the client is answered", || answered.load(Relaxed) >= enough);
    };
    for _ in 0..3 {
        answers(20);
        watchd.signal("TERM");
        assert_eq!(watchd.wait_exit(PATIENCE).code(), Some(0));
        watchd = start_activated(&config, &socket, &site, &systemd);
    }
    answers(20);
    over.store(true, Relaxed);
    client.join().unwrap();
    let [answered, cut, refused] = [answered, cut, refused].map(|count| count.load(Relaxed));
    assert_eq!((cut, refused), (0, 0), "of {answered} connections");
    watchd.stop();
}

#[test]
fn an_inherited_unix_socket_serves_and_is_asked_by_the_self_check() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let path = site.path("http.sock");
    let socket = UnixListener::bind(&path).unwrap();
    let config = site.config(&receiver.url()).set("self_check", "interval", "1s").set(
        "self_check",
        "failures",
        1,
    );
    let command = config.run_by(activated(site.home(), socket, "watchd.socket"));
    let watchd = Watchd::spawn(command);
    watchd.wait_for(said::LISTENING);
    assert_eq!(front::get_unix(&path, "/health").status, 200);
    super::quiet_periods_pass(&site, &receiver, 8);
    watchd.stop();
}

#[test]
fn what_is_inherited_and_does_not_listen_is_named_and_the_configured_place_is_used() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url()).set("http", "listen", "127.0.0.1:0");
    let file = fs::File::open(site.path("secret")).unwrap();
    let command = config.run_by(activated(site.home(), file, "http"));
    let watchd = Watchd::spawn(command);
    let line = watchd.wait_for(said::NOT_INHERITED);
    assert!(line.field("reason").unwrap().contains("ListenStream="), "{}", line.raw);
    assert_eq!(Front::of(&watchd).get("/health").status, 200);
    watchd.stop();
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url()).set("http", "listen", "127.0.0.1:0");
    let mut command = config.run();
    command.env("LISTEN_PID", "1").env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "http");
    let watchd = Watchd::spawn(command);
    assert_eq!(Front::of(&watchd).get("/health").status, 200);
    assert_eq!(watchd.count(said::NOT_INHERITED), 0);
    watchd.stop();
}
