//! How the daemon asks its stages to end, and hears that they have.

use std::convert::Infallible;

use tokio::sync::mpsc;

/// What a stage should do; it only ever moves forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Go on.
    #[default]
    Run,
    /// Start nothing new, let what is under way finish.
    Drain,
    /// End now; what is still under way counts as not tried.
    Now,
}

/// Held by every thread or task of a part, for as long as it runs.
#[derive(Clone, Debug)]
pub struct Alive(
    #[expect(dead_code, reason = "dropping it is all it does")] mpsc::Sender<Infallible>,
);

/// Whether a part still runs.
#[derive(Debug)]
pub struct Life(mpsc::Receiver<Infallible>);

impl Life {
    /// A new part, and what its threads or tasks have to hold.
    pub fn begin() -> (Alive, Self) {
        let (alive, life) = mpsc::channel(1);
        (Alive(alive), Self(life))
    }

    /// Waits until every [`Alive`] is gone.
    pub async fn ended(&mut self) {
        while self.0.recv().await.is_some() {}
    }

    /// Whether every [`Alive`] is gone.
    pub fn is_over(&self) -> bool {
        self.0.is_closed() || self.0.sender_strong_count() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_is_over_when_the_last_of_it_is_gone() {
        let (alive, mut life) = Life::begin();
        let other = alive.clone();
        drop(alive);
        assert!(!life.is_over());
        drop(other);
        assert!(life.is_over());
        life.ended().await;
    }
}
