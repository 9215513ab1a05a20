//! A test for a person. Pure.

use std::fmt::Write as _;

use super::report::{Done, Report, Timed};

/// All of it: a line for each step, and what follows from them.
pub(super) fn of(report: &Report) -> String {
    let Report { endpoint, receiver, event, .. } = report;
    let receiver = receiver.as_deref().unwrap_or("a URL that cannot be read");
    let mut text = format!("endpoint {endpoint}: {receiver}\n");
    // Writing to a string cannot fail.
    if let Some(proxy) = &report.proxy {
        let _ok = writeln!(text, "  through the proxy {proxy}");
    }
    for Timed { step, ms } in &report.steps {
        let _ok = writeln!(text, "  {ms:>8.1} ms  {}", words(step));
    }
    if let Some(failure) = &report.failure {
        let _ok = writeln!(text, "      failed  {}: {}", failure.step, failure.reason);
    }
    if let Some(answer) = &report.answer {
        let _ok = writeln!(text, "              {answer}");
    }
    if let Some(seconds) = report.retry_after_s {
        let _ok = writeln!(text, "  it asks to be left alone for {seconds} s");
    }
    if let Some(offset) = report.clock_offset_s {
        let _ok = writeln!(text, "  its clock is {}", clock(offset));
    }
    if let Some(advice) = report.failure.as_ref().and_then(|failure| failure.advice) {
        let _ok = writeln!(text, "  advice: {advice}");
    }
    let what = if report.accepted { "accepted" } else { "not accepted" };
    let verdict = report.verdict.unwrap_or("nothing was sent");
    let _ok = writeln!(text, "{what}: {verdict} ({event})");
    text
}

fn words(step: &Done) -> String {
    match step {
        Done::Files => "files read: URL, secrets, headers, certificates".to_owned(),
        Done::Resolved { addresses } => format!("name resolved: {}", addresses.join(", ")),
        Done::Connected { address } => format!("connected to {address}"),
        Done::Tunnelled => "tunnel opened by the proxy".to_owned(),
        Done::Secured { version, suite, certificate_until, certificate_days } => {
            let until = certificate_until.as_deref().unwrap_or("an unknown time");
            let days = certificate_days.map_or(String::new(), |days| format!(" ({days} days)"));
            format!("{version} {suite}, the certificate is good until {until}{days}")
        }
        Done::Answered { status } => format!("HTTP {status}"),
    }
}

fn clock(offset_s: i64) -> String {
    match offset_s {
        0 => "the same as ours".to_owned(),
        1.. => format!("{offset_s} s ahead of ours"),
        _ => format!("{} s behind ours", offset_s.unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{arrival::EventId, operator::trial::report::Failure};

    fn report() -> Report {
        let secured = Done::Secured {
            version: "TLSv1_3".into(),
            suite: "TLS13_AES_128_GCM_SHA256".into(),
            certificate_until: Some("2026-03-01T00:00:00Z".into()),
            certificate_days: Some(9),
        };
        let steps = [
            (Done::Files, 0.2),
            (Done::Resolved { addresses: vec!["192.0.2.1".into(), "2001:db8::1".into()] }, 3.0),
            (Done::Connected { address: "192.0.2.1:443".into() }, 11.4),
            (secured, 24.0),
            (Done::Answered { status: 401 }, 1234.5),
        ];
        Report {
            endpoint: "crm".into(),
            receiver: Some("https://example.net/...".into()),
            proxy: Some("http://proxy:3128/".into()),
            event: EventId([0xab; 16]),
            accepted: false,
            steps: steps.into_iter().map(|(step, ms)| Timed { step, ms }).collect(),
            failure: Some(Failure {
                step: "answer",
                reason: "the receiver answers HTTP 401".into(),
                advice: Some("compare the secrets"),
            }),
            class: Some("config"),
            verdict: Some("the endpoint would count as down"),
            status: Some(401),
            answer: Some("who are you?".into()),
            retry_after_s: Some(7),
            clock_offset_s: Some(-12),
        }
    }

    #[test]
    fn a_test_is_told_step_by_step() {
        insta::assert_snapshot!(of(&report()), @r"
        endpoint crm: https://example.net/...
          through the proxy http://proxy:3128/
               0.2 ms  files read: URL, secrets, headers, certificates
               3.0 ms  name resolved: 192.0.2.1, 2001:db8::1
              11.4 ms  connected to 192.0.2.1:443
              24.0 ms  TLSv1_3 TLS13_AES_128_GCM_SHA256, the certificate is good until 2026-03-01T00:00:00Z (9 days)
            1234.5 ms  HTTP 401
              failed  answer: the receiver answers HTTP 401
                      who are you?
          it asks to be left alone for 7 s
          its clock is 12 s behind ours
          advice: compare the secrets
        not accepted: the endpoint would count as down (evt_abababababababababababababababab)
        ");
    }

    #[test]
    fn what_cannot_even_be_tried_says_so() {
        let failure = Failure { step: "files", reason: "cannot read s".into(), advice: None };
        let report = Report {
            receiver: None,
            proxy: None,
            steps: Vec::new(),
            failure: Some(failure),
            verdict: None,
            answer: None,
            retry_after_s: None,
            clock_offset_s: None,
            ..report()
        };
        let text = of(&report);
        assert!(text.contains("failed  files: cannot read s"), "{text}");
        assert!(text.contains("not accepted: nothing was sent"), "{text}");
    }
}
