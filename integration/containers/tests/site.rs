//! One proof's place: a directory that both containers see as `/site`, a volume for the state, a network.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use testcontainers::{ContainerAsync, GenericImage, ImageExt, core::Mount, runners::AsyncRunner};

use crate::{
    engine::{self, Engine},
    image,
    record::Record,
};

/// How long a proof waits for something that has to happen. No proof needs it.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How messages of the log begin that proofs wait for.
pub(crate) mod said {
    pub(crate) const WATCHING: &str = "watching";
    pub(crate) const RETRY: &str = "not delivered";
    pub(crate) const STOPPING: &str = "stopping";
    pub(crate) const COMMITTED: &str = "committed";
    pub(crate) const DELIVERED: &str = "delivered";
}

pub(crate) type Container = ContainerAsync<GenericImage>;

pub(crate) struct Site {
    dir: TempDir,
    name: String,
    pub(crate) engine: Engine,
    endpoint: Vec<(&'static str, String)>,
    receiver_tls: Vec<&'static str>,
}

impl Site {
    pub(crate) async fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("watchd-proof-{}-{count}", process::id());
        let dir = tempfile::Builder::new().prefix("watchd-proof-").tempdir().expect("a directory");
        for inner in ["in", "record", "tls"] {
            fs::create_dir(dir.path().join(inner)).expect("a directory");
        }
        let engine = Engine::new(&name).await;
        Self { dir, name, engine, endpoint: Vec::new(), receiver_tls: Vec::new() }
    }

    /// Sets a key of the endpoint; the value is TOML.
    pub(crate) fn endpoint(mut self, key: &'static str, value: &str) -> Self {
        self.endpoint.push((key, value.to_owned()));
        self
    }

    /// The receiver takes these files of `tls/`: certificate, key, and the issuer of client certificates.
    pub(crate) fn receiver_over_tls(mut self, files: &[&'static str]) -> Self {
        self.receiver_tls = files.to_vec();
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The name of the receiver: of its container, and therefore of its host.
    pub(crate) fn receiver_name(&self) -> String {
        format!("{}-receiver", self.name)
    }

    pub(crate) async fn receiver(&self) -> Container {
        self.receiver_called(&self.receiver_name()).await
    }

    pub(crate) async fn receiver_called(&self, name: &str) -> Container {
        let files = self.receiver_tls.iter().map(|file| format!("/site/tls/{file}"));
        let command = ["/site/record".to_owned()].into_iter().chain(files);
        let image = image::of(Path::new(env!("CARGO_BIN_EXE_receiver"))).await;
        let request = image.with_cmd(command).with_container_name(name);
        self.start(request).await
    }

    /// A daemon that watches `in/` and has its state on the site's volume; watching when this returns.
    pub(crate) async fn watchd(&self, name: &str) -> Daemon {
        fs::write(self.path("watchd.toml"), self.configuration()).expect("it is written");
        let program = env::var_os("WATCHD_PROVEN").expect("WATCHD_PROVEN names the program");
        let request = image::of(Path::new(&program))
            .await
            .with_cmd(["run", "--config", "/site/watchd.toml"])
            .with_container_name(format!("{}-{name}", self.name))
            .with_mount(Mount::volume_mount(&self.name, "/state"));
        let daemon =
            Daemon { container: self.start(request).await, name: format!("{}-{name}", self.name) };
        daemon.wait_until(said::WATCHING, |_| true).await;
        daemon
    }

    async fn start(&self, request: testcontainers::ContainerRequest<GenericImage>) -> Container {
        let here = self.dir.path().to_str().expect("a temporary directory has a plain name");
        request
            .with_network(&self.name)
            .with_labels(engine::labels(&self.name))
            .with_mount(Mount::bind_mount(here, "/site"))
            .with_startup_timeout(PATIENCE)
            .start()
            .await
            .expect("the container starts")
    }

    fn configuration(&self) -> String {
        let scheme = if self.receiver_tls.is_empty() { "http" } else { "https" };
        let mut text = format!(
            "[log]\nformat = \"json\"\nlevel = \"info,watchd=debug\"\n\
             [state]\ndir = \"/state\"\n\
             [shutdown]\ndrain = \"5m\"\n\
             [watch.inbox]\npath = \"/site/in\"\nquiet = \"200ms\"\n\
             [endpoint.crm]\nurl = \"{scheme}://{}:8080/hook\"\n\
             connect_timeout = \"2s\"\nretry_delays = [\"200ms\"]\nattempts = 100000\n",
            self.receiver_name()
        );
        for (key, value) in &self.endpoint {
            writeln!(text, "{key} = {value}").expect("memory takes it");
        }
        text
    }

    /// Files that land at once, by rename; their paths as they are announced.
    pub(crate) fn drop_files(&self, prefix: &str, count: usize) -> Vec<String> {
        let land = |number: usize| {
            let name = format!("{prefix}-{number}");
            let part = self.path("in").join(format!(".{name}.part"));
            fs::write(&part, &name).expect("the file is written");
            fs::rename(part, self.path("in").join(&name)).expect("the file lands");
            name
        };
        (0..count).map(land).collect()
    }

    /// Requests are taken, and not answered.
    pub(crate) fn hold_answers(&self) {
        fs::write(self.path("record/hold"), "").expect("it is written");
    }

    pub(crate) fn release_answers(&self) {
        fs::remove_file(self.path("record/hold")).expect("answers were held");
    }

    pub(crate) fn record(&self) -> Record {
        Record::read(&self.path("record/requests"))
    }

    pub(crate) async fn wait_for_requests(&self, paths: &[String], times: usize) {
        let all = |record: &Record| paths.iter().all(|path| record.requests_for(path) >= times);
        until(&format!("{times} requests for {paths:?}"), async || all(&self.record())).await;
    }

    /// Waits until none is missing; what came more than once was the same.
    pub(crate) async fn wait_until_complete(&self, paths: &[String]) {
        let complete = tokio::time::timeout(PATIENCE, async {
            while !self.record().lacks(paths).is_empty() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        });
        let lost = complete.await.map_or_else(|_| self.record().lacks(paths), |()| Vec::new());
        assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), paths.len());
        self.record().assert_same_each_time(paths);
    }
}

