//! What the daemon reads on tokio's blocking threads is there when everything else that can be done at that
//! moment is done: otherwise a run would depend on how fast the machine is.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tokio::runtime::Runtime;

#[derive(Default)]
struct Gate {
    is_idle: Mutex<bool>,
    bell: Condvar,
}

thread_local! {
    static GATE: Arc<Gate> = Arc::default();
}

/// A runtime whose time is simulated.
pub(crate) fn runtime() -> Runtime {
    let gate = GATE.with(Arc::clone);
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .max_blocking_threads(1)
        .on_thread_park(move || {
            *gate.is_idle.lock().unwrap_or_else(PoisonError::into_inner) = true;
            gate.bell.notify_one();
        })
        .build()
        .expect("a runtime without I/O")
}

/// For a closure on a blocking thread: waits until the simulation of this thread has nothing else to do. One
/// passes at a time.
pub(crate) fn passage() -> impl Fn() + Send + Sync + 'static {
    let gate = GATE.with(Arc::clone);
    move || {
        let is_idle = gate.is_idle.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = gate.bell.wait_while(is_idle, |is_idle| !*is_idle);
        *passed.unwrap_or_else(PoisonError::into_inner) = false;
    }
}
