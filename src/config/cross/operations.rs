//! `[operations]` and `[heartbeat]`: who is told of the daemon itself.

use std::time::Duration;

use super::Crossing;
use crate::{
    arrival::Name,
    config::{
        advice,
        checked::{Heartbeat, SecretUrl, UrlSource},
        file::{self, Settings},
        problem::Wrong,
    },
};

impl Crossing<'_> {
    pub(super) fn operations(&mut self, typed: &Settings) -> Option<Name> {
        let name = &typed.operations.endpoint;
        if name == "none" {
            return None;
        }
        let known: Vec<String> = typed.endpoint.keys().cloned().collect();
        if !known.contains(name) && !self.is_struck(&["endpoint", name]) {
            let near = advice::nearest(name, &known).and_then(|at| known.get(at).cloned());
            let wrong = Wrong::Undefined { name: name.clone(), near, known };
            self.object(&["operations", "endpoint"], wrong);
        }
        Name::parse(name)
    }

    pub(super) fn heartbeat(&mut self, typed: &file::Heartbeat) -> Option<Heartbeat> {
        const INTERVAL_MIN: Duration = Duration::from_secs(1);
        let (url_key, file_key) = (["heartbeat", "url"], ["heartbeat", "url_file"]);
        let interval = self.period(&["heartbeat", "interval"], &typed.interval, INTERVAL_MIN);
        let url = match (typed.url.as_str(), &typed.url_file) {
            ("none", None) => return None,
            ("none", Some(file)) => UrlSource::File(self.file(&file_key, file)?),
            (url, None) => match SecretUrl::parse(url) {
                Ok(url) => UrlSource::Given(url),
                Err(bad) => {
                    self.object(&url_key, Wrong::Url(bad));
                    return None;
                }
            },
            (_, Some(_)) => {
                self.object_to_both(&url_key, &file_key, Wrong::TwoUrls);
                return None;
            }
        };
        Some(Heartbeat { url, interval })
    }
}
