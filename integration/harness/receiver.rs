//! A webhook receiver on loopback that does as it is told, and remembers everything.

use std::{
    collections::HashMap,
    io::Write,
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};

use super::{
    PATIENCE, clock,
    http::{Reply, Request, Waiting},
    watched::Watched,
};

type Script = Box<dyn FnMut(&Request) -> Reply + Send>;

/// What arrived so far.
#[derive(Default)]
pub(crate) struct Record {
    /// Every request, in order of arrival.
    pub(crate) requests: Vec<Arc<Request>>,
    /// The requests that were answered with 2xx: raw path to ids, in order.
    pub(crate) delivered: HashMap<Vec<u8>, Vec<String>>,
    /// How many requests were answered with 2xx.
    pub(crate) accepted: usize,
}

struct Shared {
    record: Watched<Record>,
    script: Mutex<Script>,
    life: Watched<Life>,
}

#[derive(Default)]
struct Life {
    is_up: bool,
    connections: HashMap<usize, TcpStream>,
    connections_seen: usize,
}

pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Receiver {
    /// Accepts and answers 200.
    pub(crate) fn up() -> Self {
        let receiver = Self::down_at_first();
        receiver.come_up();
        receiver
    }

    /// Has an address at which nobody listens yet.
    pub(crate) fn down_at_first() -> Self {
        let address = TcpListener::bind((own_loopback(), 0)).unwrap().local_addr().unwrap();
        let shared = Shared {
            record: Watched::default(),
            script: Mutex::new(Box::new(|_| Reply::Status(200))),
            life: Watched::default(),
        };
        Self { address, shared: Arc::new(shared) }
    }

    /// Up, and every request is answered by `script`.
    pub(crate) fn scripted(script: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let receiver = Self::up();
        receiver.script(script);
        receiver
    }

    pub(crate) fn script(&self, script: impl FnMut(&Request) -> Reply + Send + 'static) {
        *self.shared.script.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(script);
    }

    pub(crate) fn url(&self) -> String {
        self.url_of("/hook")
    }

    pub(crate) fn url_of(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    pub(crate) fn come_up(&self) {
        let mut listener = None;
        clock::wait_until("the receiver's port is free again", || {
            listener = TcpListener::bind(self.address).ok();
            listener.is_some()
        });
        let listener = listener.unwrap();
        self.shared.life.change(|life| life.is_up = true);
        let shared = Arc::clone(&self.shared);
        thread::spawn(move || accept(&listener, &shared));
    }

    /// Closes the port and every connection, until [`Receiver::come_up`].
    pub(crate) fn go_down(&self) {
        self.shared.life.change(|life| {
            life.is_up = false;
            for (_, stream) in life.connections.drain() {
                drop(stream.shutdown(Shutdown::Both));
            }
        });
        // Wakes the accepting thread, which then closes the listener.
        drop(TcpStream::connect(self.address));
        clock::wait_until("the receiver's port is closed", || {
            TcpStream::connect(self.address).is_err()
        });
    }

    pub(crate) fn read<R>(&self, look: impl FnOnce(&Record) -> R) -> R {
        self.shared.record.read(look)
    }

    /// Waits until `look` finds something in the record; panics with `what` when it does not.
    pub(crate) fn wait_for<R>(&self, what: &str, look: impl FnMut(&Record) -> Option<R>) -> R {
        self.shared.record.wait(PATIENCE, look).unwrap_or_else(|| {
            panic!("did not happen within {PATIENCE:?}: {what}; {}", self.summary())
        })
    }

    pub(crate) fn wait_for_requests(&self, count: usize) {
        self.wait_for(&format!("{count} requests"), |r| (r.requests.len() >= count).then_some(()));
    }

    /// Waits for the delivery of a file and returns its request.
    pub(crate) fn wait_for_file(&self, name: &str) -> Arc<Request> {
        self.wait_for(&format!("{name} is delivered"), |record| {
            let is_delivered = record.delivered.keys().any(|path| path.ends_with(name.as_bytes()));
            let request = record.requests.iter().rfind(|request| request.is_of(name));
            request.filter(|_| is_delivered).cloned()
        })
    }

    /// Waits until every path was delivered at least once.
    pub(crate) fn wait_for_paths(&self, paths: &[PathBuf]) {
        let missing = |record: &Record| {
            let is_missing = |path: &&PathBuf| {
                !record.delivered.contains_key(path.as_os_str().as_encoded_bytes())
            };
            paths.iter().filter(is_missing).cloned().collect::<Vec<_>>()
        };
        let all = self.shared.record.wait(PATIENCE, |record| {
            (record.delivered.len() >= paths.len() && missing(record).is_empty()).then_some(())
        });
        if all.is_none() {
            let missing = self.read(missing);
            let some = &missing[..missing.len().min(5)];
            panic!("lost {} of {}: {some:?}...; {}", missing.len(), paths.len(), self.summary());
        }
    }

    /// Ids of the deliveries of a path, in order.
    pub(crate) fn ids_of(&self, path: &std::path::Path) -> Vec<String> {
        let bytes = path.as_os_str().as_encoded_bytes();
        self.read(|record| record.delivered.get(bytes).cloned().unwrap_or_default())
    }

    /// Checks that no path was delivered twice.
    pub(crate) fn assert_no_duplicates(&self) {
        self.read(|record| {
            for (path, ids) in &record.delivered {
                let path = String::from_utf8_lossy(path);
                assert_eq!(ids.len(), 1, "{path} was delivered more than once: {ids:?}");
            }
        });
    }

    /// Checks that a path that was delivered more than once carried the same id each time.
    pub(crate) fn assert_one_id_per_path(&self) {
        self.read(|record| {
            for (path, ids) in &record.delivered {
                let path = String::from_utf8_lossy(path);
                assert!(ids.iter().all(|id| *id == ids[0]), "{path} has several ids: {ids:?}");
            }
        });
    }

    fn summary(&self) -> String {
        self.read(|record| {
            format!(
                "{} requests, {} accepted, {} paths",
                record.requests.len(),
                record.accepted,
                record.delivered.len()
            )
        })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("---- receiver {}: {}", self.address, self.summary());
        }
        self.shared.life.change(|life| {
            life.is_up = false;
            for (_, stream) in life.connections.drain() {
                drop(stream.shutdown(Shutdown::Both));
            }
        });
        drop(TcpStream::connect(self.address));
    }
}

