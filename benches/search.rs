//! The index of `ijepa search` on 100,000 vectors: how long the graph takes, what it finds of what comparing all would, and how
//! long a query takes either way. `cargo bench --bench search`, some minutes. Vectors are drawn around 500 centres that lie
//! around 20 of their own; queries are drawn in the same way.

use criterion::{Criterion, criterion_group, criterion_main};
use ijepa::data::draw::Draw;
use ijepa::eval::search::index::{Index, Item};
use std::hint::black_box;
use std::time::{Duration, Instant};

const IMAGES: usize = 100_000;
const QUERIES: usize = 500;
/// Neighbours that are asked for, as recall@10 says.
const ASKED: usize = 10;

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = search
}
criterion_main!(benches);

/// `count` vectors of `width`, each beside a row of `centres`.
fn beside(draw: &mut Draw, centres: &[Vec<f32>], count: usize, width: usize, spread: f64) -> Vec<Vec<f32>> {
    let vector = |_| {
        let centre = centres.get(draw.below(centres.len()));
        let value = |i: usize| centre.map_or(0.0, |centre| centre[i]) + (spread * draw.normals()[0]) as f32;
        (0..width).map(value).collect()
    };
    (0..count).map(vector).collect()
}

fn search(bench: &mut Criterion) {
    for width in [96, 384] {
        let mut draw = Draw::keyed("search", width as u64, 0, 0);
        let coarse = beside(&mut draw, &[], 20, width, 1.0);
        let centres = beside(&mut draw, &coarse, 500, width, 0.7);
        let vectors = beside(&mut draw, &centres, IMAGES, width, 0.5);
        let queries = beside(&mut draw, &centres, QUERIES, width, 0.5);
        let mut index = Index::new(width);
        for (i, vector) in vectors.iter().enumerate() {
            let item = Item {
                name: i.to_string(),
                raw: None,
                size: 0,
                at: 0,
                digest: String::new(),
            };
            index.add(item, vector);
        }
        let began = Instant::now();
        index.settle();
        let built = began.elapsed().as_secs_f64();
        let queries: Vec<Vec<f32>> = queries.iter().map(|query| index.query(query)).collect();
        let found: usize = { queries.iter() }
            .map(|query| {
                let exact = index.exact(query, ASKED);
                let near = index.nearest(query, ASKED);
                let hit = |image| near.iter().any(|hit| hit.image == image);
                exact.iter().filter(|wanted| hit(wanted.image)).count()
            })
            .sum();
        let recall = found as f64 / (ASKED * QUERIES) as f64;
        println!("{IMAGES} vectors of {width}: graph in {built:.1} s, recall@{ASKED} {recall:.4} of {QUERIES} queries");
        let mut group = bench.benchmark_group(format!("search {width}"));
        let mut at = 0;
        let mut next = || {
            at = (at + 1) % queries.len();
            &queries[at]
        };
        group.bench_function("graph", |bench| bench.iter(|| black_box(index.nearest(next(), ASKED))));
        group.bench_function("all compared", |bench| {
            bench.iter(|| black_box(index.exact(next(), ASKED)))
        });
    }
}
