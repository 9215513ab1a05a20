//! An outbox in memory and a scripted receiver.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard},
    time::Instant,
};

use tokio::sync::Notify;

use super::{
    super::{open::Terms, request::Form, signature::Signer, *},
    due,
};
use crate::{
    arrival::{Conclusion, Due, DueBatch, Name, Unavailable, UrlPrint, Wake},
    config::checked::{Format, SecretUrl, Statuses, UrlSource},
    http::{Bytes, Fault, HeaderMap, Reply},
};

/// An outbox in memory. Clones are the same outbox.
#[derive(Clone, Default)]
pub(super) struct Fake(pub(super) Arc<Mutex<Inside>>, Arc<Notify>);

#[derive(Default)]
pub(super) struct Inside {
    pub(super) rows: Vec<(Instant, Due)>,
    pub(super) dead: Vec<i64>,
    pub(super) delivered: Vec<i64>,
    pub(super) conclusions: Vec<(i64, u32)>,
    pub(super) parked: Option<UrlPrint>,
    pub(super) unavailable: bool,
    pub(super) store_takes: Duration,
    /// More ends than so many are refused, as on a disk that is nearly full.
    pub(super) ends_max: Option<usize>,
    pub(super) asked: usize,
    pub(super) released: usize,
    pub(super) replayed: bool,
    discarded: bool,
}

impl Fake {
    pub(super) fn with(events: i64) -> Self {
        let fake = Self::default();
        for seq in 1..=events {
            fake.add(seq);
        }
        fake
    }

    pub(super) fn add(&self, seq: i64) {
        self.lock().rows.push((clock::mono(), due(seq)));
        self.1.notify_waiters();
    }

    /// As an operator does.
    pub(super) fn discard(&self, seqs: &[i64]) {
        let mut inside = self.lock();
        inside.rows.retain(|(_, due)| !seqs.contains(&due.seq));
        inside.discarded = true;
        self.1.notify_waiters();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap()
    }

    fn usable(&self) -> Result<MutexGuard<'_, Inside>, Unavailable> {
        let inside = self.lock();
        if inside.unavailable { Err(Unavailable) } else { Ok(inside) }
    }
}

impl Inside {
    fn conclude(&mut self, seq: i64, end: &Conclusion) {
        let index = self.rows.iter().position(|(_, due)| due.seq == seq).expect("concluded once");
        match end {
            Conclusion::Delivered => {
                self.rows.remove(index);
                self.delivered.push(seq);
            }
            Conclusion::Dead { attempts, .. } => {
                self.rows.remove(index);
                self.dead.push(seq);
                self.conclusions.push((seq, *attempts));
            }
            Conclusion::Retry { attempts, delay, .. } => {
                self.rows[index].0 = clock::mono() + *delay;
                self.rows[index].1.attempts = *attempts;
                self.conclusions.push((seq, *attempts));
            }
        }
    }
}

impl Outbox for Fake {
    async fn due(&self, _: &Name, held: Vec<i64>, limit: usize) -> Result<DueBatch, Unavailable> {
        let mut inside = self.usable()?;
        inside.asked += 1;
        let now = clock::mono();
        let free = || inside.rows.iter().filter(|(_, due)| !held.contains(&due.seq));
        let ready = free().filter(|(at, _)| *at <= now).map(|(_, due)| due.clone());
        let ready: Vec<Due> = ready.collect();
        let more = ready.len() > limit;
        let events: Vec<Due> = ready.into_iter().take(limit).collect();
        let next = free().map(|(at, _)| *at).filter(|at| *at > now).min();
        let waiting = (free().count() - events.len()) as u64;
        let replayed = std::mem::take(&mut inside.replayed);
        Ok(DueBatch { events, next_in: next.map(|at| at - now), more, waiting, replayed })
    }

