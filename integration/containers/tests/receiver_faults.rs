//! What happens to receivers.

use crate::site::{Daemon, Site};

#[tokio::test]
async fn a_receiver_that_is_paused_gets_everything_when_it_goes_on() {
    let site = Site::new().await.endpoint("timeout", "\"3s\"");
    let receiver = site.receiver().await;
    let daemon = site.watchd("watchd").await;

    let mut all = site.drop_files("before", 5);
    site.wait_until_complete(&all).await;
    receiver.pause().await.expect("it is paused");
    all.extend(site.drop_files("during", 20));
    daemon.wait_for_failure("", "in time").await;
    receiver.unpause().await.expect("it goes on");
    all.extend(site.drop_files("after", 5));
    site.wait_until_complete(&all).await;
}

#[tokio::test]
async fn a_receiver_that_is_killed_in_the_middle_of_requests_gets_them_again_with_their_ids() {
    let site = Site::new().await;
    let receiver = site.receiver().await;
    let daemon = site.watchd("watchd").await;

    let held = held_and_killed(&site, &daemon).await;
    receiver.start().await.expect("it starts again");
    let mut all = site.drop_files("after", 20);
    all.extend(held.iter().cloned());
    site.wait_for_requests(&held, 2).await;
    site.wait_until_complete(&all).await;
}

#[tokio::test]
async fn a_receiver_that_comes_back_at_another_address_is_found_by_its_name() {
    let site = Site::new().await;
    let receiver = site.receiver().await;
    let daemon = site.watchd("watchd").await;
    let name = site.receiver_name();
    let before = site.engine.address(&name).await;

    let held = held_and_killed(&site, &daemon).await;
    site.engine.disconnect(&name).await;
    // Somebody else gets the address, if it is given out again at all.
    let _other = site.receiver_called(&format!("{name}-other")).await;
    site.engine.connect(&name).await;
    receiver.start().await.expect("it starts again");
    assert_ne!(site.engine.address(&name).await, before, "the proof needs another address");

    let mut all = site.drop_files("after", 20);
    all.extend(held.iter().cloned());
    site.wait_for_requests(&held, 2).await;
    site.wait_until_complete(&all).await;
}

/// Requests that were taken by a receiver that is killed before it answers.
async fn held_and_killed(site: &Site, daemon: &Daemon) -> Vec<String> {
    site.hold_answers();
    let held = site.drop_files("held", 3);
    site.wait_for_requests(&held, 1).await;
    site.engine.kill(&site.receiver_name()).await;
    daemon.wait_for_failure("held-0", "").await;
    site.release_answers();
    held
}
