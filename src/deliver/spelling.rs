//! What a text says, however it is spelled. Pure.
//!
//! A receiver that quotes our URL quotes it as it came, or as it has understood it, or in JSON, or in HTML: a
//! secret has to be found in all of these (P10).

use std::ops::Range;

/// The text itself, and then: nobody who quotes a URL encodes it more often.
const LAYERS_MAX: usize = 5;
/// `&#x10ffff;`: no escape is longer.
const ESCAPE_LEN_MAX: usize = 10;

/// A text without its escapes: percent (RFC 3986 2.1), backslash (RFC 8259 7), and HTML's character references.
/// A plus says a blank, as in forms.
#[derive(Debug, Default)]
pub(super) struct Plain {
    bytes: Vec<u8>,
    /// Where each of them stands in the text.
    places: Vec<Range<usize>>,
}

impl Plain {
    /// The text as it stands, and then with one layer of escapes less each time. All of them count: in
    /// `%c4nary` a reader may see the escape, or the word behind the sign.
    pub(super) fn layers(text: &[u8]) -> Vec<Self> {
        let places = (0..text.len()).map(|at| at..at + 1).collect();
        let mut top = Self { bytes: text.to_vec(), places };
        let mut layers = Vec::new();
        while layers.len() < LAYERS_MAX {
            let below = top.without_a_layer();
            let is_last = below.bytes.len() == top.bytes.len();
            layers.push(top.with_blanks());
            if is_last {
                break;
            }
            top = below;
        }
        layers
    }

    fn with_blanks(mut self) -> Self {
        self.bytes.iter_mut().filter(|byte| **byte == b'+').for_each(|plus| *plus = b' ');
        self
    }

    /// What it says.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Every place in the text that says `said`.
    pub(super) fn find<'a>(&'a self, said: &'a [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
        let windows =
            self.bytes.windows(said.len().max(1)).zip(self.places.windows(said.len().max(1)));
        windows
            .filter(move |(bytes, _)| *bytes == said)
            .filter_map(|(_, places)| Some(places.first()?.start..places.last()?.end))
    }

    /// Where in the text the beginning of `said` stands that the text ends in, if it does. The last escape may
    /// have been cut off within.
    pub(super) fn begins_at_the_end(&self, said: &[u8]) -> Option<usize> {
        let whole = self.len_without_a_cut_escape();
        let bytes = self.bytes.get(..whole)?;
        let longest = said.len().saturating_sub(1).min(bytes.len());
        let is_head = |len: &usize| said.get(..*len).is_some_and(|head| bytes.ends_with(head));
        let head = (1..=longest).rev().find(is_head).unwrap_or_default();
        // At the end of the text there is nothing, unless an escape was cut off: it may be of the first letter.
        Some(self.places.get(whole - head)?.start)
    }

    fn len_without_a_cut_escape(&self) -> usize {
        let len = self.bytes.len();
        let tail = self.bytes.iter().rev().take(ESCAPE_LEN_MAX);
        let back = tail.clone().position(|byte| matches!(byte, b'%' | b'\\' | b'&'));
        back.map_or(len, |back| len - back - 1)
    }

    fn without_a_layer(&self) -> Self {
        let mut plain = Self::default();
        let mut at = 0;
        while let (Some(rest @ [first, ..]), Some(here)) =
            (self.bytes.get(at..), self.places.get(at))
        {
            let (said, len) = escape(rest).unwrap_or((Said::Byte(*first), 1));
            let end = self.places.get(at + len - 1).map_or(here.end, |last| last.end);
            said.each(|byte| {
                plain.bytes.push(byte);
                plain.places.push(here.start..end);
            });
            at += len;
        }
        plain
    }
}

enum Said {
    Byte(u8),
    Char(char),
}

impl Said {
    fn each(&self, push: impl FnMut(u8)) {
        match self {
            Self::Byte(byte) => [*byte].into_iter().for_each(push),
            Self::Char(c) => c.encode_utf8(&mut [0; 4]).bytes().for_each(push),
        }
    }
}