    async fn conclude(&self, _: &Name, ends: Vec<(i64, Conclusion)>) -> Result<(), Unavailable> {
        let takes = self.usable()?.store_takes;
        tokio::time::sleep(takes).await;
        let mut inside = self.usable()?;
        if inside.ends_max.is_some_and(|max| ends.len() > max) {
            return Err(Unavailable);
        }
        for (seq, end) in ends {
            inside.conclude(seq, &end);
        }
        Ok(())
    }

    async fn release(&self, _: &Name) -> Result<(), Unavailable> {
        let mut inside = self.usable()?;
        inside.released += 1;
        inside.rows.iter_mut().for_each(|(at, _)| *at = clock::mono());
        Ok(())
    }

    async fn park(&self, _: &Name, url: UrlPrint) -> Result<(), Unavailable> {
        self.usable()?.parked = Some(url);
        Ok(())
    }

    async fn is_parked(&self, _: &Name, url: UrlPrint) -> Result<bool, Unavailable> {
        Ok(self.usable()?.parked == Some(url))
    }

    async fn missing(&self, _: &Name, held: Vec<i64>) -> Result<Vec<i64>, Unavailable> {
        let inside = self.usable()?;
        let is_gone = |seq: &i64| inside.rows.iter().all(|(_, due)| due.seq != *seq);
        Ok(held.into_iter().filter(is_gone).collect())
    }

    async fn woken(&self) -> Wake {
        self.1.notified().await;
        if std::mem::take(&mut self.lock().discarded) { Wake::Discarded } else { Wake::News }
    }
}

/// A receiver that takes `takes` for each answer and reads its answers from a script.
#[derive(Clone)]
pub(super) struct Script(pub(super) Arc<Mutex<Scripted>>);

type Rule = Box<dyn FnMut(&Sent) -> Result<Reply, Fault> + Send>;

pub(super) struct Scripted {
    rule: Rule,
    pub(super) takes: Duration,
    sent: Vec<Sent>,
    in_flight: usize,
    pub(super) in_flight_max: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) at: Instant,
    pub(super) id: String,
    pub(super) attempt: u32,
    /// This one included.
    pub(super) in_flight: usize,
}

impl Script {
    pub(super) fn new(rule: impl FnMut(&Sent) -> Result<Reply, Fault> + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Scripted {
            rule: Box::new(rule),
            takes: Duration::from_millis(10),
            sent: Vec::new(),
            in_flight: 0,
            in_flight_max: 0,
        })))
    }

    /// These answers, then 204 for ever.
    pub(super) fn answers(answers: Vec<Result<Reply, Fault>>) -> Self {
        let mut answers = VecDeque::from(answers);
        Self::new(move |_| answers.pop_front().unwrap_or(status(204)))
    }

    pub(super) fn sent(&self) -> Vec<Sent> {
        self.0.lock().unwrap().sent.clone()
    }
}

impl Courier for Script {
    async fn post_afresh(&self, headers: HeaderMap, body: Bytes) -> Result<Reply, Fault> {
        self.post(headers, body).await
    }

    async fn post(&self, headers: HeaderMap, _: Bytes) -> Result<Reply, Fault> {
        let text = |name: &str| headers[name].to_str().unwrap().to_owned();
        let (answer, takes) = {
            let mut script = self.0.lock().unwrap();
            script.in_flight += 1;
            let sent = Sent {
                at: clock::mono(),
                id: text("webhook-id"),
                attempt: text("watchd-attempt").parse().unwrap(),
                in_flight: script.in_flight,
            };
            script.in_flight_max = script.in_flight_max.max(script.in_flight);
            script.sent.push(sent.clone());
            ((script.rule)(&sent), script.takes)
        };
        tokio::time::sleep(takes).await;
        self.0.lock().unwrap().in_flight -= 1;
        answer
    }
}

#[expect(clippy::unnecessary_wraps, reason = "every use wants the wrapped form")]
pub(super) fn status(status: u16) -> Result<Reply, Fault> {
    Ok(Reply { status, ..Reply::default() })
}

