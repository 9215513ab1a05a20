//! P1, P3, P11: the configuration changes while files land. Nothing is lost, nothing is said twice, and a
//! file that is wrong changes nothing.

use std::{fs, path::PathBuf, thread};

use serde_json::Value;

use crate::harness::{
    Config, Receiver, Reply, Site, Watchd, disk, http::Gate, log::said, signature, watchd::finish,
};

const OTHER_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Drops files into several directories until `change` is through; then waits until each was delivered.
fn under_a_stream(site: &Site, receiver: &Receiver, dirs: &[&str], change: impl FnOnce()) {
    let roots: Vec<PathBuf> = dirs.iter().map(|dir| site.path(dir)).collect();
    let done = std::sync::atomic::AtomicBool::new(false);
    let paths = thread::scope(|scope| {
        let stream = scope.spawn(|| {
            let mut paths = Vec::new();
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let name = format!("{:06}.dat", paths.len());
                paths.extend(roots.iter().map(|root| disk::create(root, &name)));
                // A few hundred files a second are a stream, as many as fit are a flood.
                thread::park_timeout(std::time::Duration::from_millis(5));
            }
            paths
        });
        change();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        stream.join().unwrap()
    });
    assert!(paths.len() > 20, "{} files are no stream", paths.len());
    receiver.wait_for_paths(&paths);
}

/// Waits until more files are delivered.
fn goes_on(receiver: &Receiver) {
    let before = receiver.read(|record| record.accepted);
    receiver.wait_for("deliveries go on", |r| (r.accepted >= before + 20).then_some(()));
}

fn two_roots(site: &Site, receiver: &Receiver) -> (Config, Config) {
    fs::create_dir(site.path("second")).unwrap();
    let one = site.config(&receiver.url());
    let two = one.clone().add_watch("second", &site.path("second"), &["crm"]);
    (one, two)
}

#[test]
fn watches_and_endpoints_come_go_and_change_under_a_stream_and_nothing_is_lost_or_repeated() {
    let (receiver, other, site) = (Receiver::up(), Receiver::up(), Site::new());
    let (one, two) = two_roots(&site, &receiver);
    let both = two.clone().add_endpoint("other", &other.url());
    let watchd = one.ready();
    under_a_stream(&site, &receiver, &["in", "second"], || {
        let told_both = both.clone().watch("endpoints", vec!["crm", "other"]);
        let slower = two.clone().watch("quiet", "400ms");
        let other_lane = two.clone().endpoint("timeout", "20s");
        for config in [&two, &slower, &other_lane, &both, &told_both, &two, &one, &two] {
            config.reload(&watchd);
            goes_on(&receiver);
        }
    });
    watchd.stop();
    receiver.assert_no_duplicates();
    other.assert_no_duplicates();
}

#[test]
fn fifty_reloads_under_load_lose_and_repeat_nothing() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    let threads = || fs::read_dir(format!("/proc/{}/task", watchd.pid())).unwrap().count();
    let before = threads();
    under_a_stream(&site, &receiver, &["in"], || {
        for turn in 0..50 {
            let (quiet, timeout) = (300 + turn, 30 + turn);
            let config = config.clone().watch("quiet", format!("{quiet}ms"));
            config.endpoint("timeout", format!("{timeout}s")).reload(&watchd);
            if turn % 5 == 0 {
                goes_on(&receiver);
            }
        }
    });
    // What helps the runtime with files goes away by itself after ten seconds.
    assert!(threads() < before + 20, "{} threads, and {before} before", threads());
    watchd.stop();
    receiver.assert_no_duplicates();
}

#[test]
fn a_reload_in_the_middle_of_a_scan_loses_and_repeats_nothing() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    let paths = disk::create_in_new_dirs(&site.root(), 300, 10);
    let watchd = config.start();
    watchd.wait_for("journal open");
    for quiet in ["310ms", "320ms", "330ms"] {
        config.clone().watch("quiet", quiet).reload(&watchd);
    }
    receiver.wait_for_paths(&paths);
    watchd.stop();
    receiver.assert_no_duplicates();
}

#[test]
fn a_reload_lets_the_requests_of_a_changed_endpoint_finish() {
    let gate = Gate::default();
    let held = gate.clone();
    let receiver = Receiver::scripted(move |_| Reply::Held(held.clone(), 200));
    let site = Site::new();
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    let path = disk::create(&site.root(), "held.dat");
    receiver.wait_for_requests(1);
    config.endpoint("timeout", "20s").write();
    watchd.signal("HUP");
    watchd.wait_for("asked to read the configuration again");
    gate.open();
    watchd.wait_for(said::RELOADED);
    receiver.wait_for_paths(&[path]);
    watchd.stop();
    receiver.assert_no_duplicates();
}