/// What the escape at the beginning of `text` says, and its length.
fn escape(text: &[u8]) -> Option<(Said, usize)> {
    match text {
        [b'%', high, low, ..] => {
            Some((Said::Byte(u8::try_from(number(&[*high, *low], 16)?).ok()?), 3))
        }
        [b'\\', b'u', digits @ ..] => {
            Some((Said::Char(char::from_u32(number(digits.get(..4)?, 16)?)?), 6))
        }
        [b'\\', quoted @ (b'/' | b'\\' | b'"' | b'\''), ..] => Some((Said::Byte(*quoted), 2)),
        [b'&', rest @ ..] => {
            let len = rest.iter().take(ESCAPE_LEN_MAX).position(|byte| *byte == b';')?;
            Some((Said::Char(reference(rest.get(..len)?)?), len + 2))
        }
        _ => None,
    }
}

/// The character between `&` and `;`, of those that a URL may hold.
fn reference(name: &[u8]) -> Option<char> {
    match name {
        b"amp" => Some('&'),
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"quot" => Some('"'),
        b"apos" => Some('\''),
        [b'#', b'x' | b'X', digits @ ..] => char::from_u32(number(digits, 16)?),
        [b'#', digits @ ..] => char::from_u32(number(digits, 10)?),
        _ => None,
    }
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let is_digits = digits.iter().all(|digit| char::from(*digit).is_digit(radix));
    u32::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| is_digits)?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(text: &[u8]) -> Plain {
        Plain::layers(text).pop().unwrap()
    }

    #[test]
    fn a_sign_before_a_word_hides_neither_the_word_nor_what_they_mean_together() {
        let says = |text: &[u8]| Plain::layers(text).into_iter().map(Plain::into_bytes).collect();
        let layers: Vec<Vec<u8>> = says(b"%25c4nary");
        assert_eq!(layers, [&b"%25c4nary"[..], b"%c4nary", b"\xc4nary"]);
        assert_eq!(Plain::layers(format!("%{}", "25".repeat(50)).as_bytes()).len(), LAYERS_MAX);
    }

    #[test]
    fn what_a_text_says() {
        for (text, said) in [
            ("a/b==", "a/b=="),
            ("a%2Fb%3d%3D", "a/b=="),
            ("a%252Fb", "a/b"),
            ("a+b%20c%2Bd", "a b c d"),
            (r"a\/b\u002fc\\", r"a/b/c\"),
            ("a&amp;b&#47;c&#x2f;d&quot;", "a&b/c/d\""),
            ("%c3%a4 \\u00e4 &#228; ä", "ä ä ä ä"),
            (
                "100 % of %2 %zz %+f & &; &#; &nbsp; \\u12 \\x",
                "100 % of %2 %zz % f & &; &#; &nbsp; \\u12 \\x",
            ),
        ] {
            assert_eq!(String::from_utf8(last(text.as_bytes()).into_bytes()).unwrap(), said);
        }
    }

    #[test]
    fn what_is_found_is_found_whole_where_it_stands() {
        let text = b"no: a%2Fb, nor a\\/b";
        let plain = last(text);
        let found: Vec<_> = plain.find(b"a/b").map(|place| &text[place]).collect();
        assert_eq!(found, [&b"a%2Fb"[..], &b"a\\/b"[..]]);
        assert_eq!(plain.find(b"").count(), 0);
    }

    #[test]
    fn a_text_may_end_in_the_middle_of_it_and_of_an_escape() {
        for text in
            ["no: a", "no: a%2F", "no: a%2", "no: a%", "no: a\\u002", "no: a&#x2", "no: a/b"]
        {
            let at = last(text.as_bytes()).begins_at_the_end(b"a/bc");
            assert_eq!(at, Some(4), "{text}");
        }
        assert_eq!(last(b"no: a/bc").begins_at_the_end(b"a/bc"), None, "that is the whole");
        assert_eq!(last(b"no: %2").begins_at_the_end(b"a/bc"), Some(4), "of any letter");
        assert_eq!(last(b"").begins_at_the_end(b"a"), None);
    }
}
