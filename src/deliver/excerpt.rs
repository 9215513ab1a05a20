//! What a receiver said, made fit for a log line. Pure.
//!
//! Many frameworks answer a wrong path with "Cannot POST /the/path", and the path of a webhook is often
//! its secret (P10): whatever the URL holds is taken out before anything is shown.

use std::fmt;

use crate::{arrival::Shown, config::checked::SecretUrl, http::EXCERPT_LEN_MAX};

/// The most characters of an answer that go into a log line.
pub const EXCERPT_CHARS_MAX: usize = 200;
/// A shorter part of a path is an ordinary word more often than a token.
const SEGMENT_LEN_MIN: usize = 8;
/// As short as this, even a value occurs by chance.
const VALUE_LEN_MIN: usize = 4;
const REDACTED: &str = "[...]";

/// The parts of a URL, and of our own headers, that must not be shown: neither by [`fmt::Debug`].
#[derive(Clone, Default)]
pub struct Redactor {
    // Longest first, so that no part of a longer one is left over.
    needles: Vec<String>,
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
        let segments = path.split('/').filter(|s| s.len() >= SEGMENT_LEN_MIN);
        let mut needles: Vec<String> = [path, query]
            .into_iter()
            .chain(values.filter(|v| v.len() >= VALUE_LEN_MIN))
            .chain(segments)
            .filter(|part| part.len() > 1)
            .map(str::to_owned)
            .collect();
        for value in headers {
            // Of "Bearer abc" the second word alone is as secret.
            let value = String::from_utf8_lossy(value);
            let words = value.split(' ').filter(|word| word.len() >= SEGMENT_LEN_MIN);
            needles.extend(words.map(str::to_owned));
            needles.extend((value.len() >= VALUE_LEN_MIN).then(|| value.to_string()));
        }
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
        Self { needles }
    }

    /// One line of at most [`EXCERPT_CHARS_MAX`] characters, without secrets and control characters.
    pub fn excerpt(&self, answer: &[u8]) -> String {
        self.answer(answer).chars().take(EXCERPT_CHARS_MAX).collect()
    }

    /// One line of at most [`EXCERPT_LEN_MAX`] bytes, without secrets and control characters.
    pub fn answer(&self, answer: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(answer).into_owned();
        for needle in &self.needles {
            if text.contains(needle.as_str()) {
                text = text.replace(needle.as_str(), REDACTED);
            }
        }
        if answer.len() >= EXCERPT_LEN_MAX {
            self.cut_what_was_cut(&mut text);
        }
        let mut shown = Shown(text.trim().as_bytes()).to_string();
        shown.truncate(shown.floor_char_boundary(EXCERPT_LEN_MAX));
        shown
    }

    /// Only the beginning of an answer is kept, and it may end within a secret.
    fn cut_what_was_cut(&self, text: &mut String) {
        let ends_with = |needle: &String| {
            let heads = needle.char_indices().map(|(at, _)| at).rev();
            heads
                .filter(|len| *len > 0)
                .find(|len| needle.get(..*len).is_some_and(|head| text.ends_with(head)))
        };
        let cut = self.needles.iter().filter_map(ends_with).max();
        text.truncate(text.len() - cut.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
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
            assert!(shown.contains(REDACTED), "{shown}");
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
