//! What happens to the daemon.

use crate::site::{Site, said};

/// For `docker stop`; longer than any machine takes for what is asked here.
const GRACE_SECONDS: i32 = 80;

#[tokio::test]
async fn docker_stop_lets_requests_finish_and_repeats_none_after_the_next_start() {
    let site = Site::new().await.endpoint("timeout", "\"5m\"");
    let _receiver = site.receiver().await;
    let daemon = site.watchd("watchd").await;

    site.hold_answers();
    let in_flight = site.drop_files("in-flight", 3);
    site.wait_for_requests(&in_flight, 1).await;
    let (stopped, later) =
        tokio::join!(daemon.container.stop_with_timeout(Some(GRACE_SECONDS)), async {
            daemon.wait_until(said::STOPPING, |_| true).await;
            let later = site.drop_files("later", 3);
            site.release_answers();
            later
        });
    stopped.expect("it is stopped");
    let code = daemon.container.exit_code().await.expect("it has ended");
    assert_eq!(code, Some(0), "it ended by itself, and well");
    site.wait_until_complete(&in_flight).await;
    assert_eq!(site.record().lacks(&later), later, "nothing new is taken after the signal");

    daemon.container.start().await.expect("it starts again");
    let all = [in_flight.clone(), later].concat();
    site.wait_until_complete(&all).await;
    for path in &in_flight {
        assert_eq!(site.record().requests_for(path), 1, "{path} was repeated");
    }
}

#[tokio::test]
async fn docker_kill_loses_nothing_when_a_new_container_takes_over_the_volume() {
    let site = Site::new().await.endpoint("concurrency", "1");
    let _receiver = site.receiver().await;
    let killed = site.watchd("killed").await;

    let mut all = site.drop_files("first", 100);
    // Noted and not answered: what the next one takes over is in the journal alone.
    site.wait_for_requests(&all[..1], 1).await;
    site.hold_answers();
    let held = site.drop_files("held", 20);
    killed.wait_until(said::COMMITTED, |line| is_of(line, &held[0])).await;
    site.engine.kill(&killed.name).await;
    killed.container.rm().await.expect("it is removed");
    site.release_answers();
    all.extend(held);
    all.extend(site.drop_files("between", 20));

    let _next = site.watchd("next").await;
    all.extend(site.drop_files("after", 20));
    site.wait_until_complete(&all).await;
}

fn is_of(line: &serde_json::Value, path: &str) -> bool {
    line.to_string().contains(path)
}
