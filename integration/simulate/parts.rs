//! What runs in the daemon of the simulation, and going over to another configuration: the steps of
//! `src/daemon/parts.rs`, with tasks for its threads.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    sync::{Arc, mpsc},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc::UnboundedReceiver, watch as latest},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    arrival::{Name, UrlPrint},
    clock,
    config::checked::{Config, Endpoint, Watch},
    daemon::{a_moment, ring},
    deliver::{
        self,
        excerpt::Redactor,
        open::{Opened, Terms},
        reopen::Reopening,
        request::Form,
        signature::Signer,
    },
    held, idle,
    journal::{Journal, WatchView},
    line::{AtOnce, LaneOutbox},
    notice::Notices,
    plan::{Plan, keep_fixed},
    receiver::{Courier, tell},
    settle,
    stop::{Life, Stop},
    vitals::{LaneVitals, WatchVitals},
    watch::{self, inbox::Inbox},
    world,
};

/// One thread does all the work: it must never wait for itself.
const REPORTS_MAX: usize = 1 << 16;

/// As `src/daemon/root.rs`, `lanes.rs` and `parts.rs` have them.
const STOP_LIMIT: Duration = Duration::from_secs(2);
const CUT_LIMIT: Duration = Duration::from_secs(2);
const CONFIGURE_LIMIT: Duration = Duration::from_secs(10);

/// A reload that was asked for.
pub(crate) struct Order {
    /// `None`: what is in the file is refused.
    pub(crate) config: Option<Config>,
    /// Its number in [`held`].
    pub(crate) number: usize,
    /// So long the threads of what has to end hang in their file system.
    pub(crate) hangs: Option<Duration>,
}

/// Everything that runs, shared with the task that reloads.
pub(crate) struct Parts {
    journal: Journal,
    config: Config,
    pub(crate) lanes: BTreeMap<Name, Lane>,
    /// Asked to end, and not gone yet.
    pub(crate) leaving: Vec<Lane>,
    pub(crate) roots: BTreeMap<Name, Root>,
    /// Hung when they were asked to end.
    pub(crate) left_behind: Vec<Root>,
}

pub(crate) type Shared = Rc<RefCell<Parts>>;

/// One lane, from outside.
pub(crate) struct Lane {
    pub(crate) stop: latest::Sender<Stop>,
    reopen: latest::Sender<u64>,
    pub(crate) bell: Rc<Notify>,
    pub(crate) task: JoinHandle<()>,
}

/// One watch, from outside.
pub(crate) struct Root {
    pub(crate) watch: watch::Handle,
    view: WatchView<AtOnce>,
    pub(crate) bell: Rc<Notify>,
    hangs: Rc<Cell<Option<Instant>>>,
    pub(crate) tasks: [JoinHandle<()>; 2],
}

impl Root {
    fn is_over(&self) -> bool {
        self.tasks.iter().all(JoinHandle::is_finished)
    }
}

impl Parts {
    pub(crate) fn start(config: &Config, journal: Journal) -> Self {
        let mut parts = Self {
            journal,
            config: config.clone(),
            lanes: BTreeMap::new(),
            leaving: Vec::new(),
            roots: BTreeMap::new(),
            left_behind: Vec::new(),
        };
        for endpoint in &config.endpoints {
            parts.start_lane(endpoint.clone(), false);
        }
        for watch in &config.watches {
            parts.start_root(watch.clone());
        }
        parts
    }

