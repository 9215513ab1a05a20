//! The `traceparent` header (W3C Trace Context, version 00). Pure.
//!
//! All attempts of an event, at every endpoint, are one trace. Its id is that of the event, so that either is
//! found by the other; each attempt is a span of its own. The flag says *sampled*: a receiver's sampler
//! commonly follows its parent, and would drop exactly these requests otherwise.

use crate::{
    arrival::{EventId, Name},
    clock::WallMs,
};

/// The value for this attempt.
pub fn traceparent(event: EventId, endpoint: &Name, attempt: u32, now: WallMs) -> String {
    // All zeros are forbidden.
    let trace = u128::from_be_bytes(event.0).max(1);
    let mut hash = blake3::Hasher::new_derive_key("watchd 2026 span id of an attempt");
    hash.update(&event.0);
    hash.update(&attempt.to_be_bytes());
    hash.update(&now.0.to_be_bytes());
    hash.update(endpoint.as_str().as_bytes());
    let mut span = [0; 8];
    hash.finalize_xof().fill(&mut span);
    format!("00-{trace:032x}-{:016x}-01", u64::from_be_bytes(span).max(1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_event_is_a_trace_and_an_attempt_a_span() {
        let event = EventId(0x0196_1f2e_7c3a_7b2e_8d54_f00d_cafe_0001_u128.to_be_bytes());
        let (crm, log) = (Name::parse("crm").unwrap(), Name::parse("log").unwrap());
        let all = [
            traceparent(event, &crm, 1, WallMs(1)),
            traceparent(event, &log, 1, WallMs(1)),
            traceparent(event, &crm, 2, WallMs(1)),
            traceparent(event, &crm, 1, WallMs(2)),
        ];
        for value in &all {
            let parts: Vec<_> = value.split('-').collect();
            assert_eq!(parts[..2], ["00", "01961f2e7c3a7b2e8d54f00dcafe0001"]);
            assert_eq!((parts[2].len(), parts[3], parts.len()), (16, "01", 4));
            assert!(parts[2].bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        }
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 4);
    }

    #[test]
    fn no_id_is_all_zeros() {
        let value = traceparent(EventId([0; 16]), &Name::parse("a").unwrap(), 1, WallMs(0));
        assert!(value.starts_with("00-00000000000000000000000000000001-"), "{value}");
    }
}
