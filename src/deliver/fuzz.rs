//! What strangers say to a lane, and what the journal hands it: whatever the bytes, these hold.
#![expect(
    clippy::missing_panics_doc,
    reason = "to panic is how it says that something does not hold"
)]

use std::{collections::BTreeMap, time::Duration};

use serde_json::value::RawValue;

use super::{
    cloud_events::{CloudEvent, SUBJECT_LEN_MAX},
    excerpt::{EXCERPT_CHARS_MAX, Redactor},
    lane::Outcome,
    open::Terms,
    reading,
    retry_after::{RETRY_AFTER_MAX, floor, unix_seconds},
    verdict::Class,
};
use crate::{
    arrival::{EventId, UrlPrint},
    clock::WallMs,
    config::checked::{SecretUrl, Statuses},
    http::{
        self, BODY_LEN_MAX, EXCERPT_LEN_MAX, Fault, HeaderMap, Reply,
        fuzz::{Manner, Read},
    },
};

/// Sun, 06 Nov 1994 08:49:37 GMT, the instant of RFC 9110's examples.
const NOW: WallMs = WallMs(784_111_777_000);
/// Every clock that a machine can have.
const CLOCKS: [WallMs; 4] = [NOW, WallMs(0), WallMs(i64::MIN), WallMs(i64::MAX)];

/// The path of the URL that is asked: some receivers quote it.
const TOKEN: &str = "T0KENT0KEN";
/// A header that is sent: some receivers quote that, too.
const PASSWORD: &str = "c4nary-c4nary";

/// Bytes that a body of [`BODY_LEN_MAX`] can take on the wire: chunks of one byte (`1\r\nx\r\n`), hyper's limits for
/// what may stand beside them, and what it reads ahead.
const WIRE_LEN_MAX: usize = 6 * BODY_LEN_MAX + 64 * 1024;

/// Lines: the receiver's `Date`, which may be empty for none, then each `Retry-After`.
pub fn retry_after(bytes: &[u8]) {
    let mut lines = bytes.split(|b| *b == b'\n');
    let date = lines.next().filter(|date| !date.is_empty());
    let values: Vec<&[u8]> = lines.collect();
    for now in CLOCKS {
        let of = |values: &[&[u8]]| floor(values.iter().copied(), date, now);
        let longest = of(&values);
        assert!(longest.is_none_or(|pause| pause > Duration::ZERO && pause <= RETRY_AFTER_MAX));
        assert_eq!(longest, values.iter().filter_map(|value| of(&[value])).max(), "the largest");
        for value in &values {
            let padded = [b" \t", *value, b"\t "].concat();
            assert_eq!(of(&[&padded]), of(&[value]), "white space around a value");
            let bare = value.trim_ascii();
            if !bare.is_empty() && bare.iter().all(u8::is_ascii_digit) {
                assert_eq!(of(&[value]), seconds_of(bare), "seconds need no clock");
            } else {
                assert_eq!(floor([*value], Some(value), now), None, "no date is after itself");
            }
        }
    }
    date.into_iter().chain(values).for_each(is_an_instant_that_can_be_written);
}

