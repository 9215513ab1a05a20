//! `[endpoint.*]`: the keys that say how a request looks and what its answer means.

use std::{collections::BTreeMap, path::PathBuf};

use super::Crossing;
use crate::{
    config::{
        checked::{BadHeader, Statuses, header_name, header_value},
        file::{self, Count},
        problem::Wrong,
        units::{Rate, parse_rate},
    },
    http::{HeaderName, HeaderValue},
};

/// More headers than these are a mistake, and servers limit them, too.
const HEADERS_MAX: usize = 32;

/// The statuses that a server can answer with.
const STATUSES: std::ops::RangeInclusive<u64> = 100..=999;

impl Crossing<'_> {
    pub(super) fn headers(
        &mut self,
        name: &str,
        typed: &BTreeMap<String, String>,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
        for (header, value) in typed {
            let key = ["endpoint", name, "headers", header];
            match header_name(header).and_then(|name| Ok((name, header_value(value)?))) {
                Ok(pair) => headers.push(pair),
                Err(bad) => self.object(&key, Wrong::Header(bad)),
            }
        }
        headers.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        self.header_once(name, "headers", headers.iter().map(|(header, _)| header), typed.len());
        headers
    }

    pub(super) fn header_files(
        &mut self,
        name: &str,
        typed: &file::Endpoint,
    ) -> Vec<(HeaderName, PathBuf)> {
        let mut files: Vec<(HeaderName, PathBuf)> = Vec::new();
        for (header, file) in &typed.header_files {
            let key = ["endpoint", name, "header_files", header];
            match (header_name(header), self.file(&key, file)) {
                (Ok(header), Some(file)) => files.push((header, file)),
                (Err(bad), _) => self.object(&key, Wrong::Header(bad)),
                (Ok(_), None) => {}
            }
            if let Some(other) = typed.headers.keys().find(|o| o.eq_ignore_ascii_case(header)) {
                let other = ["endpoint", name, "headers", other];
                self.object_to_both(&key, &other, Wrong::TwoHeaders);
            }
        }
        files.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        let names = files.iter().map(|(header, _)| header);
        self.header_once(name, "header_files", names, typed.header_files.len());
        files
    }

    /// Names that differ in case only are one header.
    fn header_once<'h>(
        &mut self,
        endpoint: &str,
        key: &str,
        names: impl Iterator<Item = &'h HeaderName>,
        count: usize,
    ) {
        let names: Vec<_> = names.collect();
        let path = ["endpoint", endpoint, key];
        if count > HEADERS_MAX {
            self.object(&path, Wrong::Header(BadHeader::Many { most: HEADERS_MAX }));
        }
        let twice = names
            .iter()
            .enumerate()
            .find(|(at, name)| names.iter().take(*at).any(|earlier| earlier == *name));
        if let Some((_, name)) = twice {
            self.object(&path, Wrong::Twice { name: name.to_string() });
        }
    }

    pub(super) fn rate_limit(&mut self, name: &str, typed: &str) -> Option<Rate> {
        if typed == "none" {
            return None;
        }
        parse_rate(typed)
            .map_err(|bad| self.object(&["endpoint", name, "rate_limit"], Wrong::Rate(bad)))
            .ok()
    }

    pub(super) fn statuses(&mut self, name: &str, typed: &file::Endpoint) -> Statuses {
        let lists = [
            ("success_statuses", &typed.success_statuses),
            ("retry_statuses", &typed.retry_statuses),
            ("permanent_statuses", &typed.permanent_statuses),
        ];
        for (at, (key, list)) in lists.iter().enumerate() {
            self.each_status_once(name, key, list);
            for (earlier, other) in lists.iter().take(at) {
                if let Some(status) = list.iter().find(|status| other.contains(status)) {
                    let (path, other) = (["endpoint", name, key], ["endpoint", name, earlier]);
                    let wrong = Wrong::StatusTwice { status: status.0 };
                    self.object_to_both(&path, &other, wrong);
                }
            }
        }
        let [success, retry, permanent] = lists.map(|(_, list)| {
            list.iter().filter_map(|status| u16::try_from(status.0).ok()).collect()
        });
        Statuses { success, retry, permanent }
    }

    fn each_status_once(&mut self, name: &str, key: &str, list: &[Count]) {
        for (at, status) in list.iter().enumerate() {
            let element = self.element(&["endpoint", name, key], at);
            let path = ["endpoint", name, key, &element];
            if list.iter().take(at).any(|earlier| earlier == status) {
                self.object(&path, Wrong::Twice { name: status.0.to_string() });
            } else {
                self.count(&path, *status, *STATUSES.start(), *STATUSES.end());
            }
        }
    }
}
