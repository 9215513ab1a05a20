//! The page in a real browser.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::harness::{
    Front, Receiver, Reply, Site, Watchd, disk, helpers::have, skipped, watchd::finish,
};

const SCRIPT: &str = "<script>alert(1)";

/// A stalled upload, an endpoint that fails and one that works, a dead letter.
struct Scene {
    watchd: Watchd,
    front: Front,
    _uploads: Vec<fs::File>,
    _receivers: [Receiver; 2],
}

fn scene(site: &Site) -> Scene {
    let good = Receiver::scripted(|request| {
        Reply::Status(if request.is_of("refused.pdf") { 422 } else { 200 })
    });
    let failing = Receiver::scripted(|_| Reply::Status(401));
    let config = site
        .config(&good.url())
        .endpoint("attempts", 1)
        .add_endpoint("archive", &failing.url())
        .watch("endpoints", vec!["crm", "archive"])
        .add_watch("faxes", &site.path("not-mounted"), &["crm"])
        .set("http", "listen", "127.0.0.1:0");
    let watchd = config.start();
    let front = Front::of(&watchd);
    watchd.wait_ready(1);
    let names =
        ["invoice-2026-0117.pdf", "refused.pdf", SCRIPT, "Übersicht März.pdf", "b\u{1b}[31m"];
    for name in names {
        disk::create(&site.root(), name);
    }
    let uploads = ["scan-0042.tif", "half<b>an upload.iso"];
    let uploads = uploads.map(|name| fs::File::create(site.root().join(name)).unwrap()).into();
    front.status_when("the scene is set", |status| {
        let [archive, crm] = &[&status["endpoints"][0], &status["endpoints"][1]];
        status["journal"]["dead"] == 1
            && crm["delivered"] == 4
            && archive["state"] == "failing"
            && archive["waiting"] == 5
            && status["watches"][1]["waiting"]["open_for_writing"] == 2
    });
    Scene { watchd, front, _uploads: uploads, _receivers: [good, failing] }
}

fn browser(site: &Site, options: &[String], url: &str) -> String {
    let mut command = Command::new("chromium");
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
    ]);
    command.arg(format!("--user-data-dir={}", site.path("browser").display()));
    command.args(options).arg(url);
    let done = finish(command);
    assert!(done.status.success(), "{}", done.stderr);
    done.stdout
}

#[test]
fn a_browser_shows_what_is_waited_for_and_takes_names_for_text() {
    let site = Site::new();
    if !have("chromium") {
        return skipped("chromium is not installed");
    }
    if !disk::tells_writers(&site.root()) {
        return skipped("this file system does not tell writers");
    }
    let scene = scene(&site);
    let url = format!("http://{}/", scene.front.0);
    let dom = browser(&site, &["--dump-dom".to_owned()], &url);
    for text in [
        "open for writing since",
        "scan-0042.tif",
        "half&lt;b&gt;an upload.iso",
        "&lt;script&gt;alert(1)",
        "Übersicht März.pdf",
        "b\\u{1b}[31m",
        "the receiver answered 401",
        "dead letters",
        "suspended",
        "Needs attention",
    ] {
        assert!(dom.contains(text), "{text}: {dom}");
    }
    assert!(!dom.contains("<script"), "{dom}");
    for (name, size) in [("phone", (390, 844)), ("whole", (390, 1900)), ("desk", (1280, 900))] {
        screenshot(&site, &url, name, size);
    }
    scene.watchd.stop();
}

/// Kept for whoever wants to look.
fn screenshot(site: &Site, url: &str, name: &str, (width, height): (u32, u32)) {
    let dir = artifacts();
    fs::create_dir_all(&dir).unwrap();
    let file = dir.join(format!("page-{name}.png"));
    drop(fs::remove_file(&file));
    let options =
        [format!("--screenshot={}", file.display()), format!("--window-size={width},{height}")];
    browser(site, &options, url);
    let png = fs::read(&file).unwrap();
    assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000, "{} is a picture", file.display());
}

/// Below the build directory, whatever that is called.
fn artifacts() -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_watchd"));
    binary.ancestors().nth(2).unwrap().join("integration-test")
}
