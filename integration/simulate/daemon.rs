//! The daemon of the simulation: the product's stages as tasks of one thread, started, stopped and killed.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{Arc, mpsc},
    task::Poll,
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot, watch as latest},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    arrival::{
        Conclusion, DueBatch, FirstScan, Memory, Name, Outbox, Present, Recall, Recorded, Recorder,
        RelPath, Report, Scanned, Settled, Unavailable, UrlPrint, Wake,
    },
    clock,
    config::checked::{Config, Endpoint, Watch},
    deliver::{
        self,
        excerpt::Redactor,
        open::{Opened, Terms},
        reopen::Reopening,
        request::Form,
        signature::Signer,
    },
    disk,
    journal::{Answered, Journal, LaneView, Line, Question, WatchView, Writer},
    mounts::Mounts,
    notice::Notices,
    receiver::{Courier, tell},
    settle,
    stop::{Life, Stop},
    vitals::{LaneVitals, WatchVitals},
    watch::{self, inbox::Inbox},
    world,
};

/// One thread does all the work: it must never wait for itself.
const REPORTS_MAX: usize = 1 << 16;

struct Running {
    writer: Writer,
    questions: tokio::sync::mpsc::Receiver<Question>,
}

thread_local! {
    static JOURNAL: RefCell<Option<Running>> = const { RefCell::new(None) };
}

/// Has the writer answer `question` together with everything that waits.
fn serve(question: Question) {
    JOURNAL.with(|journal| {
        let mut journal = journal.borrow_mut();
        let Some(Running { writer, questions }) = journal.as_mut() else { return };
        let mut group = Vec::new();
        while let Ok(waiting) = questions.try_recv() {
            group.push(waiting);
        }
        group.push(question);
        let _closing = writer.answer(group);
    });
}

async fn next_question() -> Option<Question> {
    std::future::poll_fn(|context| {
        JOURNAL.with(|journal| match journal.borrow_mut().as_mut() {
            Some(running) => running.questions.poll_recv(context),
            None => Poll::Ready(None),
        })
    })
    .await
}

/// The answer is there when the question has been put.
#[derive(Clone)]
struct AtOnce;

impl Line for AtOnce {
    fn ask<T>(&self, question: Question, mut answer: Answered<T>) -> Result<T, Unavailable> {
        let names = |paths: &mut dyn Iterator<Item = &RelPath>| {
            paths.map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        match &question {
            Question::Record { batch, .. } => {
                tell(|| format!("settled: {}", names(&mut batch.iter().map(|file| &file.path))));
            }
            Question::Recall { entries, .. } => {
                tell(|| format!("met: {}", names(&mut entries.iter().map(|entry| &entry.path))));
            }
            _ => {}
        }
        serve(question);
        answer.try_recv().map_err(|_| Unavailable)?
    }
}

/// One lane's view of the journal.
struct LaneOutbox {
    journal: LaneView,
    bell: Rc<Notify>,
}

impl Outbox for LaneOutbox {
    async fn due(&self, to: &Name, held: Vec<i64>, limit: usize) -> Result<DueBatch, Unavailable> {
        self.journal.due(to, held, limit).await
    }

    async fn conclude(&self, to: &Name, ends: Vec<(i64, Conclusion)>) -> Result<(), Unavailable> {
        self.journal.conclude(to, ends).await
    }

    async fn release(&self, to: &Name) -> Result<(), Unavailable> {
        self.journal.release(to).await
    }

    async fn park(&self, to: &Name, url: UrlPrint) -> Result<(), Unavailable> {
        self.journal.park(to, url).await
    }

    async fn is_parked(&self, to: &Name, url: UrlPrint) -> Result<bool, Unavailable> {
        self.journal.is_parked(to, url).await
    }

    async fn missing(&self, to: &Name, held: Vec<i64>) -> Result<Vec<i64>, Unavailable> {
        self.journal.missing(to, held).await
    }

