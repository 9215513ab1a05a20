//! watchd and its receiver, each in a container, on a network of their own that is then taken apart.
//!
//! `./integration/test containers` runs these; they want `DOCKER_HOST` and `WATCHD_PROVEN`, which it sets.

mod certificates;
mod engine;
mod image;
mod partition;
mod receiver_faults;
mod record;
mod site;
mod stops;
mod tls;
