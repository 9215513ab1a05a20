//! `watchd endpoint ...`: what an operator does about one endpoint.

use std::process::ExitCode;

use super::place::Which;
use crate::{
    arrival::Name,
    control::Resumed,
    terminal::{failed, say},
};

/// Delivers again to an endpoint that answered 410 Gone. 1: it is not parked, or the daemon does not answer.
pub fn resume(which: Which, name: &Name, json: bool) -> ExitCode {
    let place = match which.find() {
        Ok(place) => place,
        Err(code) => return code,
    };
    let path = format!("/endpoints/{name}/resume");
    let resumed = match place.client().map(|client| client.post::<Resumed>(&path, &())) {
        Ok(Ok(resumed)) => resumed,
        Ok(Err(error)) => return failed(&error),
        Err(error) => return failed(&error),
    };
    let text = match (json, resumed.was_parked) {
        (true, was_parked) => format!("{{\"was_parked\":{was_parked}}}\n"),
        (false, true) => format!("endpoint {name} is delivered to again\n"),
        (false, false) => format!("endpoint {name} was not parked\n"),
    };
    say(&text, if resumed.was_parked { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
