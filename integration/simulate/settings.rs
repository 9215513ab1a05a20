//! The configuration of a run, as the operator of the simulation keeps it.

use std::fmt::Write as _;

use crate::seeded::Chance;

/// One configuration; the file is made of it.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) watches: Vec<WatchSettings>,
    pub(crate) endpoints: Vec<EndpointSettings>,
    outbox: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct WatchSettings {
    /// Of the volume that it watches.
    pub(crate) number: usize,
    /// Numbers of endpoints.
    pub(crate) to: Vec<usize>,
    pub(crate) quiet: &'static str,
    rescan: &'static str,
    /// Further lines.
    pub(crate) baseline: bool,
    pub(crate) marker: bool,
    pub(crate) globs: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) struct EndpointSettings {
    pub(crate) number: usize,
    pub(crate) concurrency: u64,
    tries: &'static str,
}

impl Settings {
    pub(crate) fn of(chance: &mut Chance, volumes: usize, endpoints: usize, rescans: bool) -> Self {
        let rescan = if rescans { "10m" } else { "300h" };
        let quiet = *chance.pick(&["200ms", "1s", "2s"]);
        let watch = |number| {
            let first = usize::try_from(chance.between(0, endpoints as u64)).unwrap_or(0);
            let to = (first..endpoints).collect();
            let (baseline, marker, globs) = (false, false, "");
            WatchSettings { number, to, quiet, rescan, baseline, marker, globs }
        };
        let watches = (0..volumes).map(watch).collect();
        let endpoint = |number| {
            let concurrency = chance.between(1, 6);
            // Few attempts make dead letters; many try what lasts for hours.
            let few = chance.percent(25);
            let tries = if few { "attempts = 3\nretry_delays = [\"1s\", \"5s\"]\n" } else { "" };
            EndpointSettings { number, concurrency, tries }
        };
        let endpoints = (0..endpoints).map(endpoint).collect();
        let outbox = if chance.percent(15) { chance.between(4, 30) } else { 100_000 };
        Self { watches, endpoints, outbox }
    }

    /// What stands in the file, up to where its state directory is named.
    pub(crate) fn toml(&self) -> String {
        let mut toml = "instance = \"simulated\"\n".to_owned();
        self.watches.iter().for_each(|watch| watch.write(&mut toml));
        self.endpoints.iter().for_each(|endpoint| endpoint.write(&mut toml));
        let _infallible = write!(toml, "[state]\noutbox_max_events = {}\n", self.outbox);
        toml
    }

    /// Watches name only endpoints that there are, and at least one; there is at least one of each.
    pub(crate) fn is_valid(&self) -> bool {
        let there = |number: &usize| self.endpoints.iter().any(|e| e.number == *number);
        let names = |watch: &WatchSettings| !watch.to.is_empty() && watch.to.iter().all(there);
        !self.watches.is_empty() && !self.endpoints.is_empty() && self.watches.iter().all(names)
    }
}

impl WatchSettings {
    fn write(&self, toml: &mut String) {
        let Self { number, quiet, rescan, globs, .. } = self;
        let to: Vec<String> = self.to.iter().map(|endpoint| format!("\"e{endpoint}\"")).collect();
        let _infallible = write!(
            toml,
            "[watch.w{number}]\npath = \"/w{number}\"\nendpoints = [{}]\nquiet = \"{quiet}\"\npoll_interval = \"1s\"\nrescan_interval = \"{rescan}\"\n{globs}",
            to.join(", ")
        );
        if self.baseline {
            toml.push_str("initial = \"baseline\"\n");
        }
        if self.marker {
            toml.push_str("done_marker = \"{name}.done\"\n");
        }
    }
}

impl EndpointSettings {
    fn write(&self, toml: &mut String) {
        let Self { number, concurrency, tries } = self;
        let _infallible = write!(
            toml,
            "[endpoint.e{number}]\nurl = \"http://127.0.0.1:1/\"\nconcurrency = {concurrency}\n{tries}"
        );
    }
}
