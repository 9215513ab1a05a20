//! The way out of each problem: one line that says what to write instead.

use super::{
    checked::BadHeader,
    problem::{Problem, Wrong},
    units::{BadPeriod, BadSize},
};
use crate::arrival::Shown;

impl Problem {
    /// What to do about it.
    pub fn advice(&self) -> String {
        let leaf = self.key.rsplit('.').next().unwrap_or_default();
        match &self.wrong {
            Wrong::UnknownKey { near: Some(near), .. } => format!("did you mean `{near}`?"),
            Wrong::UnknownKey { known: [], .. } => {
                "two underscores stand between the levels, as in WATCHD_STATE__DIR".to_owned()
            }
            Wrong::UnknownKey { known, .. } | Wrong::UnknownWord { near: None, known, .. } => {
                format!("possible here: {}", list(known))
            }
            Wrong::UnknownWord { near: Some(near), .. } => format!("did you mean \"{near}\"?"),
            Wrong::Type { unitless: Some(number), expected, .. } => {
                let unit = if expected.contains("size") { "MiB" } else { "s" };
                format!("write {leaf} = \"{number}{unit}\" if that is the unit you meant")
            }
            Wrong::Period(bad) => period(bad, leaf),
            Wrong::Size(bad) => size(bad, leaf),
            Wrong::Undefined { near: Some(near), .. } => {
                format!("did you mean {}?", quoted(&[near]))
            }
            Wrong::Undefined { known, .. } if known.is_empty() => {
                "define it: [endpoint.NAME] with a `url`".to_owned()
            }
            Wrong::Undefined { known, .. } => {
                format!(
                    "defined are {}; add an [endpoint.NAME] table for it, or name one",
                    list(known)
                )
            }
            Wrong::WhichEndpoint { known } => {
                format!("name one or more: endpoints = [{}]", quoted(known))
            }
            Wrong::WhichEndpointFlag { known } if known.is_empty() => {
                "add --url, or define an [endpoint.NAME]".to_owned()
            }
            Wrong::WhichEndpointFlag { known } => {
                format!("set it in the file, in the table of one of {}", list(known))
            }
            Wrong::NetworkBits { network } => {
                format!("write \"{network}\", or the one address with the longest prefix")
            }
            Wrong::HalfIdentity { missing } => {
                format!("add `{missing}`, which may name the same file, or remove `{leaf}`")
            }
            Wrong::Header(bad) | Wrong::HeaderFile { bad, .. } => header(*bad).to_owned(),
            Wrong::Missing { example } => format!("add a line such as {example}"),
            Wrong::NotAvailable => format!("remove `{leaf}`, or set it back to its default"),
            other => fixed(other).to_owned(),
        }
    }
}

/// Advice that does not depend on what was written.
fn fixed(wrong: &Wrong) -> &'static str {
    match wrong {
        Wrong::Unreadable(_) => "name a file that watchd may read with --config",
        Wrong::TooLarge(_) | Wrong::NotText { .. } => "is this the right file?",
        Wrong::Syntax { .. } => "texts need quotes, tables brackets: [watch.NAME]",
        Wrong::Empty => "it needs a [watch.NAME] with a `path` and an [endpoint.NAME] with a `url`",
        Wrong::NoWatch => "add a [watch.NAME] table with a `path`, or the flag --dir",
        Wrong::NoEndpoint => "add an [endpoint.NAME] table with a `url`, or the flag --url",
        Wrong::Type { .. } => "correct the value; the manual lists each key with its default",
        Wrong::Encoding => "use UTF-8 text here",
        Wrong::EmptyList => "put something into the list, or remove the key for its default",
        Wrong::Glob { .. } => {
            "patterns are those of .gitignore, such as \"*.pdf\" or \"in/**/*.xml\""
        }
        Wrong::Name => "1 to 63 of a-z, 0-9 and `-`, the first not a `-`",
        Wrong::RelativePath => "write the whole path, from `/` on",
        Wrong::FileName => "it must not be empty, and not contain a zero byte",
        Wrong::DotDot => "write the path without it",
        Wrong::InlineSecret => "put it into a file that only watchd can read, and name that file",
        Wrong::MarkerName | Wrong::MarkerSame | Wrong::MarkerSlash => {
            "for example \"{name}.done\": `x.pdf.done` then releases `x.pdf`"
        }
        Wrong::Filter => {
            "a level (error, warn, info, debug, trace), or directives as in \"info,watchd::watch=debug\""
        }
        Wrong::SizeOrder => "`min_size` must not be more than `max_size`",
        Wrong::Listen => {
            "such as \"127.0.0.1:9464\", \"[::1]:9464\" or \"unix:/run/watchd/http.sock\""
        }
        Wrong::Url(_) | Wrong::UrlFile { .. } => "such as \"https://example.net/hook\"",
        Wrong::Proxy(_) => "such as \"http://proxy.example.net:3128\", without user and password",
        Wrong::Rate(_) => "a whole number, `/` and s, m, h or d: \"50/s\", \"100/m\"",
        Wrong::Network => "an address and the length of its prefix: \"10.0.0.0/8\", \"fd00::/8\"",
        Wrong::TwoHeaders => "keep it in one of `headers` and `header_files`",
        Wrong::StatusTwice { .. } => "decide what it means: keep it in one list",
        Wrong::TwoUrls => "keep one of `url` and `url_file`",
        Wrong::NoUrl => "add `url = \"https://...\"`, or `url_file` where the URL is a secret",
        Wrong::Nested => {
            "one watch sees the whole tree below its directory: keep the outer one, and use `include`"
        }
        Wrong::StateWatched => {
            "have `state.dir` elsewhere, or name it in `exclude`: else the journal's files are announced"
        }
        Wrong::SameDirectory => "keep one of them; a watch can announce to several `endpoints`",
        Wrong::NoHome => "set `state.dir`, or the flag --state-dir",
        Wrong::Absent { .. } => "make it, or correct the path; the daemon would wait for it",
        Wrong::NotDirectory { .. } => "name a directory",
        Wrong::Denied { .. } => "let the user that watchd runs as have access",
        Wrong::Secret { .. } => {
            "it must hold `whsec_` and standard base64 of 24 to 64 bytes, or `whsk_` and an ed25519 key, and nothing else"
        }
        Wrong::NoKey { .. } => "it must be PEM: -----BEGIN PRIVATE KEY----- ..., not encrypted",
        Wrong::OtherKey { .. } => "name the key that the certificate was made for",
        Wrong::NoCertificate { .. } => "it must be PEM: -----BEGIN CERTIFICATE----- ...",
        Wrong::TooShort { .. } | Wrong::Range { .. } => "remove the key for its default",
        Wrong::Twice { .. } => "name it once",
        _ => "remove it for the default",
    }
}

