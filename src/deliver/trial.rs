//! One request outside of every lane, for `watchd endpoint test`: made, sent and judged by the same code as a
//! delivery, and remembered by nobody.

use std::{sync::Arc, time::Duration};

use super::{
    OpenError,
    lane::Outcome,
    open::{Opened, open},
    reading::{self, Read},
    verdict::Class,
};
use crate::{
    arrival::EventId,
    clock,
    config::checked::Endpoint,
    http::{Client, Fault, Walk},
};

/// How far it went.
#[derive(Debug)]
pub struct Trial {
    /// Scheme and host of the receiver.
    pub receiver: String,
    /// How long the files took.
    pub opened_in: Duration,
    /// Whether the request was signed.
    pub signed: bool,
    /// The way to the receiver.
    pub walk: Walk,
    /// What an event would have come to.
    pub outcome: Outcome,
    /// Why there is no answer, if there is none.
    pub fault: Option<Fault>,
    /// The receiver's clock minus ours, in seconds, if it says so.
    pub clock_offset_s: Option<i64>,
}

impl Trial {
    /// Whether the receiver has accepted it.
    pub fn is_accepted(&self) -> bool {
        self.outcome.class == Class::Ok
    }
}

/// Reads what `endpoint` needs, walks the way to it, and posts `body` once. Blocks while it reads.
pub async fn trial(endpoint: &Endpoint, event: EventId, body: Vec<u8>) -> Result<Trial, OpenError> {
    let began = clock::mono();
    let Opened { courier, form, terms, .. } = open(endpoint)?;
    let opened_in = clock::mono().saturating_duration_since(began);
    let walk = courier.walk().await;
    let request = form.request(event, 1, clock::wall(), &Arc::from(body));
    let sent = clock::mono();
    let result = match walk.fault {
        Some(fault) => Err(fault),
        None => courier.post_afresh(request.headers, request.body).await,
    };
    let (now, took) = (clock::wall(), clock::mono().saturating_duration_since(sent));
    let read = Read { terms: &terms, statuses: &endpoint.statuses, now, took };
    let outcome = reading::outcome(&result, &read);
    let clock_offset_s = result.as_ref().ok().and_then(|reply| reading::clock_offset_s(reply, now));
    let receiver = Client::receiver(&courier).to_owned();
    let fault = result.err();
    Ok(Trial { receiver, opened_in, signed: terms.signed, walk, outcome, fault, clock_offset_s })
}
