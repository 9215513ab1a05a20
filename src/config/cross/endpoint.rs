//! `[endpoint.*]`: where it is announced.

use std::{path::PathBuf, time::Duration};

use super::Crossing;
use crate::config::{
    checked::{self, Format, SecretUrl, UrlSource},
    file::{self, Settings},
    layers::Origin,
    problem::Wrong,
};

const PERIOD_MIN: Duration = Duration::from_millis(1);

/// Each request in flight costs a connection and a body in memory (P8).
const CONCURRENCY_MAX: u64 = 256;

const ATTEMPTS_MAX: u64 = 1_000_000;

impl Crossing<'_> {
    pub(super) fn endpoints(&mut self, typed: &Settings) -> Vec<checked::Endpoint> {
        if typed.endpoint.is_empty() && !self.is_struck(&["endpoint"]) {
            self.object(&["endpoint"], Wrong::NoEndpoint);
        }
        typed.endpoint.iter().filter_map(|(name, typed)| self.endpoint(name, typed)).collect()
    }

    fn endpoint(&mut self, name: &str, typed: &file::Endpoint) -> Option<checked::Endpoint> {
        let parsed = self.name("endpoint", name);
        let url = self.url(name, typed);
        let secret_files = self.secret_files(name, &typed.secret_files);
        let ca_file = (typed.ca_file != "none")
            .then(|| self.file(&["endpoint", name, "ca_file"], &typed.ca_file))
            .flatten();
        let mut period = |key, typed| self.period(&["endpoint", name, key], typed, PERIOD_MIN);
        let connect_timeout = period("connect_timeout", &typed.connect_timeout);
        let timeout = period("timeout", &typed.timeout);
        let retry_delays = self.retry_delays(name, &typed.retry_delays);
        let key = ["endpoint", name, "concurrency"];
        let concurrency = self.count(&key, typed.concurrency, 1, CONCURRENCY_MAX);
        let attempts = self.count(&["endpoint", name, "attempts"], typed.attempts, 1, ATTEMPTS_MAX);
        Some(checked::Endpoint {
            headers: self.headers(name, &typed.headers),
            header_files: self.header_files(name, typed),
            rate_limit: self.rate_limit(name, &typed.rate_limit),
            identity: self.identity(name, typed),
            proxy: self.proxy(name, &typed.proxy),
            allow: self.allow(name, &typed.allow),
            statuses: self.statuses(name, typed),
            name: parsed?,
            url: url?,
            secret_files,
            format: format(typed.format),
            connect_timeout,
            timeout,
            concurrency: usize::try_from(concurrency).unwrap_or(1),
            retry_delays,
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            ca_file,
            deny_private: typed.deny_private,
        })
    }

    fn url(&mut self, name: &str, typed: &file::Endpoint) -> Option<UrlSource> {
        let (url_key, file_key) = (["endpoint", name, "url"], ["endpoint", name, "url_file"]);
        match (typed.url.as_deref(), typed.url_file.as_deref()) {
            (None, None) => {
                if !self.is_struck(&url_key) && !self.is_struck(&file_key) {
                    self.object(&["endpoint", name], Wrong::NoUrl);
                }
                None
            }
            (Some(url), None) => self.given_url(name, url),
            (None, Some(file)) => self.file(&file_key, file).map(UrlSource::File),
            (Some(url), Some(file)) => match self.layer(&url_key).cmp(&self.layer(&file_key)) {
                // A higher layer overrides a lower one, in whichever of the two ways.
                std::cmp::Ordering::Greater => self.given_url(name, url),
                std::cmp::Ordering::Less => self.file(&file_key, file).map(UrlSource::File),
                std::cmp::Ordering::Equal => {
                    self.object_to_both(&url_key, &file_key, Wrong::TwoUrls);
                    None
                }
            },
        }
    }

    fn given_url(&mut self, name: &str, url: &str) -> Option<UrlSource> {
        SecretUrl::parse(url)
            .map_err(|bad| self.object(&["endpoint", name, "url"], Wrong::Url(bad)))
            .ok()
            .map(UrlSource::Given)
    }

    fn layer(&self, key: &[&str]) -> u8 {
        let path: Vec<String> = key.iter().map(|key| (*key).to_owned()).collect();
        match self.context.layers.origin(&path) {
            Origin::File => 0,
            Origin::Variable(_) => 1,
            Origin::Flag(_) => 2,
        }
    }

    fn secret_files(&mut self, name: &str, typed: &[String]) -> Vec<PathBuf> {
        let files = typed.iter().enumerate().filter_map(|(at, file)| {
            let element = self.element(&["endpoint", name, "secret_files"], at);
            self.file(&["endpoint", name, "secret_files", &element], file)
        });
        files.collect()
    }

    fn retry_delays(&mut self, name: &str, typed: &[file::Period]) -> Vec<Duration> {
        if typed.is_empty() {
            self.object(&["endpoint", name, "retry_delays"], Wrong::EmptyList);
        }
        let delays = typed.iter().enumerate().map(|(at, delay)| {
            let element = self.element(&["endpoint", name, "retry_delays"], at);
            self.period(&["endpoint", name, "retry_delays", &element], delay, PERIOD_MIN)
        });
        delays.collect()
    }
}

fn format(typed: file::Format) -> Format {
    match typed {
        file::Format::Json => Format::Json,
        file::Format::CloudEvents => Format::CloudEvents,
        file::Format::CloudEventsBinary => Format::CloudEventsBinary,
    }
}
