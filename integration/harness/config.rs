//! A configuration file in the making. Values are given as JSON, which is TOML for what is needed here.

use std::{collections::BTreeMap, fmt::Write, fs, path::PathBuf, process::Command};

use serde_json::Value;

use super::{Site, Watchd, log::said, watchd};

#[derive(Clone)]
pub(crate) struct Config {
    home: PathBuf,
    file: PathBuf,
    log_filter: String,
    tables: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Config {
    /// Retries come soon and never end, so that no proof waits for a schedule or dies of it.
    pub(super) fn new(site: &Site, url: &str) -> Self {
        Self {
            home: site.home().to_path_buf(),
            file: site.path("watchd.toml"),
            log_filter: "info,watchd=debug".to_owned(),
            tables: BTreeMap::new(),
        }
        .set("log", "format", "json")
        .set("state", "dir", site.state_dir().to_str().unwrap())
        .add_watch("inbox", &site.root(), &["crm"])
        .add_endpoint("crm", url)
        .endpoint("secret_files", vec![site.path("secret").to_str().unwrap()])
    }

    pub(crate) fn set(mut self, table: &str, key: &str, value: impl Into<Value>) -> Self {
        self.tables.entry(table.to_owned()).or_default().insert(key.to_owned(), value.into());
        self
    }

    pub(crate) fn without(mut self, table: &str, key: &str) -> Self {
        self.tables.get_mut(table).and_then(|keys| keys.remove(key)).expect("the key was set");
        self
    }

    pub(crate) fn without_table(mut self, table: &str) -> Self {
        self.tables.remove(table).expect("the table was there");
        self
    }

    /// Sets a key of the watch `inbox`.
    pub(crate) fn watch(self, key: &str, value: impl Into<Value>) -> Self {
        self.set("watch.inbox", key, value)
    }

    /// Sets a key of the endpoint `crm`.
    pub(crate) fn endpoint(self, key: &str, value: impl Into<Value>) -> Self {
        self.set("endpoint.crm", key, value)
    }

    pub(crate) fn add_watch(self, name: &str, path: &std::path::Path, endpoints: &[&str]) -> Self {
        let table = format!("watch.{name}");
        self.set(&table, "path", path.to_str().unwrap())
            .set(&table, "endpoints", endpoints.to_vec())
            .set(&table, "quiet", "300ms")
    }

    pub(crate) fn add_endpoint(self, name: &str, url: &str) -> Self {
        let table = format!("endpoint.{name}");
        self.set(&table, "url", url)
            .set(&table, "retry_delays", vec!["200ms"])
            .set(&table, "attempts", 100_000)
    }

    pub(crate) fn log_filter(mut self, filter: &str) -> Self {
        filter.clone_into(&mut self.log_filter);
        self
    }

    pub(crate) fn watches(&self) -> usize {
        self.tables.keys().filter(|table| table.starts_with("watch.")).count()
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (table, keys) in &self.tables {
            writeln!(text, "[{table}]").unwrap();
            for (key, value) in keys {
                writeln!(text, "{key} = {value}").unwrap();
            }
        }
        text
    }

    /// `watchd run --config FILE`, with the file written.
    pub(crate) fn run(&self) -> Command {
        self.run_by(watchd::command(&self.home))
    }

    /// As [`Config::run`], started through `command`.
    pub(crate) fn run_by(&self, mut command: Command) -> Command {
        fs::write(&self.file, self.text()).unwrap();
        command.args(["run", "--config"]).arg(&self.file).env("WATCHD_LOG", &self.log_filter);
        command
    }

    /// Puts this configuration in the place of the one that the daemon was started with.
    pub(crate) fn write(&self) {
        fs::write(&self.file, self.text()).unwrap();
    }

    /// Has a running daemon go over to this configuration, and waits until it has.
    pub(crate) fn reload(&self, watchd: &Watchd) {
        self.write();
        let before = watchd.count(said::RELOADED);
        watchd.signal("HUP");
        watchd.wait_for_count(said::RELOADED, before + 1);
    }

    /// Another subcommand on the same file.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        fs::write(&self.file, self.text()).unwrap();
        let mut command = watchd::command(&self.home);
        command.args(args).arg("--config").arg(&self.file);
        command
    }

    pub(crate) fn start(&self) -> Watchd {
        Watchd::spawn(self.run())
    }

    /// Starts the daemon and waits until every watch is armed and scanned.
    pub(crate) fn ready(&self) -> Watchd {
        let watchd = self.start();
        watchd.wait_ready(self.watches());
        watchd
    }
}
