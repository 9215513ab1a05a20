//! `[operations]`: who is told of the daemon itself.

use super::Crossing;
use crate::{
    arrival::Name,
    config::{advice, file::Settings, problem::Wrong},
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
}