/// Digits, as a person would read them.
fn seconds_of(digits: &[u8]) -> Option<Duration> {
    let day = RETRY_AFTER_MAX.as_secs();
    let more = |sum: u64, digit: &u8| (sum * 10 + u64::from(digit - b'0')).min(day);
    Some(digits.iter().fold(0, more)).filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

/// A date is of years that have a date form, and is the same instant when it is written again.
fn is_an_instant_that_can_be_written(date: &[u8]) {
    let Some(seconds) = unix_seconds(date) else { return };
    assert!((0..253_402_300_800).contains(&seconds), "1970 to 9999: {seconds}");
    // Its last day is the one before the last of 9999, so that no time zone leaves that year.
    let Ok(time) = jiff::Timestamp::from_second(seconds) else { return };
    let written = time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    assert_eq!(unix_seconds(written.as_bytes()), Some(seconds), "{written}");
}

/// The whole answer of a receiver, from the first byte to the end of the connection.
pub fn response(bytes: &[u8]) {
    let whole = http::fuzz::ask(bytes, Manner::default());
    let piece = if bytes.len() < 512 { 1 } else { 61 };
    let torn = http::fuzz::ask(bytes, Manner { piece, is_endless: false });
    for signed in [false, true] {
        let outcome = outcome(&whole.result, signed);
        obeys(bytes, &whole, &outcome);
        let in_pieces = self::outcome(&torn.result, signed);
        assert_eq!(in_pieces.class, outcome.class, "in pieces of {piece}: {in_pieces:?}");
        // Of half a head hyper says that it is wrong, or that there is no more of it, as it comes.
        if whole.result.is_ok() || torn.result.is_ok() {
            assert_eq!(format!("{in_pieces:?}"), format!("{outcome:?}"), "in pieces of {piece}");
        }
    }
    if let Ok(reply) = &whole.result {
        let endless = http::fuzz::ask(bytes, Manner { piece: 4096, is_endless: true });
        let status = endless.result.as_ref().map(|reply| reply.status);
        assert_eq!(status.ok(), Some(reply.status), "the head was whole");
        assert!(endless.taken <= bytes.len() + WIRE_LEN_MAX, "{} bytes read", endless.taken);
    }
}

fn outcome(result: &Result<Reply, Fault>, signed: bool) -> Outcome {
    let url = SecretUrl::parse(&format!("https://example.net/hook/{TOKEN}"));
    let password = format!("Bearer {PASSWORD}");
    let redactor = url.map(|url| Redactor::of(&url, [password.as_bytes()])).unwrap_or_default();
    let (statuses, took) = (Statuses::default(), Duration::from_millis(5));
    let terms = Terms { redactor, print: UrlPrint([7; 16]), signed };
    let with = reading::Read { terms: &terms, statuses: &statuses, now: NOW, took };
    reading::outcome(result, &with)
}

fn obeys(bytes: &[u8], read: &Read, outcome: &Outcome) {
    let refusal = &outcome.refusal;
    match &read.result {
        Ok(reply) => {
            assert!((100..=999).contains(&reply.status), "{}", reply.status);
            let is_success = (200..=299).contains(&reply.status);
            assert_eq!(outcome.class == Class::Ok, is_success, "{}: {outcome:?}", reply.status);
            assert!(reply.excerpt.len() <= EXCERPT_LEN_MAX, "kept {}", reply.excerpt.len());
            assert!(outcome.retry_after.is_none() || reply.status >= 300, "{outcome:?}");
            begins_with(bytes, reply.status);
        }
        Err(fault) => {
            assert!(matches!(fault, Fault::Protocol | Fault::ConnectionLost), "{fault:?}");
            assert_ne!(outcome.class, Class::Ok, "{fault:?}");
        }
    }
    let pause = outcome.retry_after;
    assert!(pause.is_none_or(|pause| pause > Duration::ZERO && pause <= RETRY_AFTER_MAX));
    assert!(refusal.reason.chars().count() <= EXCERPT_CHARS_MAX, "{refusal:?}");
    assert!(refusal.answer.len() <= EXCERPT_LEN_MAX, "{refusal:?}");
    if outcome.class == Class::Ok {
        assert!(refusal.reason.is_empty() && refusal.answer.is_empty(), "{refusal:?}");
    }
    for text in [&refusal.reason, &refusal.answer] {
        assert!(!text.contains(char::is_control), "{text:?}");
        assert!(!text.contains(TOKEN) && !text.contains(PASSWORD), "{text:?}");
    }
}

/// Where we read a status line ourselves, it says what the library says.
fn begins_with(bytes: &[u8], status: u16) {
    // The library passes over empty lines in front.
    let blank = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let ours = http::status_of(bytes.get(blank..).unwrap_or_default());
    // Other answers may stand before the final one.
    let is_interim = |status: u16| status != 101 && (100..=199).contains(&status);
    let agrees = ours.is_some_and(|ours| ours == status || is_interim(ours));
    assert!(agrees, "ours is {ours:?}, the library's {status}");
}

/// A body that stands in the journal, on its way to an endpoint that wants `CloudEvents`.
pub(crate) fn stored_body(bytes: &[u8]) {
    let Some(event) = CloudEvent::of(EventId([0xab; 16]), bytes) else { return };
    let mut headers = HeaderMap::new();
    let data = event.binary(&mut headers);
    assert!(bytes.windows(data.len()).any(|part| part == data), "the data is a part of the body");
    for (name, value) in &headers {
        assert!(value.as_bytes().iter().all(u8::is_ascii_graphic), "{name}: {value:?}");
        assert!(name != "ce-subject" || value.len() <= SUBJECT_LEN_MAX, "{}", value.len());
    }
    let structured = event.structured();
    let read: BTreeMap<&str, &RawValue> = serde_json::from_slice(&structured).unwrap_or_default();
    let member = |name| read.get(name).map(|value| value.get().as_bytes());
    assert_eq!(member("data"), Some(data), "the data stays, byte for byte");
    assert_eq!(member("specversion"), Some(&b"\"1.0\""[..]));
    let again = CloudEvent::of(EventId([0xab; 16]), bytes).map(|event| event.structured());
    assert_eq!(again, Some(structured), "every attempt says the same");
}