    fn start_lane(&mut self, endpoint: Endpoint, renewed: bool) {
        // A word for each lane, and a bell: tokio wakes those who wait for one word in an order of its own.
        let (stop, told) = latest::channel(Stop::Run);
        let (reopen, asked) = latest::channel(0);
        let mut orders = deliver::Orders { stop: told, reopen: asked, renewed };
        let bell = Rc::new(Notify::new());
        let outbox = LaneOutbox { journal: self.journal.for_lane(), bell: Rc::clone(&bell) };
        let opened = Opened {
            courier: Courier::to(endpoint.name.clone()),
            form: Form::new(endpoint.name.clone(), endpoint.format, [], Signer::new(&[])),
            terms: Arc::new(Terms {
                redactor: Redactor::default(),
                print: UrlPrint([1; 16]),
                signed: false,
            }),
            contents: [1; 32],
        };
        let (again, pass) = (opened.clone(), idle::passage());
        let name = endpoint.name.clone();
        let task = tokio::task::spawn_local(async move {
            let vitals = Arc::<LaneVitals>::default();
            let endpoint = Arc::new(endpoint);
            let read = move |_: &Endpoint| {
                pass();
                Ok(opened.clone())
            };
            let reopening = Reopening::new(&endpoint, Arc::new(read));
            deliver::deliver(
                &endpoint,
                (again, reopening),
                &outbox,
                (&vitals, Notices::default()),
                &mut orders,
            )
            .await;
        });
        self.lanes.insert(name, Lane { stop, reopen, bell, task });
    }

    fn start_root(&mut self, config: Watch) {
        let view = WatchView::new(&config, AtOnce);
        let (alive, _life) = Life::begin();
        let (send, reports) = mpsc::sync_channel(REPORTS_MAX);
        let handle = watch::Handle::new(&config);
        let inbox = Arc::clone(handle.inbox());
        let pace = Pace::default();
        let vitals = Arc::new(WatchVitals::new(&config.path));
        let settling = settle::Ports {
            reports,
            recorder: Box::new(view.clone()),
            vitals: Arc::clone(&vitals),
            alive: alive.clone(),
            notices: Notices::default(),
        };
        let stage = settle::Stage::new(config.clone(), settling);
        let settles = tokio::task::spawn_local(settle_files(stage, pace.clone()));
        let memory = Box::new(view.clone());
        let notices = Notices::default();
        let ports = watch::Ports { reports: send, memory, vitals, alive, notices };
        let name = config.name.clone();
        let follows = tokio::task::spawn_local(follow(config, ports, inbox, pace.clone()));
        let (bell, hangs) = (pace.bell, pace.hangs);
        let tasks = [settles, follows];
        self.roots.insert(name, Root { watch: handle, view, bell, hangs, tasks });
    }

    /// Has every lane read its files again, and every root be scanned.
    fn look_again(&self) {
        for lane in self.lanes.values() {
            lane.reopen.send_modify(|turns| *turns += 1);
        }
        self.rescan();
    }

    pub(crate) fn rescan(&self) {
        self.roots.values().for_each(|root| root.watch.rescan());
        self.ring_roots();
    }

    pub(crate) fn ring_roots(&self) {
        ring(self.roots.values().map(|root| &root.bell));
    }
}

/// Goes over from one configuration to the next, one after the other.
pub(crate) async fn reload(parts: Shared, mut orders: UnboundedReceiver<Order>) {
    while let Some(Order { config, number, hangs }) = orders.recv().await {
        sleep(a_moment()).await;
        match config {
            Some(config) => apply(&parts, config, hangs).await,
            None => parts.borrow().look_again(),
        }
        held::in_force(number);
        tell(|| format!("configuration {number} is in force"));
    }
}

async fn apply(parts: &Shared, mut new: Config, hangs: Option<Duration>) {
    let old = parts.borrow().config.clone();
    let watches = Plan::new(&old.watches, &new.watches, |watch| &watch.name);
    let endpoints = Plan::new(&old.endpoints, &new.endpoints, |endpoint| &endpoint.name);
    let _fixed = keep_fixed(&old, &mut new);
    parts.borrow_mut().config = new.clone();
    stop_roots(parts, &watches.stop, hangs).await;
    stop_lanes(parts, &endpoints.stop, old.drain).await;
    let journal = parts.borrow().journal.clone();
    let _later = timeout(CONFIGURE_LIMIT, journal.configure(&new)).await;
    let mut parts = parts.borrow_mut();
    parts.look_again();
    endpoints.start.into_iter().for_each(|endpoint| parts.start_lane(endpoint, true));
    watches.start.into_iter().for_each(|watch| parts.start_root(watch));
}