#[test]
fn a_stop_does_not_wait_for_a_reload() {
    let (receiver, site) = (Receiver::scripted(|_| Reply::Never), Site::new());
    let config = site.config(&receiver.url()).set("shutdown", "drain", "2s");
    let watchd = config.ready();
    disk::create(&site.root(), "hangs.dat");
    receiver.wait_for_requests(1);
    config.set("shutdown", "drain", "1m").endpoint("timeout", "20s").write();
    watchd.signal("HUP");
    watchd.wait_for("asked to read the configuration again");
    watchd.stop();
}

#[test]
fn a_bad_file_changes_nothing_and_is_said_with_line_and_key() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    config.clone().watch("quiet", "soon").endpoint("tiemout", "1s").write();
    watchd.signal("HUP");
    watchd.wait_for(said::REFUSED);
    for key in ["watch.inbox.quiet", "endpoint.crm.tiemout"] {
        let said = watchd.wait_for_log(key, |line| line.field("key").as_deref() == Some(key));
        assert!(said.field("line").is_some_and(|line| line.parse::<u32>().is_ok()), "{}", said.raw);
    }
    receiver.wait_for_paths(&[disk::create(&site.root(), "after.dat")]);
    fs::remove_file(site.path("watchd.toml")).unwrap();
    watchd.signal("HUP");
    watchd.wait_for_count(said::REFUSED, 2);
    receiver.wait_for_paths(&[disk::create(&site.root(), "later.dat")]);
    config.watch("quiet", "200ms").reload(&watchd);
    receiver.wait_for_paths(&[disk::create(&site.root(), "good-again.dat")]);
    watchd.stop();
    receiver.assert_no_duplicates();
}

#[test]
fn a_secret_that_was_rotated_signs_the_next_request() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    disk::create(&site.root(), "before.dat");
    receiver.wait_for_file("before.dat");
    fs::write(site.path("secret"), OTHER_SECRET).unwrap();
    config.reload(&watchd);
    // The files are read beside the lane, so a request may still leave with what was read before.
    let signed = (0..200).any(|turn| {
        let name = format!("after-{turn}.dat");
        disk::create(&site.root(), &name);
        let request = receiver.wait_for_file(&name);
        let sent = request.header("webhook-timestamp").unwrap().to_owned();
        let expected = signature::v1(OTHER_SECRET, request.id(), &sent, &request.body);
        request.header("webhook-signature") == Some(&expected)
    });
    assert!(signed, "no request was signed by the new secret");
    watchd.stop();
}

#[test]
fn an_endpoint_that_was_parked_goes_on_when_its_url_changes() {
    for by_file in [false, true] {
        let gone = |request: &crate::harness::http::Request| {
            Reply::Status(if request.line.contains("/gone") { 410 } else { 200 })
        };
        let (receiver, site) = (Receiver::scripted(gone), Site::new());
        fs::write(site.path("url"), receiver.url_of("/gone")).unwrap();
        let config = site.config(&receiver.url_of("/gone"));
        let in_file = config.clone().without("endpoint.crm", "url");
        let in_file = in_file.endpoint("url_file", site.path("url").to_str().unwrap());
        let config = if by_file { in_file } else { config };
        let watchd = config.ready();
        let path = disk::create(&site.root(), "waits.dat");
        watchd.wait_for("endpoint parked");
        fs::write(site.path("url"), receiver.url_of("/moved")).unwrap();
        if by_file {
            config.reload(&watchd);
        } else {
            config.endpoint("url", receiver.url_of("/moved")).reload(&watchd);
        }
        receiver.wait_for_paths(&[path]);
        watchd.stop();
    }
}

#[test]
fn an_endpoint_that_goes_has_its_events_parked_and_gets_them_when_it_is_back() {
    let (down, alive, site) = (Receiver::down_at_first(), Receiver::up(), Site::new());
    let config = site.config(&down.url()).add_endpoint("other", &alive.url());
    let both = config.clone().watch("endpoints", vec!["crm", "other"]);
    let without = config.without_table("endpoint.crm").watch("endpoints", vec!["other"]);
    let watchd = both.ready();
    let kept = disk::create(&site.root(), "kept.dat");
    alive.wait_for_file("kept.dat");
    without.reload(&watchd);
    let parked = parked(&without);
    assert_eq!(parked.len(), 1, "{parked:?}");
    assert_eq!(parked[0]["endpoint"], "crm");
    let missed = disk::create(&site.root(), "missed.dat");
    alive.wait_for_file("missed.dat");
    down.come_up();
    both.reload(&watchd);
    down.wait_for_paths(std::slice::from_ref(&kept));
    let both_get = disk::create(&site.root(), "both.dat");
    down.wait_for_paths(&[kept, both_get]);
    assert!(down.ids_of(&missed).is_empty(), "it gets what is committed while it is configured");
    watchd.stop();
    alive.assert_no_duplicates();
    down.assert_no_duplicates();
}

