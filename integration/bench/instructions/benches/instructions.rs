//! Instructions of the parts that decide. `../check` runs this and compares the counts with `../counts`.

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use watchd_instructions::work::{self, Arrivals, Burst, Due, Names, Shape};

#[library_benchmark]
#[bench::burst_of_1000(work::burst(1000))]
#[bench::burst_of_10000(work::burst(10_000))]
fn tracker(burst: Burst) -> usize {
    black_box(work::settle(black_box(burst)))
}

#[library_benchmark]
#[bench::names_1000(work::names(1000))]
fn rules(names: Names) -> usize {
    black_box(work::judge(black_box(&names)))
}

#[library_benchmark]
#[bench::arrivals_1000(work::arrivals(1000))]
fn entry(arrivals: Arrivals) -> usize {
    black_box(work::write_down(black_box(&arrivals)))
}

#[library_benchmark]
#[bench::plain(work::due(Shape::Plain))]
#[bench::signed(work::due(Shape::Signed))]
#[bench::cloud_event(work::due(Shape::CloudEvent))]
fn request(due: Due) -> usize {
    black_box(work::ask(black_box(&due), 1000))
}

library_benchmark_group!(name = decides; benchmarks = tracker, rules, entry, request);
main!(library_benchmark_groups = decides);
