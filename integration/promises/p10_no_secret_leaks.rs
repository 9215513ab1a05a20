//! P10: what is secret (signing secrets; path and query of a URL; values of headers; the key of a client
//! certificate) appears in no log, listing, page or file, whatever a receiver does with it.

use std::fs;

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::harness::{
    Config, Front, Receiver, Reply, Request, Site, Watchd, disk,
    hostile::{Authority, Hostile},
    log::said,
    site::SECRET,
    watchd::finish,
};

const PATH_CANARY: &str = "CANARY-in-the-path";
const QUERY_CANARY: &str = "CANARY-in-the-query";
/// As keys look that are BASE64 inside.
const ENCODED_CANARY: &str = "a%20CANARY%2Fencoded%3D%3D";
const HEADER_CANARY: &str = "CANARY-in-a-header";
const HEADER_FILE_CANARY: &str = "CANARY-in-a-header-file";
/// The ed25519 key that Standard Webhooks publishes as an example.
const ASYMMETRIC: &str =
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";

#[test]
fn the_log_at_its_most_talkative_holds_no_secret_whatever_the_receiver_does() {
    let case = Case::after_all_kinds_of_answers();
    for line in case.watchd.as_ref().unwrap().lines() {
        case.assert_clean("the log", line.raw.as_bytes());
    }
}

#[test]
fn the_state_directory_holds_no_secret() {
    let mut case = Case::after_all_kinds_of_answers();
    case.stop();
    for path in case.site.state_files() {
        case.assert_clean(&path.display().to_string(), &fs::read(&path).unwrap());
    }
}

#[test]
fn commands_print_no_secret_with_the_daemon_up_and_down() {
    let mut case = Case::after_all_kinds_of_answers();
    let dead = case.dead_letter();
    for _ in ["up", "down"] {
        let runs: [&[&str]; 6] = [
            &["events", "list"],
            &["events", "list", "--json"],
            &["events", "show", &dead],
            &["events", "show", "--json", &dead],
            &["check"],
            &["run", "--print-config"],
        ];
        for args in runs {
            let output = finish(case.config.command(args));
            assert_eq!(output.status.code(), Some(0), "{args:?}: {}", output.stderr);
            case.assert_clean(&args.join(" "), output.stdout.as_bytes());
            case.assert_clean(&args.join(" "), output.stderr.as_bytes());
        }
        case.stop();
    }
}

#[test]
fn pages_show_no_secret() {
    let case = Case::after_all_kinds_of_answers();
    let front = Front::of(case.watchd.as_ref().unwrap());
    for path in ["/", "/status", "/metrics", "/health", "/ready"] {
        let answer = front.get(path);
        assert!(!answer.body.is_empty() && answer.status != 404, "{path}: {}", answer.status);
        case.assert_clean(path, answer.head.as_bytes());
        case.assert_clean(path, &answer.body);
    }
}

#[test]
fn bad_secrets_are_reported_without_their_content() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let bad = |name: &str, content: &str| {
        fs::write(site.path(name), content).unwrap();
        site.path(name).to_str().unwrap().to_owned()
    };
    let config = site
        .config(&receiver.url())
        .endpoint("secret_files", vec![bad("secret", &format!("whsec_{PATH_CANARY}!\n"))])
        .set("endpoint.crm.header_files", "x-key", bad("header", "CANARY\nCANARY"))
        .endpoint("client_cert_file", bad("cert", PATH_CANARY))
        .endpoint("client_key_file", bad("key", "-----BEGIN PRIVATE KEY-----\nCANARY\n"))
        .endpoint("ca_file", bad("ca", PATH_CANARY));
    let output = finish(config.command(&["check"]));
    let said = format!("{}{}", output.stdout, output.stderr);
    for name in ["secret", "header", "cert", "ca"] {
        assert!(said.contains(site.path(name).to_str().unwrap()), "names {name}: {said}");
    }
    assert!(!said.contains("CANARY"), "{said}");
}

#[test]
fn credentials_in_a_url_are_refused_without_being_shown() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let config = site.config(&receiver.url());
    for key in ["url", "proxy"] {
        let config = config.clone().endpoint(key, "http://CANARY:CANARY@127.0.0.1:1");
        let output = finish(config.command(&["check"]));
        assert_eq!(output.status.code(), Some(78), "{}", output.stdout);
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(
            said.contains(&format!("endpoint.crm.{key}")) && !said.contains("CANARY"),
            "{said}"
        );
    }
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
        assert!(!line.raw.contains("CANARY"), "{}", line.raw);
    }
}

struct Case {
    site: Site,
    config: Config,
    watchd: Option<Watchd>,
    /// The lines of a PEM file, which are secret each.
    key: Vec<String>,
    /// Keep their ports until the case ends.
    _receivers: (Receiver, Receiver, Hostile, Hostile),
}