#[expect(clippy::unnecessary_wraps, reason = "as status")]
pub(super) fn busy(seconds: &str) -> Result<Reply, Fault> {
    Ok(Reply { status: 503, retry_after: vec![seconds.into()], ..Reply::default() })
}

pub(super) fn endpoint() -> Endpoint {
    Endpoint {
        name: Name::parse("crm").unwrap(),
        url: UrlSource::Given(SecretUrl::parse("http://127.0.0.1:1/hook").unwrap()),
        secret_files: Vec::new(),
        format: Format::Json,
        headers: Vec::new(),
        header_files: Vec::new(),
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_secs(30),
        concurrency: 4,
        rate_limit: None,
        retry_delays: vec![Duration::from_secs(5), Duration::from_secs(30)],
        attempts: 5,
        ca_file: None,
        identity: None,
        proxy: None,
        deny_private: false,
        allow: Vec::new(),
        statuses: Statuses::default(),
    }
}

/// Requests in JSON, unsigned.
pub(super) fn form() -> Form {
    Form::new(Name::parse("crm").unwrap(), Format::Json, [], Signer::new(&[]))
}

/// A lane under test.
pub(super) struct Bench {
    pub(super) outbox: Fake,
    pub(super) script: Script,
    pub(super) vitals: Arc<LaneVitals>,
    pub(super) stop: watch::Sender<Stop>,
    pub(super) lane: tokio::task::JoinHandle<LaneSummary>,
    pub(super) reopen: watch::Sender<u64>,
    /// URLs that are found when the files are read again; the files cannot be read when there is none.
    pub(super) reads: Arc<Mutex<VecDeque<u8>>>,
}

/// Of unsigned requests to the URL with this print.
pub(super) fn terms(print: u8) -> Arc<Terms> {
    let print = UrlPrint([print; 16]);
    Arc::new(Terms { redactor: excerpt::Redactor::default(), print, signed: false })
}

fn opened(script: &Script, print: u8) -> Opened<Script> {
    Opened { courier: script.clone(), form: form(), terms: terms(print), contents: [print; 32] }
}

impl Bench {
    pub(super) fn new(outbox: &Fake, script: &Script) -> Self {
        Self::of(endpoint(), outbox, script)
    }

    pub(super) fn of(endpoint: Endpoint, outbox: &Fake, script: &Script) -> Self {
        let (stop, told) = watch::channel(Stop::Run);
        let (reopen, reopened) = watch::channel(0);
        let vitals = Arc::<LaneVitals>::default();
        let (outbox, script) = (outbox.clone(), script.clone());
        let opened = opened(&script, 7);
        let (reads, courier) = (Arc::new(Mutex::new(VecDeque::new())), script.clone());
        let queue = Arc::clone(&reads);
        let reopening = Reopening::new(
            &Arc::new(endpoint.clone()),
            Arc::new(move |_: &Endpoint| match queue.lock().unwrap().pop_front() {
                Some(print) => Ok(self::opened(&courier, print)),
                None => {
                    Err(OpenError::File { path: "/gone".into(), why: std::io::ErrorKind::NotFound })
                }
            }),
        );
        let (journal, numbers) = (outbox.clone(), Arc::clone(&vitals));
        let lane = tokio::spawn(async move {
            let mut orders = Orders { stop: told, reopen: reopened, renewed: false };
            let told = (&numbers, Notices::default());
            deliver(&endpoint, (opened, reopening), &journal, told, &mut orders).await
        });
        Self { outbox, script, vitals, stop, lane, reopen, reads }
    }

    pub(super) async fn run(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    /// Has the files read again, and the URL with this print found in them.
    pub(super) async fn reopen(&self, found: Option<u8>) {
        self.reads.lock().unwrap().extend(found);
        self.reopen.send_modify(|turns| *turns += 1);
        self.run(1).await;
    }

    pub(super) async fn end(self) -> LaneSummary {
        self.stop.send_replace(Stop::Drain);
        self.lane.await.unwrap()
    }
}
