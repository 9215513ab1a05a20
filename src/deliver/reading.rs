//! From an answer, or the lack of one, to what it means and what a person is told. Pure.

use std::time::Duration;

use super::{
    excerpt::{EXCERPT_CHARS_MAX, Redactor},
    lane::Outcome,
    open::Terms,
    retry_after,
    verdict::{Answer, Class},
};
use crate::{
    arrival::Refusal,
    clock::WallMs,
    config::checked::{SecretUrl, Statuses},
    http::{Fault, Reply},
};

/// What the reading depends on beside the answer.
pub(super) struct Read<'a> {
    /// What the request left with.
    pub(super) terms: &'a Terms,
    /// What the operator says about statuses.
    pub(super) statuses: &'a Statuses,
    /// Wall time of the answer.
    pub(super) now: WallMs,
    /// How long the attempt took.
    pub(super) took: Duration,
}

/// Judges one attempt.
pub(super) fn outcome(result: &Result<Reply, Fault>, with: &Read<'_>) -> Outcome {
    match result {
        Ok(reply) => of_reply(reply, with),
        Err(fault) => {
            let class = Class::of_fault(*fault);
            let (reason, took) = (fault.to_string(), with.took);
            let refusal =
                Refusal { class: class.name(), status: None, reason, answer: String::new(), took };
            Outcome { class, retry_after: None, refusal }
        }
    }
}

fn of_reply(reply: &Reply, with: &Read<'_>) -> Outcome {
    let lines = reply.retry_after.iter().map(Vec::as_slice);
    let retry_after = retry_after::floor(lines, reply.date.as_deref(), with.now);
    let offset = clock_offset_s(reply, with.now);
    let answer = Answer {
        status: reply.status,
        retry_after: retry_after.is_some(),
        clock_offset: offset.filter(|_| with.terms.signed),
    };
    let class = Class::of_answer(answer, with.statuses);
    let reason = match class {
        Class::Ok => String::new(),
        Class::Clock => of_clock(offset.unwrap_or_default()),
        _ if (300..=399).contains(&reply.status) => {
            of_redirect(reply.location.as_deref(), &with.terms.redactor)
        }
        _ => with.terms.redactor.excerpt(&reply.excerpt),
    };
    // RFC 9110 10.2.3 gives the header a meaning with a failure only.
    let retry_after = retry_after.filter(|_| reply.status >= 300);
    let answer = match class {
        Class::Ok => String::new(),
        _ => with.terms.redactor.answer(&reply.excerpt),
    };
    let (status, took) = (Some(reply.status), with.took);
    let refusal = Refusal { class: class.name(), status, reason, answer, took };
    Outcome { class, retry_after, refusal }
}

/// The receiver's clock minus ours, in seconds, if it says so.
pub(super) fn clock_offset_s(reply: &Reply, now: WallMs) -> Option<i64> {
    let theirs = reply.date.as_deref().and_then(retry_after::unix_seconds)?;
    Some(theirs.saturating_sub(now.unix_seconds()))
}

fn of_clock(offset: i64) -> String {
    format!(
        "refused while this machine's clock is {} s off the receiver's, which no signature survives",
        offset.unsigned_abs()
    )
}

/// Where to, as scheme and host only: the rest may hold a token. A host that would fill the line is left out.
fn of_redirect(location: Option<&[u8]>, redactor: &Redactor) -> String {
    let target = location.and_then(|l| SecretUrl::parse(std::str::from_utf8(l).ok()?).ok());
    let named = target.map(|target| format!("redirects to {target}, which is never followed"));
    match named.filter(|sentence| sentence.len() <= EXCERPT_CHARS_MAX) {
        Some(sentence) => redactor.excerpt(sentence.as_bytes()),
        None => "redirects, which is never followed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrival::UrlPrint;

    const NOW: WallMs = WallMs(784_111_777_000); // Sun, 06 Nov 1994 08:49:37 GMT

    fn read(reply: Reply, signed: bool) -> Outcome {
        let url = SecretUrl::parse("https://example.net/hook/T0KENT0KEN").unwrap();
        let terms = Terms { redactor: Redactor::of(&url, []), print: UrlPrint([7; 16]), signed };
        let (statuses, took) = (Statuses::default(), Duration::from_millis(5));
        let with = Read { terms: &terms, statuses: &statuses, now: NOW, took };
        outcome(&Ok(reply), &with)
    }

    #[test]
    fn a_redirect_names_the_host_only() {
        let location = Some(b"https://other.example/path?token=s3cret".to_vec());
        let outcome = read(Reply { status: 307, location, ..Reply::default() }, true);
        assert_eq!(outcome.class, Class::Config);
        assert!(outcome.refusal.reason.contains("https://other.example/..."));
        assert!(!outcome.refusal.reason.contains("s3cret"));
    }

    #[test]
    fn a_redirect_neither_fills_the_log_nor_quotes_a_secret() {
        let to = |host: &str| {
            let location = Some(format!("https://{host}/").into_bytes());
            read(Reply { status: 302, location, ..Reply::default() }, true).refusal.reason
        };
        assert_eq!(to(&"a".repeat(1000)), "redirects, which is never followed");
        let password = "c4nary-c4nary";
        let redactor = Redactor::of(&SecretUrl::parse("http://h/").unwrap(), [password.as_bytes()]);
        let location = format!("https://{password}.example/");
        let reason = of_redirect(Some(location.as_bytes()), &redactor);
        assert_eq!(reason, "redirects to https://[...].example/..., which is never followed");
    }

    #[test]
    fn a_wrong_clock_is_blamed_only_when_it_matters() {
        let date = Some(b"Sun, 06 Nov 1994 09:49:37 GMT".to_vec());
        let reply = |status| Reply { status, date: date.clone(), ..Reply::default() };
        assert_eq!(read(reply(401), true).class, Class::Clock);
        assert!(read(reply(401), true).refusal.reason.contains("3600 s"));
        assert_eq!(read(reply(401), false).class, Class::Config);
        assert_eq!(read(reply(404), true).class, Class::Config);
        assert_eq!(read(reply(200), true).class, Class::Ok);
    }

    #[test]
    fn retry_after_counts_with_failures_only() {
        let reply = |status| Reply {
            status,
            retry_after: vec![b"7".to_vec()],
            excerpt: b"no: /hook/T0KENT0KEN".to_vec(),
            ..Reply::default()
        };
        assert_eq!(read(reply(200), true).retry_after, None);
        let busy = read(reply(503), true);
        assert_eq!((busy.class, busy.retry_after), (Class::Slow, Some(Duration::from_secs(7))));
        assert_eq!(busy.refusal.reason, "no: [...]");
        assert_eq!(busy.refusal.answer, "no: [...]");
        assert_eq!(busy.refusal.took, Duration::from_millis(5));
        assert_eq!(read(reply(200), true).refusal.answer, "");
    }
}
