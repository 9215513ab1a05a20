//! The contract on the wire (part of P3 and P11): every header, every key of the body, the signature as
//! the specification has it, and as the README tells receivers to check it.

use std::{collections::BTreeSet, fs, io::Write, process::Stdio, sync::Arc};

use crate::harness::{
    Receiver, Reply, Request, Site, disk, helpers::have, signature, site::SECRET, skipped,
};

const OTHER_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn one_delivery(target: &str) -> (Site, Arc<Request>) {
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url_of(target)).ready();
    fs::create_dir(site.root().join("sub")).unwrap();
    disk::create(&site.root().join("sub"), "a b.csv");
    let request = receiver.wait_for_file("a b.csv");
    watchd.stop();
    (site, request)
}

#[test]
fn a_request_has_the_headers_of_the_contract_and_no_others() {
    let (_site, request) = one_delivery("/hooks/in?box=7&x=%20y");
    assert_eq!(request.line, "POST /hooks/in?box=7&x=%20y HTTP/1.1");
    let mut names: Vec<_> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.retain(|name| *name != "accept"); // reqwest insists on it, and `*/*` asks for nothing
    names.sort_unstable();
    let expected = [
        "content-length",
        "content-type",
        "host",
        "traceparent",
        "user-agent",
        "watchd-attempt",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    ];
    assert_eq!(names, expected);
    assert_eq!(request.header("content-type"), Some("application/json"));
    let agent = format!("watchd/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(request.header("user-agent"), Some(agent.as_str()));
    assert_eq!(request.header("watchd-attempt"), Some("1"));
    let hex = request.id().strip_prefix("evt_").expect("the id begins with evt_");
    let trace = request.header("traceparent").unwrap();
    assert!(trace.starts_with(&format!("00-{hex}-")) && trace.len() == 55, "{trace}");
    assert_eq!(hex.len(), 32);
    assert!(hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{hex}");
}

#[test]
fn a_body_has_the_keys_of_the_contract_and_no_others() {
    let (site, request) = one_delivery("/hook");
    let keys = |value: &serde_json::Value| -> BTreeSet<String> {
        value.as_object().expect("an object").keys().cloned().collect()
    };
    let set =
        |names: &[&str]| -> BTreeSet<String> { names.iter().map(|n| (*n).to_owned()).collect() };
    assert_eq!(keys(&request.json), set(&["type", "timestamp", "data"]));
    let data = [
        "id",
        "instance",
        "host",
        "watch",
        "path",
        "rel_path",
        "name",
        "path_b64",
        "size",
        "mtime",
        "generation",
        "previous_id",
        "initial",
    ];
    assert_eq!(keys(&request.json["data"]), set(&data));
    let path = site.root().join("sub/a b.csv");
    assert_eq!(request.json["type"], "file.landed");
    assert_eq!(request.data("id"), request.id());
    assert_eq!(request.data("watch"), "inbox");
    assert_eq!(request.data("path"), path.to_str().unwrap());
    assert_eq!(request.data("rel_path"), "sub/a b.csv");
    assert_eq!(request.data("name"), "a b.csv");
    assert_eq!(request.data("size"), fs::metadata(&path).unwrap().len());
    assert_eq!(request.data("initial"), false);
    for time in [&request.json["timestamp"], request.data("mtime")] {
        let time = time.as_str().unwrap();
        assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T', "RFC 3339 in UTC: {time}");
    }
}

#[test]
fn the_signature_verifies_by_a_second_implementation() {
    let (_site, request) = one_delivery("/hook");
    assert_eq!(request.header("webhook-signature"), Some(signed(SECRET, &request).as_str()));
}

#[test]
fn every_secret_signs_in_the_order_of_the_configuration() {
    let (receiver, site) = (Receiver::up(), Site::new());
    fs::write(site.path("older"), OTHER_SECRET).unwrap();
    let files = ["secret", "older"].map(|name| site.path(name).to_str().unwrap().to_owned());
    let config = site.config(&receiver.url()).endpoint("secret_files", files.to_vec());
    let watchd = config.ready();
    disk::create(&site.root(), "a.dat");
    let request = receiver.wait_for_file("a.dat");
    watchd.stop();
    let both = format!("{} {}", signed(SECRET, &request), signed(OTHER_SECRET, &request));
    assert_eq!(request.header("webhook-signature"), Some(both.as_str()));
}

#[test]
fn without_a_secret_there_is_no_signature() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url()).without("endpoint.crm", "secret_files").ready();
    disk::create(&site.root(), "a.dat");
    let request = receiver.wait_for_file("a.dat");
    watchd.stop();
    assert_eq!(request.header("webhook-signature"), None);
    assert!(request.header("webhook-timestamp").is_some());
}

#[test]
fn each_attempt_is_signed_for_its_own_time() {
    let site = Site::new();
    let receiver = Receiver::scripted(|r| Reply::Status(if r.attempt() == 1 { 500 } else { 200 }));
    let watchd = site.config(&receiver.url()).endpoint("retry_delays", vec!["2s"]).ready();
    disk::create(&site.root(), "a.dat");
    receiver.wait_for_requests(2);
    watchd.stop();
    let requests = receiver.read(|record| record.requests.clone());
    for request in &requests {
        assert_eq!(request.header("webhook-signature"), Some(signed(SECRET, request).as_str()));
    }
}

#[test]
fn connections_are_kept_and_used_again() {
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url()).ready();
    let paths = disk::create_many(&site.root(), "kept", 200);
    receiver.wait_for_paths(&paths);
    watchd.stop();
    let connections = receiver.read(|record| record.requests.iter().map(|r| r.connection).max());
    assert!(connections <= Some(20), "{connections:?} connections for 200 requests");
}

#[test]
fn the_python_of_the_readme_accepts_a_delivery_and_refuses_a_forged_one() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let marked = readme.split_once("<!-- verify.py -->").expect("README.md marks its snippet").1;
    let block = marked.split_once("```python\n").expect("a fenced block follows").1;
    let snippet = block.split_once("```").expect("the fenced block ends").0;
    if !have("python3") {
        return skipped("python3 is not installed");
    }
    let (_site, request) = one_delivery("/hook");
    let genuine = String::from_utf8(request.body.clone()).unwrap();
    let forged = genuine.replace("a b.csv", "evil.sh");
    assert_ne!(genuine, forged);
    assert!(python_accepts(snippet, SECRET, &request, &genuine), "the delivery as it came");
    assert!(!python_accepts(snippet, SECRET, &request, &forged), "a body that was changed");
    assert!(!python_accepts(snippet, OTHER_SECRET, &request, &genuine), "another secret");
}

/// Calls `verify(secret, headers, body)` of the snippet; raising or returning a false value refuses.
fn python_accepts(snippet: &str, secret: &str, request: &Request, body: &str) -> bool {
    let headers: std::collections::BTreeMap<_, _> =
        request.headers.iter().map(|(name, value)| (name, value)).collect();
    let input = serde_json::json!({"secret": secret, "headers": headers, "body": body});
    let driver = "
import json, sys
given = json.load(sys.stdin)
sys.exit(0 if verify(given['secret'], given['headers'], given['body'].encode()) in (None, True) else 1)
";
    let mut python = std::process::Command::new("python3")
        .args(["-c", &format!("{snippet}\n{driver}")])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    python.wait().unwrap().success()
}

fn signed(secret: &str, request: &Request) -> String {
    let timestamp = request.header("webhook-timestamp").unwrap();
    signature::v1(secret, request.id(), timestamp, &request.body)
}
