//! The daemon of the simulation: the product's stages as tasks of one thread, started, stopped and killed.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, mpsc::UnboundedSender},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    arrival::{EventId, Name, Outbox},
    config::checked::Config,
    disk,
    journal::{Journal, LaneView},
    ledger,
    line::{self, next_question, serve},
    mounts::Mounts,
    parts::{Lane, Order, Parts, Root, Shared, reload},
    stop::Stop,
    world,
};

/// A daemon that runs.
pub(crate) struct Daemon {
    journal: Journal,
    parts: Shared,
    reloads: UnboundedSender<Order>,
    reloading: JoinHandle<()>,
    answers: JoinHandle<()>,
    others: Vec<JoinHandle<()>>,
    kernel: Rc<Notify>,
    drain: Duration,
}

/// How long a step takes.
pub(crate) fn a_moment() -> Duration {
    Duration::from_micros(world::with(|w| w.chance.between(0, 3000)))
}

impl Daemon {
    pub(crate) fn start(config: &Config) -> Self {
        ledger::started(config.watches.iter().map(|watch| &watch.name));
        let lock = crate::journal::lock(&config.state.dir).ok();
        let (journal, writer, questions) = Journal::parts(config, lock, Arc::default());
        line::open(writer, questions);
        let answers = tokio::task::spawn_local(answer_all());
        let parts = Rc::new(RefCell::new(Parts::start(config, journal.clone())));
        let kernel = Rc::<Notify>::default();
        let others = vec![
            tokio::task::spawn_local(carry(Rc::clone(&kernel), Rc::clone(&parts))),
            tokio::task::spawn_local(wake_lanes(journal.for_lane(), Rc::clone(&parts))),
            tokio::task::spawn_local(hear_of_losses(journal.clone(), Rc::clone(&parts))),
            tokio::task::spawn_local(follow_mounts(Rc::clone(&parts))),
        ];
        let (reloads, orders) = tokio::sync::mpsc::unbounded_channel();
        let reloading = tokio::task::spawn_local(reload(Rc::clone(&parts), orders));
        let drain = config.drain;
        Self { journal, parts, reloads, reloading, answers, others, kernel, drain }
    }

    /// Something happened in the world: the kernel has something to tell.
    pub(crate) fn poke(&self) {
        self.kernel.notify_one();
    }

    pub(crate) fn rescan(&self) {
        self.parts.borrow().rescan();
    }

    /// As on SIGHUP.
    pub(crate) fn reload(&self, order: Order) {
        let _ended = self.reloads.send(order);
    }

    fn say(&self, word: Stop) {
        let parts = self.parts.borrow();
        for lane in parts.leaving.iter().chain(parts.lanes.values()) {
            lane.stop.send_modify(|told| *told = word.max(*told));
        }
    }

    /// As on SIGTERM, which waits for no reload. A process that dies meanwhile is dead all the same.
    pub(crate) async fn stop(self) {
        self.reloading.abort();
        self.parts.borrow().roots.values().for_each(|root| root.watch.stop());
        let _hangs = timeout(Duration::from_secs(2), self.journal.refuse_arrivals()).await;
        self.say(Stop::Drain);
        let mut lanes = self.take_lanes();
        let drained = async {
            while let Some(lane) = lanes.last_mut() {
                let _cancelled = (&mut lane.task).await;
                lanes.pop();
            }
        };
        if timeout(self.drain, drained).await.is_err() {
            for lane in &lanes {
                lane.stop.send_modify(|told| *told = Stop::Now);
            }
            sleep(Duration::from_secs(1)).await;
        }
        line::close();
        self.end(lanes).await;
    }

    /// As on SIGKILL, or with the power: nothing that it does any more has an effect.
    pub(crate) async fn kill(self) {
        // First of all: it would start parts that outlive the process.
        self.reloading.abort();
        disk::die();
        line::abandon();
        let lanes = self.take_lanes();
        self.end(lanes).await;
    }

    fn take_lanes(&self) -> Vec<Lane> {
        let mut parts = self.parts.borrow_mut();
        let leaving = std::mem::take(&mut parts.leaving);
        leaving.into_iter().chain(std::mem::take(&mut parts.lanes).into_values()).collect()
    }

    async fn end(self, lanes: Vec<Lane>) {
        let roots: Vec<Root> = {
            let mut parts = self.parts.borrow_mut();
            let left = std::mem::take(&mut parts.left_behind);
            std::mem::take(&mut parts.roots).into_values().chain(left).collect()
        };
        let lanes = lanes.into_iter().map(|lane| lane.task);
        let roots = roots.into_iter().flat_map(|root| root.tasks);
        let others = self.others.into_iter().chain([self.reloading]);
        for task in lanes.chain([self.answers]).chain(roots).chain(others) {
            task.abort();
            let _cancelled = task.await;
        }
    }
}

async fn answer_all() {
    while let Some(question) = next_question().await {
        serve(question);
        sleep(a_moment()).await;
    }
}

/// Carries events from the kernel's queues to the watches.
async fn carry(kernel: Rc<Notify>, parts: Shared) {
    loop {
        kernel.notified().await;
        loop {
            sleep(a_moment()).await;
            let (any, quiet) = world::with(|w| {
                let max = usize::try_from(w.chance.between(1, 40)).unwrap_or(1);
                (w.inotify.deliver(max), w.inotify.is_quiet())
            });
            if any {
                parts.borrow().ring_roots();
            }
            if quiet || !any {
                break;
            }
        }
    }
}

pub(crate) fn ring<'a>(bells: impl Iterator<Item = &'a Rc<Notify>>) {
    for bell in bells {
        bell.notify_one();
    }
}

async fn wake_lanes(journal: LaneView, parts: Shared) {
    loop {
        journal.woken().await;
        ring(parts.borrow().lanes.values().map(|lane| &lane.bell));
    }
}

async fn hear_of_losses(mut journal: Journal, parts: Shared) {
    loop {
        journal.lost().await;
        parts.borrow().rescan();
    }
}

async fn follow_mounts(parts: Shared) {
    let mut mounts = Mounts::follow();
    loop {
        let places = mounts.changed().await;
        let parts = parts.borrow();
        parts.roots.values().for_each(|root| root.watch.mounts_changed(&places));
        parts.ring_roots();
    }
}

/// What is in a journal that nobody has open: the events that are dead, that wait, and that are parked.
pub(crate) fn look_into(config: &Config) -> Result<Left, rusqlite::Error> {
    let db = rusqlite::Connection::open(config.state.dir.join("journal.db"))?;
    db.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
    let mut rows = db.prepare(
        "SELECT event.id, endpoint.name, delivery.state FROM delivery
         JOIN event USING (seq) JOIN endpoint ON endpoint.id = delivery.endpoint",
    )?;
    let mut left = Left::default();
    let mut found = rows.query([])?;
    while let Some(row) = found.next()? {
        let (id, name): (Vec<u8>, String) = (row.get(0)?, row.get(1)?);
        let id: [u8; 16] = id.try_into().unwrap_or_default();
        let Some(name) = Name::parse(&name) else { continue };
        match row.get::<_, i64>(2)? {
            0 => left.waiting.push((name, EventId(id))),
            1 => left.dead.push((name, EventId(id))),
            _ => left.parked.push((name, EventId(id))),
        }
    }
    Ok(left)
}

/// See [`look_into`].
#[derive(Default)]
pub(crate) struct Left {
    pub(crate) dead: Vec<(Name, EventId)>,
    pub(crate) waiting: Vec<(Name, EventId)>,
    /// Their endpoint is not configured.
    pub(crate) parked: Vec<(Name, EventId)>,
}