    /// Nobody discards anything here.
    async fn woken(&self) -> Wake {
        self.bell.notified().await;
        Wake::News
    }
}

/// A daemon that runs.
pub(crate) struct Daemon {
    journal: Journal,
    stops: Vec<latest::Sender<Stop>>,
    lane_bells: Vec<Rc<Notify>>,
    watches: Watches,
    lanes: Vec<JoinHandle<()>>,
    others: Vec<JoinHandle<()>>,
    kernel: Rc<Notify>,
    bells: Vec<Rc<Notify>>,
    drain: Duration,
}

/// How long a step takes.
fn a_moment() -> Duration {
    Duration::from_micros(world::with(|w| w.chance.between(0, 3000)))
}

impl Daemon {
    pub(crate) fn start(config: &Config) -> Self {
        let lock = crate::journal::lock(&config.state.dir).ok();
        let (journal, writer, questions) = Journal::parts(config, lock, Arc::default());
        JOURNAL.with(|slot| *slot.borrow_mut() = Some(Running { writer, questions }));
        let mut daemon = Self {
            journal,
            stops: Vec::new(),
            lane_bells: Vec::new(),
            watches: Rc::default(),
            lanes: Vec::new(),
            others: vec![tokio::task::spawn_local(answer_all())],
            kernel: Rc::default(),
            bells: Vec::new(),
            drain: config.drain,
        };
        for endpoint in &config.endpoints {
            daemon.start_lane(endpoint.clone());
        }
        for watch in &config.watches {
            daemon.start_watch(watch.clone());
        }
        daemon
            .others
            .push(tokio::task::spawn_local(carry(Rc::clone(&daemon.kernel), daemon.bells.clone())));
        let hears = daemon.journal.for_lane();
        daemon.others.push(tokio::task::spawn_local(wake_lanes(hears, daemon.lane_bells.clone())));
        daemon.others.push(tokio::task::spawn_local(hear_of_losses(
            daemon.journal.clone(),
            Rc::clone(&daemon.watches),
            daemon.bells.clone(),
        )));
        let watches = Rc::clone(&daemon.watches);
        daemon.others.push(tokio::task::spawn_local(follow_mounts(watches, daemon.bells.clone())));
        daemon
    }

    fn start_lane(&mut self, endpoint: Endpoint) {
        // A word for each lane, and a bell: tokio wakes those who wait for one word in an order of its own.
        let (stop, told) = latest::channel(Stop::Run);
        let (reopen, asked) = latest::channel(0);
        let mut orders = deliver::Orders { stop: told, reopen: asked, renewed: false };
        let bell = Rc::new(Notify::new());
        let outbox = LaneOutbox { journal: self.journal.for_lane(), bell: Rc::clone(&bell) };
        self.stops.push(stop);
        self.lane_bells.push(bell);
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
        let again = opened.clone();
        self.lanes.push(tokio::task::spawn_local(async move {
            let vitals = Arc::<LaneVitals>::default();
            let endpoint = Arc::new(endpoint);
            let reopening = Reopening::new(&endpoint, Arc::new(move |_| Ok(opened.clone())));
            deliver::deliver(
                &endpoint,
                (again, reopening),
                &outbox,
                (&vitals, Notices::default()),
                &mut orders,
            )
            .await;
            drop(reopen);
        }));
    }

    fn start_watch(&mut self, config: Watch) {
        let view = WatchView::new(&config, AtOnce);
        let (alive, _life) = Life::begin();
        let (send, reports) = mpsc::sync_channel(REPORTS_MAX);
        let handle = watch::Handle::new(&config);
        let inbox = Arc::clone(handle.inbox());
        let (bell, settling) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        self.watches.borrow_mut().push(handle);
        self.bells.push(Rc::clone(&bell));
        let vitals = Arc::new(WatchVitals::new(&config.path));
        let recorder = Box::new(view.clone());
        let stage = settle::Stage::new(
            config.clone(),
            settle::Ports {
                reports,
                recorder,
                vitals: Arc::clone(&vitals),
                alive: alive.clone(),
                notices: Notices::default(),
            },
        );
        self.others.push(tokio::task::spawn_local(settle_files(stage, Rc::clone(&settling))));
        let ports = watch::Ports {
            reports: send,
            memory: Box::new(view),
            vitals,
            alive,
            notices: Notices::default(),
        };
        self.others.push(tokio::task::spawn_local(follow(config, ports, inbox, bell, settling)));
    }

    /// Something happened in the world: the kernel has something to tell.
    pub(crate) fn poke(&self) {
        self.kernel.notify_one();
    }

