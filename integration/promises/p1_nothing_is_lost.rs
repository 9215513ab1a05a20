//! p1
use crate::harness::*;
#[test]
fn smoke() {
    let r = Receiver::up();
    let s = Site::new();
    let d = s.config(&r.url()).ready();
    disk::create_many(&s.root(), "a", 10);
    drop(d);
}
