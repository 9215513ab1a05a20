//! The demonstration that a newcomer runs first: it tells the whole story and ends by itself.

use std::time::Duration;

use crate::harness::{Site, clock::now, watchd::finish};

#[test]
fn the_demo_tells_the_whole_story_in_order_and_ends_well() {
    let site = Site::new();
    let begin = now();
    let output = finish(site.watchd(&["demo"]));
    let told = format!("{}{}", output.stdout, output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(begin.elapsed() < Duration::from_mins(1), "it took {:?}", begin.elapsed());
    let story = output.stdout.to_lowercase().replace("still being written", "still written");
    let mut rest = story.as_str();
    for step in ["landed", "still written", "settled", "committed", "503", "retry", "delivered"] {
        let at =
            rest.find(step).unwrap_or_else(|| panic!("{step:?} is not told, or too early: {told}"));
        rest = &rest[at + step.len()..];
    }
    assert!(story.contains("signature ok"), "{told}");
}