/// A daemon in its container.
pub(crate) struct Daemon {
    pub(crate) container: Container,
    pub(crate) name: String,
}

impl Daemon {
    /// Waits for a line of the log that begins so, of which more is true.
    pub(crate) async fn wait_until(&self, message: &str, is_meant: impl Fn(&Value) -> bool) {
        let what = format!("the log says {message:?}");
        let said = until_quietly(async || {
            self.log().await.iter().any(|line| says(line, message) && is_meant(line))
        });
        if said.await.is_err() {
            for line in self.log().await {
                eprintln!("{line}");
            }
            panic!("did not happen within {PATIENCE:?}: {what}");
        }
    }

    /// Waits until an attempt for `path` has failed for a reason with these words in it.
    pub(crate) async fn wait_for_failure(&self, path: &str, words: &str) {
        self.wait_until(said::RETRY, |line| {
            field(line, "path").ends_with(path) && field(line, "reason").contains(words)
        })
        .await;
    }

    pub(crate) async fn wait_until_delivered(&self, path: &str) {
        self.wait_until(said::DELIVERED, |line| field(line, "path").ends_with(path)).await;
    }

    async fn log(&self) -> Vec<Value> {
        let bytes = self.container.stderr_to_vec().await.expect("the log can be read");
        let text = String::from_utf8_lossy(&bytes);
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

fn says(line: &Value, message: &str) -> bool {
    field(line, "message").starts_with(message)
}

/// A field of a line, whether the formatter nests fields or not.
fn field<'a>(line: &'a Value, name: &str) -> &'a str {
    line.pointer(&format!("/fields/{name}")).unwrap_or(&line[name]).as_str().unwrap_or_default()
}

/// Panics with `what` when it does not come true.
pub(crate) async fn until(what: &str, is_so: impl AsyncFnMut() -> bool) {
    let waited = until_quietly(is_so).await;
    assert!(waited.is_ok(), "did not happen within {PATIENCE:?}: {what}");
}

async fn until_quietly(
    mut is_so: impl AsyncFnMut() -> bool,
) -> Result<(), tokio::time::error::Elapsed> {
    tokio::time::timeout(PATIENCE, async {
        while !is_so().await {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    })
    .await
}
