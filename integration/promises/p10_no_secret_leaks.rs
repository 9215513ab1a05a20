//! P10: what is secret (signing secrets; path and query of a URL) appears in no log, listing or file.

use std::fs;

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::harness::{
    Config, Receiver, Reply, Site, Watchd, disk, log::said, site::SECRET, watchd::finish,
};

const PATH_CANARY: &str = "CANARY-in-the-path";
const QUERY_CANARY: &str = "CANARY-in-the-query";

#[test]
fn the_log_at_its_most_talkative_holds_no_secret_whatever_the_receiver_does() {
    let case = Case::after_all_kinds_of_answers();
    for line in case.watchd.lines() {
        assert_clean("the log", line.raw.as_bytes());
    }
}

#[test]
fn the_state_directory_holds_no_secret() {
    let case = Case::after_all_kinds_of_answers();
    case.watchd.stop();
    for path in case.site.state_files() {
        assert_clean(&path.display().to_string(), &fs::read(&path).unwrap());
    }
}

#[test]
fn commands_print_no_secret() {
    let case = Case::after_all_kinds_of_answers();
    case.watchd.stop();
    let runs: [&[&str]; 4] = [
        &["events", "list"],
        &["events", "list", "--json"],
        &["check"],
        &["run", "--print-config"],
    ];
    for args in runs {
        let output = finish(case.config.command(args));
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", output.stderr);
        assert_clean(&args.join(" "), output.stdout.as_bytes());
        assert_clean(&args.join(" "), output.stderr.as_bytes());
    }
}

#[test]
fn a_bad_secret_file_is_reported_without_its_content() {
    let (receiver, site) = (Receiver::up(), Site::new());
    fs::write(site.path("secret"), format!("whsec_{PATH_CANARY}!\n")).unwrap();
    let output = finish(site.config(&receiver.url()).command(&["check"]));
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(said.contains(site.path("secret").to_str().unwrap()), "names the file: {said}");
    assert_clean("check", output.stdout.as_bytes());
    assert_clean("check", output.stderr.as_bytes());
}

#[test]
fn a_url_from_a_file_is_as_secret_as_one_in_the_configuration() {
    let (receiver, site) = (Receiver::up(), Site::new());
    fs::write(site.path("url"), secret_url(&receiver)).unwrap();
    let config = site.config("unused").without("endpoint.crm", "url");
    let config = config.endpoint("url_file", site.path("url").to_str().unwrap());
    let watchd = config.log_filter("trace").ready();
    disk::create(&site.root(), "a.dat");
    let request = receiver.wait_for_file("a.dat");
    assert!(request.line.contains(QUERY_CANARY), "the request itself carries it");
    for line in watchd.lines() {
        assert_clean("the log", line.raw.as_bytes());
    }
}

struct Case {
    site: Site,
    config: Config,
    watchd: Watchd,
    /// Keeps the port until the case ends.
    _receiver: Receiver,
}

impl Case {
    fn after_all_kinds_of_answers() -> Self {
        let (receiver, site) = (Receiver::down_at_first(), Site::new());
        let url = secret_url(&receiver);
        let config = site
            .config(&url)
            .endpoint("timeout", "1s")
            .endpoint("connect_timeout", "1s")
            .log_filter("trace");
        let watchd = config.ready();
        disk::create_many(&site.root(), "secret", 5);
        watchd.wait_for(said::RETRY);
        let mut turn = 0;
        let location = format!("Location: {url}\r\n");
        receiver.script(move |request| {
            turn += 1;
            match turn {
                1 => Reply::Status(503),
                2 => Reply::Reset,
                3 => Reply::Never,
                4 => Reply::Raw(b"this is no HTTP\r\n\r\n".to_vec()),
                5 => Reply::Close,
                6 => Reply::Status(422),
                7 => Reply::Headers(302, location.clone()),
                // One event waits to the end, for there to be something to list.
                _ if request.is_of("secret-00004.dat") => Reply::Status(503),
                _ => Reply::Status(200),
            }
        });
        receiver.come_up();
        receiver.wait_for("every kind of answer was given", |record| {
            (record.requests.len() >= 9 && record.accepted >= 1).then_some(())
        });
        Self { site, config, watchd, _receiver: receiver }
    }
}

fn secret_url(receiver: &Receiver) -> String {
    receiver.url_of(&format!("/{PATH_CANARY}?token={QUERY_CANARY}"))
}

fn assert_clean(place: &str, bytes: &[u8]) {
    let encoded = SECRET.trim_start_matches("whsec_");
    let decoded = BASE64_STANDARD.decode(encoded).unwrap();
    let canaries =
        [b"CANARY".as_slice(), PATH_CANARY.as_bytes(), encoded.as_bytes(), decoded.as_slice()];
    for canary in canaries {
        let found = bytes.windows(canary.len()).position(|window| window == canary);
        if let Some(at) = found {
            let around = &bytes[at.saturating_sub(80)..(at + 80).min(bytes.len())];
            panic!("a secret in {place}: ...{}...", String::from_utf8_lossy(around));
        }
    }
}