impl Case {
    /// Four endpoints: one whose receiver gives all kinds of answers, one whose receiver repeats all it was
    /// sent, one that wants a client certificate, and one behind a proxy that breaks.
    fn after_all_kinds_of_answers() -> Self {
        let (receiver, echo, site) =
            (Receiver::down_at_first(), Receiver::scripted(repeat), Site::new());
        let ca = Authority::new("test");
        let strict = Hostile::tls(ca.strict_server());
        let proxy = Hostile::new(|visit| {
            visit.head();
            visit.send("HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n");
        });
        let (cert, key) = ca.client();
        let file = |name: &str, content: &str| {
            fs::write(site.path(name), content).unwrap();
            site.path(name).to_str().unwrap().to_owned()
        };
        let header = file("header", HEADER_FILE_CANARY);
        let own = file("asymmetric", ASYMMETRIC);
        let config = endpoint(&site.config(&secret_url(&receiver)), "crm", &header)
            .add_endpoint("echo", &secret_url(&echo))
            .set("endpoint.echo", "attempts", 1)
            .set("endpoint.echo", "secret_files", vec![own])
            .add_endpoint("strict", &secret(&strict.url("https")))
            .set("endpoint.strict", "ca_file", file("ca.pem", &ca.pem))
            .set("endpoint.strict", "client_cert_file", file("cert.pem", &cert))
            .set("endpoint.strict", "client_key_file", file("key.pem", &key))
            .add_endpoint("proxied", &secret("https://receiver.example/hook"))
            .set("endpoint.proxied", "proxy", proxy.url("http").trim_end_matches("/hook"))
            .watch("endpoints", vec!["crm", "echo", "strict", "proxied"]);
        let config = ["echo", "strict", "proxied"]
            .iter()
            .fold(config, |config, name| endpoint(&config, name, &header))
            .set("http", "listen", "127.0.0.1:0")
            .log_filter("trace");
        let watchd = config.ready();
        disk::create_many(&site.root(), "secret", 5);
        watchd.wait_for(said::RETRY);
        receiver.script(all_kinds(&secret_url(&receiver)));
        receiver.come_up();
        receiver.wait_for("every kind of answer was given", |record| {
            (record.requests.len() >= 9 && record.accepted >= 1).then_some(())
        });
        let told =
            [("echo", "given up"), ("strict", said::DELIVERED), ("proxied", "endpoint failing")];
        for (name, message) in told {
            watchd.wait_for_log(&format!("{message}: {name}"), |line| {
                line.says(message) && line.field("endpoint").as_deref() == Some(name)
            });
        }
        let key =
            key.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned).collect();
        Self {
            site,
            config,
            watchd: Some(watchd),
            key,
            _receivers: (receiver, echo, strict, proxy),
        }
    }

    fn stop(&mut self) {
        if let Some(watchd) = self.watchd.take() {
            watchd.stop();
        }
    }
}

/// Gives an endpoint headers of its own, and short limits.
fn endpoint(config: &Config, name: &str, header_file: &str) -> Config {
    let table = format!("endpoint.{name}");
    config
        .clone()
        .set(&format!("{table}.headers"), "x-key", HEADER_CANARY)
        .set(&format!("{table}.header_files"), "authorization", header_file)
        .set(&table, "timeout", "1s")
        .set(&table, "connect_timeout", "1s")
}

/// What many frameworks do in their debug mode; some show the URL as they have understood it.
fn repeat(request: &Request) -> Reply {
    let headers: Vec<_> =
        request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let understood = request.line.replace("%2F", "/").replace("%20", " ").replace("%3D", "=");
    let key = understood.split("key=").nth(1).and_then(|rest| rest.split("==").next());
    let body = format!(
        "no such hook: {}\n{}\nbad key {}==, or as JSON: {}\n",
        request.line,
        headers.join("\n"),
        key.unwrap_or_default(),
        understood.replace('/', "\\/")
    );
    let head = format!("HTTP/1.1 500 No\r\nContent-Length: {}\r\n\r\n", body.len());
    Reply::Raw(format!("{head}{body}").into_bytes())
}

fn all_kinds(url: &str) -> impl FnMut(&Request) -> Reply + Send + 'static {
    let mut turn = 0;
    let location = format!("Location: {url}\r\n");
    move |request| {
        turn += 1;
        match turn {
            1 => Reply::Status(503),
            2 => Reply::Reset,
            3 => Reply::Never,
            4 => Reply::Raw(b"this is no HTTP\r\n\r\n".to_vec()),
            5 => Reply::Close,
            6 => repeat(request),
            7 => Reply::Headers(302, location.clone()),
            _ => Reply::Status(200),
        }
    }
}

fn secret_url(receiver: &Receiver) -> String {
    secret(&receiver.url())
}

fn secret(url: &str) -> String {
    let target = format!("/{PATH_CANARY}?token={QUERY_CANARY}&key={ENCODED_CANARY}");
    url.replace("/hook", &target)
}

impl Case {
    fn dead_letter(&self) -> String {
        let args = ["events", "list", "--json", "--state", "dead"];
        let listed = finish(self.config.command(&args)).stdout;
        let first: serde_json::Value =
            serde_json::from_str(listed.lines().next().unwrap()).unwrap();
        first["event"].as_str().expect("an event id").to_owned()
    }

    fn assert_clean(&self, place: &str, bytes: &[u8]) {
        let encoded = [SECRET, ASYMMETRIC].map(|text| text.split_once('_').unwrap().1);
        let decoded = encoded.map(|text| BASE64_STANDARD.decode(text).unwrap());
        let canaries = [b"CANARY".as_slice()]
            .into_iter()
            .chain(encoded.iter().map(|text| text.as_bytes()))
            .chain(decoded.iter().map(Vec::as_slice))
            .chain(self.key.iter().map(String::as_bytes));
        for canary in canaries {
            let found = bytes.windows(canary.len()).position(|window| window == canary);
            if let Some(at) = found {
                let around = &bytes[at.saturating_sub(80)..(at + 80).min(bytes.len())];
                panic!("a secret in {place}: ...{}...", String::from_utf8_lossy(around));
            }
        }
    }
}