    pub(crate) fn rescan(&self) {
        self.watches.borrow().iter().for_each(watch::Handle::rescan);
        ring(&self.bells);
    }

    fn say(&self, word: Stop) {
        for stop in &self.stops {
            stop.send_replace(word);
        }
    }

    /// As on SIGTERM. A process that dies meanwhile is dead all the same.
    pub(crate) async fn stop(mut self) {
        self.watches.borrow().iter().for_each(watch::Handle::stop);
        let _hangs = timeout(Duration::from_secs(2), self.journal.refuse_arrivals()).await;
        self.say(Stop::Drain);
        let drained = async {
            while let Some(lane) = self.lanes.last_mut() {
                let _cancelled = lane.await;
                self.lanes.pop();
            }
        };
        if timeout(self.drain, drained).await.is_err() {
            self.say(Stop::Now);
            sleep(Duration::from_secs(1)).await;
        }
        let running = JOURNAL.with(|journal| journal.borrow_mut().take());
        if let Some(Running { mut writer, mut questions }) = running {
            let mut last = Vec::new();
            while let Ok(question) = questions.try_recv() {
                last.push(question);
            }
            let _closing = writer.answer(last);
            let _counts = writer.close();
        }
        self.end().await;
    }

    /// As on SIGKILL, or with the power: nothing that it does any more has an effect.
    pub(crate) async fn kill(self) {
        disk::die();
        JOURNAL.with(|journal| journal.borrow_mut().take());
        self.end().await;
    }

    async fn end(self) {
        for task in self.lanes.into_iter().chain(self.others) {
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
async fn carry(kernel: Rc<Notify>, bells: Vec<Rc<Notify>>) {
    loop {
        kernel.notified().await;
        loop {
            sleep(a_moment()).await;
            let (any, quiet) = world::with(|w| {
                let max = usize::try_from(w.chance.between(1, 40)).unwrap_or(1);
                (w.inotify.deliver(max), w.inotify.is_quiet())
            });
            if any {
                ring(&bells);
            }
            if quiet || !any {
                break;
            }
        }
    }
}

fn ring(bells: &[Rc<Notify>]) {
    for bell in bells {
        bell.notify_one();
    }
}

async fn wake_lanes(journal: LaneView, bells: Vec<Rc<Notify>>) {
    loop {
        journal.woken().await;
        ring(&bells);
    }
}

type Watches = Rc<RefCell<Vec<watch::Handle>>>;

async fn hear_of_losses(mut journal: Journal, watches: Watches, bells: Vec<Rc<Notify>>) {
    loop {
        journal.lost().await;
        watches.borrow().iter().for_each(watch::Handle::rescan);
        ring(&bells);
    }
}

async fn follow_mounts(watches: Watches, bells: Vec<Rc<Notify>>) {
    let mut mounts = Mounts::follow();
    loop {
        let places = mounts.changed().await;
        watches.borrow().iter().for_each(|watch| watch.mounts_changed(&places));
        ring(&bells);
    }
}

async fn follow(
    config: Watch,
    ports: watch::Ports,
    inbox: Arc<Inbox>,
    bell: Rc<Notify>,
    settling: Rc<Notify>,
) {
    let mut stage = watch::Stage::new(&config, &ports, &inbox);
    while let Ok(batch) = inbox.take(Duration::ZERO) {
        if stage.step(batch, clock::mono()).is_err() {
            return;
        }
        settling.notify_one();
        sleep(a_moment()).await;
        wait(&bell, stage.patience(clock::mono())).await;
    }
}

async fn settle_files(mut stage: settle::Stage, bell: Rc<Notify>) {
    loop {
        stage.take_reports();
        stage.step(clock::mono());
        sleep(a_moment()).await;
        wait(&bell, stage.patience()).await;
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

/// What is in a journal that nobody has open: the events that are dead, and how many wait.
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
            0 => left.waiting.push((name, crate::arrival::EventId(id))),
            _ => left.dead.push((name, crate::arrival::EventId(id))),
        }
    }
    Ok(left)
}

/// See [`look_into`].
#[derive(Default)]
pub(crate) struct Left {
    pub(crate) dead: Vec<(Name, crate::arrival::EventId)>,
    pub(crate) waiting: Vec<(Name, crate::arrival::EventId)>,
}