#[test]
fn what_needs_a_restart_is_said_and_left_as_it_was() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    let elsewhere = site.path("elsewhere");
    let config = config.set("state", "dir", elsewhere.to_str().unwrap());
    config.set("http", "listen", "127.0.0.1:1").reload(&watchd);
    for key in ["state.dir", "http.listen"] {
        watchd.wait_for_log(key, |line| {
            line.says("this key was changed: it needs a restart")
                && line.field("key").as_deref() == Some(key)
        });
    }
    assert!(!elsewhere.exists());
    receiver.wait_for_paths(&[disk::create(&site.root(), "a.dat")]);
    watchd.stop();
}

#[test]
fn the_log_filter_changes_without_a_restart() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url()).set("log", "level", "info");
    let mut command = config.run();
    command.env_remove("WATCHD_LOG");
    let watchd = Watchd::spawn(command);
    watchd.wait_ready(1);
    disk::create(&site.root(), "quiet.dat");
    receiver.wait_for_file("quiet.dat");
    assert_eq!(watchd.count(said::COMMITTED), 0, "that is said at the level debug");
    config.set("log", "level", "debug").reload(&watchd);
    disk::create(&site.root(), "loud.dat");
    watchd.wait_for_file(said::COMMITTED, "loud.dat", 1);
    watchd.stop();
}

fn parked(config: &Config) -> Vec<Value> {
    let listed = finish(config.command(&["events", "list", "--json", "--state", "parked"]));
    assert_eq!(listed.status.code(), Some(0), "{}", listed.stderr);
    listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The receiver knows the other secret only.
fn wants_the_other_secret(request: &crate::harness::http::Request) -> Reply {
    let sent = request.header("webhook-timestamp").unwrap();
    let expected = signature::v1(OTHER_SECRET, request.id(), sent, &request.body);
    Reply::Status(if request.header("webhook-signature") == Some(&expected) { 200 } else { 401 })
}

/// Ten minutes at least: nobody waits for that here.
fn one_event_waits(site: &Site, watchd: &Watchd) -> PathBuf {
    let path = disk::create(&site.root(), "waits.dat");
    let delay = watchd.wait_for(said::RETRY).field("retry_in_ms").unwrap();
    assert!(delay.parse::<u64>().unwrap() > 290_000, "{delay} ms");
    path
}

#[test]
fn an_event_that_waits_for_the_right_key_goes_out_at_once_when_the_daemon_is_told() {
    let (receiver, site) = (Receiver::scripted(wants_the_other_secret), Site::new());
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    let path = one_event_waits(&site, &watchd);
    fs::write(site.path("secret"), OTHER_SECRET).unwrap();
    config.reload(&watchd);
    receiver.wait_for_paths(&[path]);
    watchd.stop();
    receiver.assert_no_duplicates();
}

#[test]
fn an_event_that_waits_goes_out_at_once_when_its_endpoint_is_changed_or_the_file_is_refused() {
    let (receiver, site) = (Receiver::scripted(wants_the_other_secret), Site::new());
    fs::write(site.path("other"), OTHER_SECRET).unwrap();
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    let path = one_event_waits(&site, &watchd);
    let config = config.endpoint("secret_files", vec![site.path("other").to_str().unwrap()]);
    config.reload(&watchd);
    receiver.wait_for_paths(&[path]);

    receiver.script(|_| Reply::Status(403));
    let second = disk::create(&site.root(), "second.dat");
    watchd.wait_for_file(said::RETRY, "second.dat", 1);
    receiver.script(wants_the_other_secret);
    config.clone().endpoint("tiemout", "1s").write();
    watchd.signal("HUP");
    watchd.wait_for(said::REFUSED);
    receiver.wait_for_paths(&[second]);
    watchd.stop();
    receiver.assert_no_duplicates();
}

#[test]
fn an_event_that_is_refused_while_the_key_is_changed_does_not_wait() {
    let (gate, site) = (Gate::default(), Site::new());
    let held = gate.clone();
    let mut first = true;
    let receiver = Receiver::scripted(move |request| {
        let old = std::mem::take(&mut first);
        if old { Reply::Held(held.clone(), 401) } else { wants_the_other_secret(request) }
    });
    let config = site.config(&receiver.url());
    let watchd = config.ready();
    let path = disk::create(&site.root(), "under-way.dat");
    receiver.wait_for_requests(1);
    fs::write(site.path("secret"), OTHER_SECRET).unwrap();
    config.reload(&watchd);
    gate.open();
    receiver.wait_for_paths(&[path]);
    watchd.stop();
    receiver.assert_no_duplicates();
}
