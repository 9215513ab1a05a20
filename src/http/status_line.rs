//! The first line of an answer (RFC 9112 4), where we speak HTTP ourselves. Pure.

/// The status in the first line of `answer`; `None` unless that line is whole, and one of HTTP/1.
///
/// A line may end in LF alone (RFC 9112 2.2), and the space in front of an empty reason may be missing, as
/// some servers write it. A status is three digits, the first of them none of `0` (RFC 9110 15).
pub fn status_of(answer: &[u8]) -> Option<u16> {
    let end = answer.iter().position(|b| *b == b'\n')?;
    let line = answer.get(..end)?;
    let rest = line.strip_suffix(b"\r").unwrap_or(line).strip_prefix(b"HTTP/1.")?;
    let ([minor, b' ', code @ ..], true) = (rest, rest.iter().all(|b| is_text(*b))) else {
        return None;
    };
    let (digits, reason) = code.split_at_checked(3)?;
    let is_status = minor.is_ascii_digit()
        && digits.iter().all(u8::is_ascii_digit)
        && digits.first() != Some(&b'0')
        && reason.first().is_none_or(|b| *b == b' ');
    if !is_status {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What may stand in a reason (RFC 9112 4: HTAB, SP, VCHAR, obs-text), and so in the line.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_three_digits_in_a_whole_line_of_http_1() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\n", Some(200)),
            ("HTTP/1.1 200 Connection established\r\n\r\n", Some(200)),
            ("HTTP/1.0 503 \r\n", Some(503)),
            ("HTTP/1.0 407\r\nX: y\r\n\r\n", Some(407)),
            ("HTTP/1.1 404 nicht gefunden: \u{e4}\t!\n", Some(404)),
            ("HTTP/1.7 100 Continue\r\n", Some(100)),
            ("HTTP/1.1 999\n", Some(999)),
            // Cut short.
            ("", None),
            ("HTTP/1.1 20", None),
            ("HTTP/1.1 200", None),
            ("HTTP/1.1 200 OK", None),
            ("HTTP/1.1 200 OK\r", None),
            // No status.
            ("HTTP/1.1 2000\r\n", None),
            ("HTTP/1.1 20\r\n", None),
            ("HTTP/1.1 099\r\n", None),
            ("HTTP/1.1 2x0 \r\n", None),
            ("HTTP/1.1 -20\r\n", None),
            ("HTTP/1.1 +20\r\n", None),
            ("HTTP/1.1 200\tOK\r\n", None),
            ("HTTP/1.1  200 OK\r\n", None),
            ("HTTP/1.1 200 a\rb\r\n", None),
            ("HTTP/1.1 200 a\0b\r\n", None),
            // Not HTTP/1.
            ("HTTP/2 200\r\n", None),
            ("HTTP/2.0 200\r\n", None),
            ("HTTP/1.10 200\r\n", None),
            ("HTTP/1.x 200\r\n", None),
            ("http/1.1 200 OK\r\n", None),
            (" HTTP/1.1 200 OK\r\n", None),
            ("\r\nHTTP/1.1 200 OK\r\n", None),
            ("SSH-2.0-OpenSSH_9.2\r\n", None),
            ("220 mail.example.net ESMTP\r\n", None),
        ] {
            assert_eq!(status_of(answer.as_bytes()), expected, "{answer:?}");
        }
    }
}
