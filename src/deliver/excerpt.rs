//! What a receiver said, made fit for a log line. Pure.
//!
//! Many frameworks answer a wrong path with "Cannot POST /the/path", and the path of a webhook is often
//! its secret (P10): whatever the URL holds is taken out before anything is shown.

use std::fmt;

use super::spelling::Plain;
use crate::{arrival::Shown, config::checked::SecretUrl, http::EXCERPT_LEN_MAX};

/// The most characters of an answer that go into a log line.
pub const EXCERPT_CHARS_MAX: usize = 200;
/// A shorter part of a path is an ordinary word more often than a token.
const SEGMENT_LEN_MIN: usize = 8;
/// As short as this, even a value occurs by chance.
const VALUE_LEN_MIN: usize = 4;
const REDACTED: &[u8] = b"[...]";

/// The parts of a URL, and of our own headers, that must not be shown: neither by [`fmt::Debug`].
#[derive(Clone, Default)]
pub struct Redactor {
    /// As they are, and without escapes.
    needles: Vec<Vec<u8>>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("needles", &self.needles.len()).finish()
    }
}

impl Redactor {
    /// Knows what is secret about `url`, and these values of headers, which some receivers quote.
    pub fn of<'h>(url: &SecretUrl, headers: impl IntoIterator<Item = &'h [u8]>) -> Self {
        let (path, query) = (url.expose().path(), url.expose().query().unwrap_or_default());
        let values = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(_, v)| v));
        let mut redactor = Self::default();
        redactor.add(path.as_bytes(), 2);
        redactor.add(query.as_bytes(), 2);
        values.for_each(|value| redactor.add(value.as_bytes(), VALUE_LEN_MIN));
        path.split('/').for_each(|segment| redactor.add(segment.as_bytes(), SEGMENT_LEN_MIN));
        for value in headers {
            redactor.add(value, VALUE_LEN_MIN);
            // Of "Bearer abc" the second word alone is as secret.
            value.split(|b| *b == b' ').for_each(|word| redactor.add(word, SEGMENT_LEN_MIN));
        }
        redactor
    }

    fn add(&mut self, secret: &[u8], len_min: usize) {
        for needle in Plain::layers(secret).into_iter().map(Plain::into_bytes) {
            if needle.len() >= len_min && !self.needles.contains(&needle) {
                self.needles.push(needle);
            }
        }
    }

    /// One line of at most [`EXCERPT_CHARS_MAX`] characters, without secrets and control characters.
    pub fn excerpt(&self, answer: &[u8]) -> String {
        self.answer(answer).chars().take(EXCERPT_CHARS_MAX).collect()
    }

    /// One line of at most [`EXCERPT_LEN_MAX`] bytes, without secrets and control characters.
    pub fn answer(&self, answer: &[u8]) -> String {
        let text = self.without_secrets(answer);
        let mut shown = Shown(String::from_utf8_lossy(&text).trim().as_bytes()).to_string();
        shown.truncate(shown.floor_char_boundary(EXCERPT_LEN_MAX));
        shown
    }

    fn without_secrets(&self, answer: &[u8]) -> Vec<u8> {
        let layers = Plain::layers(answer);
        let pairs = || layers.iter().flat_map(|l| self.needles.iter().map(move |n| (l, n)));
        let mut is_secret = vec![false; answer.len()];
        for place in pairs().flat_map(|(layer, needle)| layer.find(needle)) {
            is_secret.get_mut(place).unwrap_or_default().fill(true);
        }
        // Only the beginning of an answer is kept, and it may end within a secret.
        if answer.len() >= EXCERPT_LEN_MAX {
            let cut = pairs().filter_map(|(layer, needle)| layer.begins_at_the_end(needle));
            is_secret.truncate(cut.min().unwrap_or(answer.len()));
        }
        let mut text = Vec::with_capacity(answer.len());
        let mut was_secret = false;
        for (byte, is_secret) in answer.iter().zip(is_secret) {
            match is_secret {
                true if was_secret => {}
                true => text.extend_from_slice(REDACTED),
                false => text.push(*byte),
            }
            was_secret = is_secret;
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redactor(url: &str) -> Redactor {
        Redactor::of(&SecretUrl::parse(url).unwrap(), [])
    }

    #[test]
    fn the_url_is_not_shown() {
        let url = "https://example.net/hooks/T0KENT0KEN/in?key=s3cret&mode=x";
        for answer in [
            "Cannot POST /hooks/T0KENT0KEN/in",
            "Cannot POST /hooks/T0KENT0KEN/in?key=s3cret&mode=x",
            "no such hook: T0KENT0KEN",
            "key s3cret is not known",
        ] {
            let shown = redactor(url).excerpt(answer.as_bytes());
            assert!(!shown.contains("T0KEN") && !shown.contains("s3cret"), "{shown}");
            assert!(shown.contains("[...]"), "{shown}");
        }
    }

    #[test]
    fn a_secret_is_found_as_the_receiver_has_understood_it() {
        let redactor =
            redactor("http://h/a%20path/T0KEN%2DT0KEN/?key=abc%2Fdef%3D%3D&name=T0KEN+S0CRET");
        for answer in [
            "bad key abc/def==",
            r#"{"error":"bad key abc\/def=="}"#,
            "bad key abc%2fdef%3d%3d",
            "bad key abc&#x2F;def&#61;=",
            "Cannot POST /a path/T0KEN-T0KEN/",
            "who is T0KEN S0CRET?",
            "who is T0KEN%20S0CRET?",
            "it is 100%abc/def==",
        ] {
            let shown = redactor.excerpt(answer.as_bytes());
            assert!(shown.contains("[...]"), "{shown}");
            assert!(!["def", "T0KEN", "S0CRET"].iter().any(|s| shown.contains(s)), "{shown}");
        }
    }

    fn spelled(byte: u8, how: u8) -> String {
        match how {
            0 => format!("%{byte:02x}"),
            1 => format!("%25{byte:02X}"),
            2 => format!("\\u{byte:04x}"),
            3 => format!("&#{byte};"),
            4 => format!("&#x{byte:X};"),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        }
    }

    proptest! {
        #[test]
        fn a_secret_is_not_shown_however_each_of_its_characters_is_spelled(
            secret in proptest::collection::vec((0x21_u8..0x7f, 0..6_u8), 8..40),
            before in 0..EXCERPT_LEN_MAX,
        ) {
            let value: Vec<_> = secret.iter().map(|(byte, _)| format!("%{byte:02X}")).collect();
            let spelled: Vec<_> = secret.iter().map(|(byte, how)| spelled(*byte, *how)).collect();
            let (value, spelled) = (value.concat(), spelled.concat());
            let mut answer = format!("{}{spelled}", ".".repeat(before)).into_bytes();
            answer.truncate(EXCERPT_LEN_MAX);
            let shown = redactor(&format!("http://h/?key={value}")).answer(&answer);
            let rest = shown.trim_start_matches('.');
            prop_assert!(rest.is_empty() || rest == "[...]", "{spelled} as {rest}");
        }
    }

    #[test]
    fn the_values_of_our_headers_are_not_shown() {
        let url = SecretUrl::parse("http://h/").unwrap();
        let redactor = Redactor::of(&url, [&b"Bearer canary-canary"[..], b"key5"]);
        for answer in ["no: Bearer canary-canary", "token canary-canary is old", "key5?"] {
            let shown = redactor.excerpt(answer.as_bytes());
            assert!(!shown.contains("canary") && !shown.contains("key5"), "{shown}");
        }
    }

    #[test]
    fn ordinary_answers_stay() {
        assert_eq!(redactor("http://h/").excerpt(b" {\"error\":\"no\"}\r\n"), "{\"error\":\"no\"}");
    }

    #[test]
    fn control_characters_cannot_forge_a_line() {
        let shown = redactor("http://h/").excerpt(b"a\nb\x1b[31m\xffc");
        assert!(shown.chars().all(|c| !c.is_control()), "{shown}");
    }

    #[test]
    fn an_excerpt_is_short() {
        let shown = redactor("http://h/").excerpt("ä\n".repeat(500).as_bytes());
        assert_eq!(shown.chars().count(), EXCERPT_CHARS_MAX);
    }

    #[test]
    fn an_answer_is_longer_and_still_bounded() {
        let redactor = redactor("http://h/");
        assert_eq!(redactor.answer("x".repeat(300).as_bytes()).len(), 300);
        for hostile in ["\u{1b}", "ä", "\u{202e}", "x\n"] {
            let shown = redactor.answer(hostile.repeat(1024).as_bytes());
            assert!(
                shown.len() <= EXCERPT_LEN_MAX && shown.len() > EXCERPT_LEN_MAX - 12,
                "{shown}"
            );
        }
    }

    #[test]
    fn a_secret_that_the_limit_cuts_in_two_is_not_shown_in_part() {
        let redactor = redactor("http://h/hooks/T0KENT0KEN/in");
        for kept in 1..=10 {
            let mut answer = "x".repeat(EXCERPT_LEN_MAX - kept);
            answer.push_str(&"T0KENT0KEN"[..kept]);
            let shown = redactor.answer(answer.as_bytes());
            assert!(!shown.contains("T0"), "{kept}: {shown}");
        }
        assert!(redactor.answer(b"ends in T0").ends_with("T0"), "nothing was cut off here");
    }
}
