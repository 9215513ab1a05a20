//! The network falls apart between the two.

use crate::site::Site;

#[tokio::test]
async fn a_receiver_that_is_cut_off_and_comes_back_gets_everything_and_repetitions_carry_their_id()
{
    let site = Site::new().await.endpoint("timeout", "\"3s\"");
    let cut_off = site.receiver_name();
    cut_off_and_back(&site, Some(&cut_off)).await;
}

#[tokio::test]
async fn a_daemon_that_is_cut_off_and_comes_back_loses_nothing_and_repetitions_carry_their_id() {
    let site = Site::new().await.endpoint("timeout", "\"3s\"");
    cut_off_and_back(&site, None).await;
}

/// `cut_off` is the container that leaves the network, or it is the daemon's.
async fn cut_off_and_back(site: &Site, cut_off: Option<&str>) {
    let _receiver = site.receiver().await;
    let daemon = site.watchd("watchd").await;
    let cut_off = cut_off.unwrap_or(&daemon.name);

    let mut all = site.drop_files("before", 20);
    site.wait_until_complete(&all).await;
    // A request whose answer will not come through.
    site.hold_answers();
    let held = site.drop_files("held", 1);
    site.wait_for_requests(&held, 1).await;
    site.engine.disconnect(cut_off).await;
    all.extend(site.drop_files("during", 20));
    daemon.wait_for_failure(&held[0], "").await;
    site.release_answers();
    site.engine.connect(cut_off).await;

    all.extend(held.iter().cloned());
    all.extend(site.drop_files("after", 5));
    site.wait_for_requests(&held, 2).await;
    site.wait_until_complete(&all).await;
}
