//! Each way in which TLS fails: it is said in clear words, nothing is handed over, nothing is lost, and the event
//! goes out when it is put right.

use std::fs;

use crate::{certificates::Authority, site::Site};

const VALID: i32 = 2100;
const EXPIRED: i32 = 2020;

async fn over_tls(receiver_files: &[&'static str]) -> (Site, Authority) {
    let site = Site::new().await.receiver_over_tls(receiver_files);
    let site = site.endpoint("ca_file", "\"/site/tls/ca.pem\"");
    let authority = Authority::new(&site.path("tls"), "ca");
    (site, authority)
}

/// The fault is said about a file that lands; `mend` ends it. The next file finds that out, and both are
/// delivered, once each.
async fn is_said_and_mended(site: &Site, words: &str, mend: impl FnOnce()) {
    let receiver = site.receiver().await;
    let daemon = site.watchd("watchd").await;
    let paths = site.drop_files("secret", 1);
    daemon.wait_for_failure(&paths[0], words).await;
    assert_eq!(site.record().requests_for(&paths[0]), 0, "nothing was handed over");

    mend();
    site.engine.kill(&site.receiver_name()).await;
    receiver.start().await.expect("it starts again");
    let all = [paths, site.drop_files("next", 1)].concat();
    site.wait_until_complete(&all).await;
    for path in &all {
        daemon.wait_until_delivered(path).await;
        assert_eq!(site.record().requests_for(path), 1);
    }
}

#[tokio::test]
async fn an_expired_certificate_is_named_and_a_new_one_lets_the_event_through() {
    let (site, authority) = over_tls(&["server.pem", "server.key"]).await;
    let (tls, host) = (site.path("tls"), site.receiver_name());
    authority.sign(&tls, "server", &host, EXPIRED);
    let mend = || authority.sign(&tls, "server", &host, VALID);
    is_said_and_mended(&site, "certificate has expired", mend).await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_named_and_a_right_one_lets_the_event_through() {
    let (site, authority) = over_tls(&["server.pem", "server.key"]).await;
    let (tls, host) = (site.path("tls"), site.receiver_name());
    authority.sign(&tls, "server", "other.example.net", VALID);
    let mend = || authority.sign(&tls, "server", &host, VALID);
    is_said_and_mended(&site, "certificate is for another host name", mend).await;
}

#[tokio::test]
async fn an_unknown_authority_is_named_and_a_certificate_of_a_known_one_lets_the_event_through() {
    let (site, authority) = over_tls(&["server.pem", "server.key"]).await;
    let (tls, host) = (site.path("tls"), site.receiver_name());
    Authority::new(&tls, "unknown").sign(&tls, "server", &host, VALID);
    let mend = || authority.sign(&tls, "server", &host, VALID);
    is_said_and_mended(&site, "ca_file", mend).await;
}

#[tokio::test]
async fn a_receiver_that_wants_a_client_certificate_is_named_and_gets_the_event_when_it_wants_none()
{
    let (site, authority) = over_tls(&["server.pem", "server.key", "clients.pem"]).await;
    let tls = site.path("tls");
    authority.sign(&tls, "server", &site.receiver_name(), VALID);
    Authority::new(&tls, "clients");
    let mend = || fs::remove_file(tls.join("clients.pem")).expect("it is there");
    is_said_and_mended(&site, "set client_cert_file and client_key_file", mend).await;
}

#[tokio::test]
async fn a_receiver_that_wants_a_client_certificate_gets_the_event_with_one() {
    let (site, authority) = over_tls(&["server.pem", "server.key", "clients.pem"]).await;
    let tls = site.path("tls");
    authority.sign(&tls, "server", &site.receiver_name(), VALID);
    Authority::new(&tls, "clients").sign(&tls, "client", "client.example.net", VALID);
    let site = site
        .endpoint("client_cert_file", "\"/site/tls/client.pem\"")
        .endpoint("client_key_file", "\"/site/tls/client.key\"");
    let _receiver = site.receiver().await;
    let _daemon = site.watchd("watchd").await;
    let paths = site.drop_files("secret", 3);
    site.wait_until_complete(&paths).await;
}