/// A loopback address that no other receiver on this machine uses, so that a port stays free while its
/// receiver is down.
fn own_loopback() -> Ipv4Addr {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    Ipv4Addr::new(127, middle.max(1), low, count ^ high)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { return };
        let number = shared.life.change(|life| {
            life.connections_seen += 1;
            let copy = stream.try_clone().ok().filter(|_| life.is_up)?;
            life.connections.insert(life.connections_seen, copy);
            Some(life.connections_seen)
        });
        let Some(number) = number else { return };
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            serve(&stream, number, &shared);
            shared.life.change(|life| life.connections.remove(&number));
        });
    }
}

fn serve(stream: &TcpStream, number: usize, shared: &Shared) {
    drop(stream.set_nodelay(true));
    let mut buffer = Waiting::buffer();
    while let Some(waiting) = Waiting::peek(stream, &mut buffer) {
        let request = Arc::new(waiting.request(number));
        shared.record.change(|record| record.requests.push(Arc::clone(&request)));
        let reply = (shared.script.lock().unwrap_or_else(PoisonError::into_inner))(&request);
        if matches!(reply, Reply::Reset) {
            return;
        }
        waiting.take(stream, &mut buffer);
        if !answer(stream, &request, reply, shared) {
            return;
        }
    }
}

/// Whether the connection stays open.
fn answer(mut stream: &TcpStream, request: &Request, reply: Reply, shared: &Shared) -> bool {
    let head = |status: u16, headers: &str| {
        note(shared, request, status);
        format!("HTTP/1.1 {status} Scripted\r\n{headers}\r\n")
    };
    let open_end = "Connection: close\r\n";
    match reply {
        Reply::Status(status) => {
            stream.write_all(head(status, "Content-Length: 0\r\n").as_bytes()).is_ok()
        }
        Reply::Headers(status, more) => {
            let headers = format!("{more}Content-Length: 0\r\n");
            stream.write_all(head(status, &headers).as_bytes()).is_ok()
        }
        Reply::Held(gate, status) => {
            gate.pass();
            stream.write_all(head(status, "Content-Length: 0\r\n").as_bytes()).is_ok()
        }
        Reply::Slow(takes, status, work) => {
            shared.life.wait(takes, |life| (!life.is_up).then_some(()));
            drop(work);
            stream.write_all(head(status, "Content-Length: 0\r\n").as_bytes()).is_ok()
        }
        Reply::Never => {
            shared.life.wait(PATIENCE * 10, |life| (!life.is_up).then_some(()));
            false
        }
        Reply::Close | Reply::Reset => false,
        Reply::HeldRaw(gate, bytes) => {
            gate.pass();
            drop(stream.write_all(&bytes));
            false
        }
        Reply::Raw(bytes) => {
            drop(stream.write_all(&bytes));
            false
        }
        Reply::Trickle => {
            let started = stream.write_all(head(200, open_end).as_bytes());
            pour(stream, b"x", Duration::from_millis(50), shared, started.is_ok())
        }
        Reply::Endless => {
            let started = stream.write_all(head(200, open_end).as_bytes());
            pour(stream, &[b'x'; 8192], Duration::ZERO, shared, started.is_ok())
        }
    }
}

fn pour(mut stream: &TcpStream, bytes: &[u8], pause: Duration, shared: &Shared, go: bool) -> bool {
    while go && stream.write_all(bytes).is_ok() {
        if shared.life.wait(pause, |life| (!life.is_up).then_some(())).is_some() {
            break;
        }
    }
    false
}

fn note(shared: &Shared, request: &Request, status: u16) {
    if (200..300).contains(&status) {
        shared.record.change(|record| {
            record.accepted += 1;
            record.delivered.entry(request.path.clone()).or_default().push(request.id().to_owned());
        });
    }
}
