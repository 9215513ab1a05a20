//! Hides what may be secret in the text of a configuration file before any of it is shown (P10). Pure.
//!
//! A report quotes lines of the file, and those may hold the path of a URL, a header, or a secret that
//! somebody wrote where a file name belongs. What is hidden becomes stars, byte for byte, so that every
//! span still points at the right place.

use std::ops::Range;

use toml_edit::{Item, TableLike, Value};

/// Keys whose text is shown as it is. All others are masked, unknown ones too: a mistyped `url` is a URL.
const SHOWN_KEYS: &[&str] = &[
    "path",
    "endpoints",
    "include",
    "exclude",
    "min_size",
    "max_size",
    "quiet",
    "writer_detection",
    "done_marker",
    "initial",
    "backend",
    "poll_interval",
    "rescan_interval",
    "stuck_after",
    "url_file",
    "secret_files",
    "format",
    "connect_timeout",
    "timeout",
    "rate_limit",
    "retry_delays",
    "ca_file",
    "client_cert_file",
    "client_key_file",
    "allow",
    "dir",
    "outbox_max_size",
    "drain",
    "listen",
    "interval",
    "max_age",
    "endpoint",
    "level",
    "socket",
    "instance",
];

/// The text of a file that was parsed.
pub(super) fn parsed(text: &str, table: &dyn TableLike) -> String {
    let mut hidden = Vec::new();
    walk(text, table, &mut hidden);
    hidden.extend(suspicious(text));
    starred(text, &hidden)
}

/// The text of a file that could not be parsed: only what looks like a URL or a secret is hidden.
pub(super) fn unparsed(text: &str) -> String {
    starred(text, &suspicious(text))
}

fn walk(text: &str, table: &dyn TableLike, hidden: &mut Vec<Range<usize>>) {
    for (key, item) in table.iter() {
        match item {
            // A header may have any name, that of a key included, and its value is a secret.
            _ if key == "headers" => hide_all(item, hidden),
            _ if SHOWN_KEYS.contains(&key) && item.as_table_like().is_none() => {}
            Item::Value(value) if value.as_inline_table().is_none() => {
                hide_value(text, value, hidden);
            }
            Item::ArrayOfTables(tables) => tables.iter().for_each(|t| walk(text, t, hidden)),
            _ => {
                if let Some(inner) = item.as_table_like() {
                    walk(text, inner, hidden);
                }
            }
        }
    }
}

/// Hides every value, quotes and numbers too.
fn hide_all(item: &Item, hidden: &mut Vec<Range<usize>>) {
    match item.as_table_like() {
        Some(table) => table.iter().for_each(|(_, inner)| hide_all(inner, hidden)),
        None => hidden.extend(item.span()),
    }
}

fn hide_value(text: &str, value: &Value, hidden: &mut Vec<Range<usize>>) {
    match value {
        Value::String(_) => {
            let span = value.span().unwrap_or(0..text.len());
            let quoted = text.get(span.clone()).unwrap_or_default();
            let open = quoted.len() - quoted.trim_start_matches(['"', '\'']).len();
            let inner = quoted.trim_matches(['"', '\'']);
            let start = span.start + open;
            hidden.push(start + public_len(inner)..start + inner.len());
        }
        Value::Array(list) => list.iter().for_each(|value| hide_value(text, value, hidden)),
        Value::InlineTable(table) => walk(text, table, hidden),
        _ => {}
    }
}

/// How much of a URL in front is no secret: scheme, host and port, unless a password is among them.
fn public_len(url: &str) -> usize {
    let Some(scheme) = url.find("://").map(|at| at + 3) else { return 0 };
    let rest = url.get(scheme..).unwrap_or_default();
    let host = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    if rest.contains('@') { scheme } else { scheme + host }
}

/// Everything that looks like a URL or a signing secret, wherever it stands: in a comment, in a line
/// that is not TOML.
fn suspicious(text: &str) -> Vec<Range<usize>> {
    let urls = text.match_indices("://").filter_map(|(at, _)| {
        let before = text.get(..at)?;
        let scheme = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric());
        let url = until_close(text.get(scheme.len()..)?, scheme.chars().next_back());
        Some(scheme.len() + public_len(url)..scheme.len() + url.len())
    });
    let secrets = ["whsec_", "whsk_"].into_iter().flat_map(|prefix| {
        text.match_indices(prefix).map(move |(at, _)| {
            let rest = text.get(at..).unwrap_or_default();
            let len = rest.find(['"', '\'', '\n', ' ', ',']).unwrap_or(rest.len());
            at + prefix.len()..at + len
        })
    });
    urls.chain(secrets).collect()
}

/// The front of `url` up to the quote that closes what `opened_by` opened, or else the end of the line.
fn until_close(url: &str, opened_by: Option<char>) -> &str {
    let close = opened_by.filter(|c| matches!(c, '"' | '\'')).unwrap_or('\n');
    url.get(..url.find(close).unwrap_or(url.len())).unwrap_or(url)
}

/// Two bytes each: control characters that the report's renderer, which replaces the others, lets through. One of
/// them (U+009B) begins an escape on some terminals.
const C1: std::ops::RangeInclusive<char> = '\u{80}'..='\u{9f}';

/// The text with stars in these places; line ends stay, so that line numbers do.
fn starred(text: &str, hidden: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for range in hidden {
        for byte in bytes.get_mut(range.clone()).unwrap_or_default() {
            if !matches!(*byte, b'\n' | b'\r') {
                *byte = b'*';
            }
        }
    }
    // Whole characters were replaced; should that ever fail, showing nothing is the safe side.
    let shown = String::from_utf8(bytes).unwrap_or_else(|_| "*".repeat(text.len()));
    shown.replace(|c| C1.contains(&c), "??")
}
