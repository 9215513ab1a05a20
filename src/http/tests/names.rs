//! The guard between a name and a connection, with a resolver that lies.

use std::{future::ready, net::IpAddr, sync::Mutex};

use super::*;

/// Gives one answer after the other; the last repeats.
struct Names(Mutex<Vec<Vec<&'static str>>>);

impl LookUp for Names {
    fn look_up(
        &self,
        _: &str,
    ) -> std::pin::Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>> {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        let addresses = answer.iter().map(|text| text.parse().unwrap()).collect();
        Box::pin(ready(Ok(addresses)))
    }
}

/// Says what resolvers say.
struct Fails(&'static str);

impl LookUp for Fails {
    fn look_up(
        &self,
        _: &str,
    ) -> std::pin::Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>> {
        Box::pin(ready(Err(std::io::Error::other(self.0))))
    }
}

fn resolved_by(url: &str, names: impl LookUp + 'static) -> Client {
    let url = SecretUrl::parse(url).unwrap();
    Client::open_with(settings(&url), Arc::new(names)).unwrap()
}

fn named(receiver: &Receiver, answers: &[&[&'static str]]) -> Client {
    let url = receiver.url.replace("127.0.0.1", "receiver.example");
    let answers = answers.iter().map(|answer| answer.to_vec()).collect();
    resolved_by(&url, Names(Mutex::new(answers)))
}

/// Closes after each answer, so that each request looks the name up.
fn once_each() -> Receiver {
    Receiver::fixed("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
}

#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    let receiver = once_each();
    let client = named(&receiver, &[&["127.0.0.1"], &["169.254.169.254"], &["127.0.0.1"]]);
    assert_eq!(post(&client).await.unwrap().status, 200);
    assert_eq!(post(&client).await.unwrap_err(), Fault::Blocked(Barred::Special));
    assert_eq!(post(&client).await.unwrap().status, 200);
    assert_eq!(receiver.connections(), 2);
}

#[tokio::test]
async fn of_several_addresses_only_those_that_may_be_asked_are() {
    let receiver = once_each();
    let client = named(&receiver, &[&["169.254.169.254", "::ffff:0.0.0.0", "127.0.0.1"]]);
    assert_eq!(post(&client).await.unwrap().status, 200);
    let client = named(&receiver, &[&["169.254.169.254", "::ffff:0.0.0.0"]]);
    assert_eq!(post(&client).await.unwrap_err(), Fault::Blocked(Barred::Special));
}

#[tokio::test]
async fn private_addresses_are_refused_on_request_as_name_and_as_literal() {
    let receiver = once_each();
    let by_name = SecretUrl::parse(&receiver.url.replace("127.0.0.1", "receiver.example")).unwrap();
    let literal = SecretUrl::parse(&receiver.url).unwrap();
    for url in [&by_name, &literal] {
        let names = || Arc::new(Names(Mutex::new(vec![vec!["127.0.0.1"]])));
        let strict = Settings { deny_private: true, ..settings(url) };
        let client = Client::open_with(strict, names()).unwrap();
        assert_eq!(post(&client).await.unwrap_err(), Fault::Blocked(Barred::Private));
        assert_eq!(client.walk().await.fault, Some(Fault::Blocked(Barred::Private)));
        let allow = ["127.0.0.0/8".parse().unwrap()];
        let client = Client::open_with(Settings { allow: &allow, ..strict }, names()).unwrap();
        assert_eq!(post(&client).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn metadata_services_are_never_asked() {
    for url in [
        "http://169.254.169.254/",
        "http://[fe80::1]/",
        "http://0.0.0.0/",
        "http://2852039166/",
        "http://0xa9.0xfe.0xa9.0xfe/",
        "http://0251.0376.0251.0376/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:a9fe:a9fe::1]/",
        "https://169.254.169.254/",
    ] {
        let want = Fault::Blocked(Barred::Special);
        assert_eq!(post(&client(url)).await.unwrap_err(), want, "{url}");
        assert_eq!(client(url).walk().await.fault, Some(want), "{url}");
    }
}

/// The third net, behind the resolver and the literal: whatever was connected to is judged.
#[tokio::test]
async fn a_connection_is_judged_before_a_byte_is_sent() {
    use tower_layer::Layer as _;
    use tower_service::Service as _;

    let receiver = once_each();
    let uri: hyper::Uri = receiver.url.parse().unwrap();
    let connector = hyper_util::client::legacy::connect::HttpConnector::new();
    let boxed = |guard| {
        let inner = Boxed(connector.clone());
        Gate(Arc::new(guard)).layer(inner)
    };
    let mut open = boxed(Guard::default());
    assert!(open.call(uri.clone()).await.is_ok());
    let mut strict = boxed(Guard { deny_private: true, allow: vec![] });
    let refused = strict.call(uri).await.err().unwrap();
    assert!(refused.is::<dial::BarredAddress>(), "{refused}");
}

/// The connector with the error type that the library's own has.
#[derive(Clone)]
struct Boxed(hyper_util::client::legacy::connect::HttpConnector);

impl tower_service::Service<hyper::Uri> for Boxed {
    type Response = hyper_util::rt::TokioIo<tokio::net::TcpStream>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: hyper::Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move { Ok(connecting.await?) })
    }
}

#[tokio::test]
async fn no_resolver_is_this_machines_fault_and_no_address_is_the_names() {
    let again = "failed to lookup address information: Temporary failure in name resolution";
    let musl = "failed to lookup address information: Try again";
    let unknown = "failed to lookup address information: Name or service not known";
    for (text, local) in [(again, true), (musl, true), (unknown, false)] {
        let client = resolved_by("http://receiver.example/", Fails(text));
        let fault = post(&client).await.unwrap_err();
        assert_eq!(matches!(fault, Fault::Local(_)), local, "{text}: {fault:?}");
        assert_eq!(client.walk().await.fault, Some(fault), "{text}");
        assert!(local || fault == Fault::Dns);
    }
}
