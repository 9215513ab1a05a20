//! P3 and P10, where keys change: receivers that check every signature, and refuse what they cannot check.

use std::{collections::BTreeMap, fs, io::Write, path::Path, process::Stdio, sync::Arc};

use serde_json::{Value, json};

use super::p11_bad_input::create_every_kind_of_name;
use crate::harness::{
    Receiver, Reply, Request, Site, disk, helpers::python_package, log::said, signature,
    site::SECRET, skipped,
};

const NEW_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
/// Published with its public key in the tests of Svix's server.
const PRIVATE_KEY: &str =
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
const PUBLIC_KEY: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";

fn signatures(request: &Request) -> Vec<&str> {
    request.header("webhook-signature").unwrap_or_default().split(' ').collect()
}

fn is_signed_by(secret: &str, request: &Request) -> bool {
    let sent = request.header("webhook-timestamp").unwrap_or_default();
    let expected = signature::v1(secret, request.id(), sent, &request.body);
    signatures(request).contains(&expected.as_str())
}

fn knows_only(secret: &'static str) -> impl FnMut(&Request) -> Reply + Send + 'static {
    move |request| Reply::Status(if is_signed_by(secret, request) { 200 } else { 401 })
}

#[test]
fn a_receiver_changes_over_from_one_secret_to_the_next_without_refusing_a_request() {
    let (receiver, site) = (Receiver::scripted(knows_only(SECRET)), Site::new());
    fs::write(site.path("new"), NEW_SECRET).unwrap();
    let file = |name: &str| site.path(name).to_str().unwrap().to_owned();
    let old = site.config(&receiver.url());
    let both = old.clone().endpoint("secret_files", vec![file("new"), file("secret")]);
    let new = old.clone().endpoint("secret_files", vec![file("new")]);
    let watchd = old.ready();
    receiver.wait_for_paths(&disk::create_many(&site.root(), "old", 20));
    both.reload(&watchd);
    receiver.wait_for_paths(&disk::create_many(&site.root(), "both", 20));
    receiver.script(knows_only(NEW_SECRET));
    receiver.wait_for_paths(&disk::create_many(&site.root(), "changed", 20));
    new.reload(&watchd);
    receiver.wait_for_paths(&disk::create_many(&site.root(), "new", 20));
    watchd.stop();
    receiver.assert_no_duplicates();
    receiver.read(|record| {
        assert_eq!(record.requests.len(), record.accepted, "every request was accepted");
        let last = record.requests.last().unwrap();
        assert!(!is_signed_by(SECRET, last), "the old secret signs no more");
    });
}

#[test]
fn a_receiver_that_holds_only_the_public_key_verifies_v1a() {
    let site = Site::new();
    let verified = |request: &Request| {
        let sent = request.header("webhook-timestamp").unwrap_or_default();
        let is_good =
            |one: &&str| signature::is_v1a(PUBLIC_KEY, one, request.id(), sent, &request.body);
        signatures(request).iter().filter(|one| is_good(one)).count()
    };
    let receiver =
        Receiver::scripted(move |r| Reply::Status(if verified(r) == 1 { 200 } else { 401 }));
    fs::write(site.path("key"), format!("{PRIVATE_KEY}\n")).unwrap();
    let files = ["key", "secret"].map(|name| site.path(name).to_str().unwrap().to_owned());
    let watchd = site.config(&receiver.url()).endpoint("secret_files", files.to_vec()).ready();
    receiver.wait_for_paths(&disk::create_many(&site.root(), "asymmetric", 20));
    watchd.stop();
    for request in receiver.read(|record| record.requests.clone()) {
        assert_eq!(verified(&request), 1);
        assert_eq!(signatures(&request).len(), 2, "one signature for each secret");
        assert!(is_signed_by(SECRET, &request), "and the other kind beside it");
    }
}

/// Replaces a file as an operator's tool does: whole, by rename.
fn put(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

#[test]
fn after_a_401_the_secret_that_is_in_the_file_by_then_signs_without_a_restart_or_a_reload() {
    let (receiver, site) = (Receiver::scripted(knows_only(NEW_SECRET)), Site::new());
    let watchd = site.config(&receiver.url()).ready();
    let paths = disk::create_many(&site.root(), "refused", 10);
    // The first opens the breaker; the others take turns in probing, until all is due at once.
    receiver.wait_for_requests(3);
    put(&site.path("secret"), NEW_SECRET);
    receiver.wait_for_paths(&paths);
    assert_eq!(watchd.count(said::RELOADED), 0);
    watchd.stop();
    receiver.assert_no_duplicates();
    let requests = receiver.read(|record| record.requests.clone());
    let first = requests.iter().position(|r| is_signed_by(NEW_SECRET, r)).unwrap();
    assert!(first >= 3 && requests[..first].iter().all(|r| is_signed_by(SECRET, r)));
    assert!(
        requests[first..].iter().all(|r| is_signed_by(NEW_SECRET, r)),
        "never the old one again"
    );
}

#[test]
fn after_a_403_the_token_that_is_in_the_header_file_by_then_is_sent() {
    let site = Site::new();
    let receiver = Receiver::scripted(|request| {
        let is_new = request.header("authorization") == Some("Bearer new");
        Reply::Status(if is_new { 200 } else { 403 })
    });
    put(&site.path("token"), "Bearer old\n");
    let token = site.path("token").to_str().unwrap().to_owned();
    let config = site.config(&receiver.url());
    let watchd = config.set("endpoint.crm.header_files", "authorization", token).ready();
    let paths = disk::create_many(&site.root(), "refused", 10);
    receiver.wait_for_requests(3);
    put(&site.path("token"), "Bearer new\n");
    receiver.wait_for_paths(&paths);
    assert_eq!(watchd.count(said::RELOADED), 0);
    watchd.stop();
    receiver.assert_no_duplicates();
}

/// Differential: the official library for Python, on deliveries in every format.
#[test]
fn the_official_library_for_python_accepts_every_delivery_and_nothing_that_was_changed() {
    let site = Site::new();
    let library = match python_package("standardwebhooks==1.1.0", &site.path("python")) {
        Ok(library) => library,
        Err(why) => return skipped(&format!("the Python library cannot be had: {why}")),
    };
    for format in ["json", "cloudevents", "cloudevents-binary"] {
        let (receiver, site) = (Receiver::up(), Site::new());
        fs::write(site.path("old"), NEW_SECRET).unwrap();
        let files = ["secret", "old"].map(|name| site.path(name).to_str().unwrap().to_owned());
        let config = site.config(&receiver.url()).endpoint("secret_files", files.to_vec());
        let config = config.endpoint("format", format).watch("default_excludes", false);
        let watchd = config.ready();
        receiver.wait_for_paths(&create_every_kind_of_name(&site));
        watchd.stop();
        let verdicts = judged_by_python(&library, &receiver.read(|record| record.requests.clone()));
        assert!(verdicts.len() >= 20, "{verdicts:?}");
        for verdict in verdicts {
            assert_eq!(
                verdict,
                json!(["same", "accepted", "accepted", "refused", "refused"]),
                "{format}"
            );
        }
    }
}

/// For each request: whether the library signs alike with both secrets; what it says of the delivery by each of
/// them, of a body that was changed, and of a secret that is none of them.
fn judged_by_python(library: &Path, requests: &[Arc<Request>]) -> Vec<Value> {
    const DRIVER: &str = "
import datetime, json, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
def says(secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
        return 'accepted'
    except WebhookVerificationError:
        return 'refused'
given = json.load(sys.stdin)
for one in given['requests']:
    headers, body, secrets = one['headers'], one['body'], given['secrets']
    at = datetime.datetime.fromtimestamp(int(headers['webhook-timestamp']), tz=datetime.timezone.utc)
    signed = ' '.join(Webhook(s).sign(headers['webhook-id'], at, body) for s in secrets)
    print(json.dumps(['same' if signed == headers['webhook-signature'] else signed]
        + [says(s, body, headers) for s in secrets]
        + [says(secrets[0], body.replace('{', '{ ', 1), headers), says(given['stranger'], body, headers)]))
";
    let request = |request: &Arc<Request>| {
        let headers: BTreeMap<_, _> = request.headers.iter().cloned().collect();
        json!({"headers": headers, "body": String::from_utf8(request.body.clone()).unwrap()})
    };
    let input = json!({
        "secrets": [SECRET, NEW_SECRET], "stranger": "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "requests": requests.iter().map(request).collect::<Vec<_>>(),
    });
    let mut python = std::process::Command::new("python3")
        .args(["-c", DRIVER])
        .env("PYTHONPATH", library)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "the library runs");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