async fn stop_roots(parts: &Shared, names: &[Name], hangs: Option<Duration>) {
    {
        let mut parts = parts.borrow_mut();
        let leaving: Vec<Root> = names.iter().filter_map(|name| parts.roots.remove(name)).collect();
        for root in &leaving {
            root.hangs.set(hangs.map(|hangs| Instant::now() + hangs));
            root.watch.stop();
            root.bell.notify_one();
        }
        parts.left_behind.extend(leaving);
    }
    let are_over = || parts.borrow().left_behind.iter().all(Root::is_over);
    wait_for(are_over, STOP_LIMIT).await;
    let mut parts = parts.borrow_mut();
    parts.left_behind.iter().for_each(|root| root.view.retire());
    parts.left_behind.retain(|root| !root.is_over());
}

/// Looks now and then: nothing here may be lost when a reload is given up half way.
async fn wait_for(is_over: impl Fn() -> bool, limit: Duration) {
    let until = Instant::now() + limit;
    while !is_over() && Instant::now() < until {
        sleep(Duration::from_millis(1)).await;
    }
}

async fn stop_lanes(parts: &Shared, names: &[Name], drain: Duration) {
    {
        let mut parts = parts.borrow_mut();
        let leaving: Vec<Lane> = names.iter().filter_map(|name| parts.lanes.remove(name)).collect();
        parts.leaving.extend(leaving);
    }
    for (order, limit) in [(Stop::Drain, drain), (Stop::Now, CUT_LIMIT)] {
        for lane in &parts.borrow().leaving {
            lane.stop.send_modify(|told| *told = order.max(*told));
        }
        wait_for(|| parts.borrow().leaving.iter().all(|lane| lane.task.is_finished()), limit).await;
    }
    for lane in parts.borrow_mut().leaving.drain(..) {
        lane.task.abort();
    }
}

/// When the two tasks of a root take their steps.
#[derive(Clone, Default)]
struct Pace {
    bell: Rc<Notify>,
    settling: Rc<Notify>,
    /// Until then the file system does not answer.
    hangs: Rc<Cell<Option<Instant>>>,
    is_over: Rc<Cell<bool>>,
}

impl Pace {
    async fn hang(&self) {
        if let Some(until) = self.hangs.get() {
            tokio::time::sleep_until(until).await;
        }
    }
}

async fn follow(config: Watch, ports: watch::Ports, inbox: Arc<Inbox>, pace: Pace) {
    follow_root(&config, ports, &inbox, &pace).await;
    pace.is_over.set(true);
    pace.settling.notify_one();
}

async fn follow_root(config: &Watch, ports: watch::Ports, inbox: &Arc<Inbox>, pace: &Pace) {
    let mut stage = watch::Stage::new(config, &ports, inbox);
    while let Ok(batch) = inbox.take(Duration::ZERO) {
        pace.hang().await;
        if stage.step(batch, clock::mono()).is_err() {
            return;
        }
        pace.settling.notify_one();
        sleep(a_moment()).await;
        wait(&pace.bell, stage.patience(clock::mono())).await;
    }
}

async fn settle_files(mut stage: settle::Stage, pace: Pace) {
    loop {
        stage.take_reports();
        pace.hang().await;
        stage.step(clock::mono());
        if pace.is_over.get() {
            return;
        }
        sleep(a_moment()).await;
        wait(&pace.settling, stage.patience()).await;
    }
}

async fn wait(bell: &Notify, patience: Duration) {
    let until = Instant::now() + patience;
    tokio::select! {
        biased;
        () = bell.notified() => {}
        () = tokio::time::sleep_until(until) => {}
    }
}
