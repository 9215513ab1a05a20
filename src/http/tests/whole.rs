//! Whole answers, from the corpus of what is fuzzed: a socket brings what memory does.

use crate::{fuzz::tests::corpus, http::fuzz};

use super::*;

/// What a lane is told, in words; of half a head the fault depends on how it arrives.
fn told(result: &Result<Reply, Fault>) -> String {
    match result {
        Ok(reply) => {
            let Reply { status, retry_after, date, location, excerpt, .. } = reply;
            format!("{status} {retry_after:?} {date:?} {location:?} {excerpt:?}")
        }
        Err(Fault::Protocol | Fault::ConnectionLost) => "no answer".to_owned(),
        Err(other) => format!("{other:?}"),
    }
}

#[test]
fn an_answer_over_a_socket_is_the_answer_that_is_fuzzed() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (name, bytes) in corpus("response") {
        let from_memory = fuzz::ask(&bytes, fuzz::Manner::default()).result;
        let receiver = Receiver::new(move |stream, _| {
            drop(stream.get_mut().write_all(&bytes));
            drop(stream.get_mut().shutdown(Shutdown::Write));
        });
        let url = SecretUrl::parse(&receiver.url).unwrap();
        let client = Client::open(Settings::direct(&url, Duration::from_mins(1))).unwrap();
        let from_socket = runtime.block_on(post(&client));
        assert_eq!(told(&from_socket), told(&from_memory), "{name}");
    }
}