fn header(bad: BadHeader) -> &'static str {
    match bad {
        BadHeader::Name => "letters, digits and `-`, as in \"X-Api-Key\"",
        BadHeader::Reserved => {
            "choose another name: webhook-*, ce-*, watchd-*, content-*, proxy-* and those of the connection are taken"
        }
        BadHeader::Many { .. } => "send fewer",
        BadHeader::Empty | BadHeader::Value | BadHeader::Length { .. } => {
            "one line of visible ASCII characters; in a file, one line end after it"
        }
    }
}

fn period(bad: &BadPeriod, leaf: &str) -> String {
    match bad {
        BadPeriod::NoUnit { number } => {
            format!("write {leaf} = \"{number}s\" if you meant seconds; units are ms, s, m, h, d")
        }
        _ => "a whole number and one unit: \"500ms\", \"2s\", \"10m\", \"1h\", \"1d\"".to_owned(),
    }
}

fn size(bad: &BadSize, leaf: &str) -> String {
    match bad {
        BadSize::NoUnit { number } => {
            format!(
                "write {leaf} = \"{number}B\" if you meant bytes; units are B, KiB, MiB, GiB, kB, MB, GB"
            )
        }
        _ => "a whole number and one unit: \"0B\", \"4kB\", \"10MiB\", \"2GiB\"".to_owned(),
    }
}

fn list<T: AsRef<str>>(words: &[T]) -> String {
    words
        .iter()
        .map(|w| format!("`{}`", Shown(w.as_ref().as_bytes())))
        .collect::<Vec<_>>()
        .join(", ")
}

fn quoted<T: AsRef<str>>(words: &[T]) -> String {
    words
        .iter()
        .map(|w| format!("\"{}\"", Shown(w.as_ref().as_bytes())))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The word that is nearest to what was typed, if any is near enough to be meant.
pub(super) fn nearest<T: AsRef<str>>(typed: &str, known: &[T]) -> Option<usize> {
    // Far longer than any word that is known, and the comparison takes time by length.
    if typed.len() > 64 {
        return None;
    }
    let distances = known.iter().enumerate().map(|(at, k)| (distance(typed, k.as_ref()), at));
    let (least, at) = distances.min()?;
    let length = known.get(at).map_or(0, |k| k.as_ref().len());
    let slip = (least <= (length / 3).max(1)).then_some(at);
    slip.or_else(|| known.iter().position(|k| is_alike(typed, k.as_ref())))
}

/// `watches` for `watch`, `secret` for `secret_files`: further apart than a slip of a finger, and meant
/// all the same.
fn is_alike(typed: &str, known: &str) -> bool {
    let plural = typed.strip_prefix(known).is_some_and(|rest| matches!(rest, "s" | "es"));
    plural || (typed.len() >= 4 && known.starts_with(typed))
}

/// Edit distance, where swapping two neighbours counts once (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let change = at(&last, j) + usize::from(from != to);
            let mut best = change.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(to) && b.get(j - 1) == Some(from);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_a_finger_are_recognised() {
        let known = ["path", "endpoints", "quiet", "max_size", "watch"];
        for (typed, meant) in [
            ("quite", Some("quiet")),
            ("pth", Some("path")),
            ("endpoint", Some("endpoints")),
            ("max-size", Some("max_size")),
            ("watches", Some("watch")),
            ("endp", Some("endpoints")),
            ("colour", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(typed, &known).map(|at| known[at]), meant, "{typed}");
        }
        assert_eq!(nearest(&"a".repeat(100_000), &known), None);
        assert_eq!(nearest("a", &[] as &[&str]), None);
    }
}
