//! What the host does beside the GPU: masks, images, checkpoints. `cargo bench --bench host [FILTER]`, a minute in all.
//!
//! Images are generated photos of 256 x 341 pixels, or those of the folder or tar that `IJEPA_BENCH_DATA` names.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ijepa::data::Split;
use ijepa::data::batch::Batches;
use ijepa::data::decode::MAX_PIXELS;
use ijepa::data::draw::Draw;
use ijepa::data::masks;
use ijepa::data::pack::{Encoding, Scale, Source, Writer};
use ijepa::data::source::Dataset;
use ijepa::train::checkpoint::{self, Books};
use ijepa::train::config::Config;
use ijepa::train::folder::Folder;
use ijepa::train::snapshot::Snapshot;
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = draw_masks, read_images, make_batches, keep_checkpoints
}
criterion_main!(benches);

fn config(preset: &str) -> Config {
    Config::preset(preset).expect("a preset")
}

fn draw_masks(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("masks");
    for preset in ["nano", "base"] {
        let (config, mut step) = (config(preset), 0);
        group.throughput(Throughput::Elements(config.data.batch_size as u64));
        group.bench_function(preset, |bench| {
            bench.iter(|| {
                step += 1;
                masks::sample(&config.masks(), 0, step, config.data.batch_size)
            })
        });
    }
}

/// Waves and grain: about as many bytes as a photo.
fn photo(number: u64) -> Vec<u8> {
    let mut draw = Draw::keyed("photo", 0, number, 0);
    let waves: Vec<[f64; 4]> = (0..6)
        .map(|_| [0.0, 0.0, 0.0, 0.0].map(|_| draw.between(-1.0, 1.0)))
        .collect();
    let picture = RgbImage::from_fn(256, 341, |x, y| {
        let at = |wave: &[f64; 4], shift: f64| {
            (0.1 * (wave[0] * x as f64 + wave[1] * y as f64) + 9.0 * wave[2] + shift).sin()
        };
        let tone = |shift: f64| waves.iter().map(|wave| 18.0 * wave[3] * at(wave, shift)).sum::<f64>();
        let grain = draw.between(-9.0, 9.0);
        Rgb([0.0, 0.7, 1.4].map(|shift| (128.0 + tone(shift) + grain) as u8))
    });
    let mut file = vec![];
    JpegEncoder::new_with_quality(&mut file, 85)
        .encode_image(&picture)
        .expect("a JPEG");
    file
}

/// One set of photos, as a folder and packed in several ways; each with its name.
fn sets(place: &Path) -> Vec<(&'static str, Arc<Dataset>)> {
    let folder = std::env::var("IJEPA_BENCH_DATA").unwrap_or_else(|_| {
        let folder = place.join("photos");
        std::fs::create_dir(&folder).expect("a folder");
        for number in 0..128 {
            std::fs::write(folder.join(format!("{number:03}.jpg")), photo(number)).expect("a file");
        }
        folder.to_string_lossy().into_owned()
    });
    let open = |path: &str| Arc::new(Dataset::open(path, Split::Train, 0, MAX_PIXELS).expect("images"));
    let mut sets = vec![("as it is", open(&folder))];
    let source = Source::open(&folder, MAX_PIXELS).expect("images");
    for (name, scale, encoding) in [
        ("packed", Scale::Full, Encoding::Pixels),
        ("packed, short 64", Scale::Short(64), Encoding::Pixels),
        ("packed, short 64, png", Scale::Short(64), Encoding::Png),
        ("packed, short 64, jpeg", Scale::Short(64), Encoding::Jpeg(90)),
    ] {
        let path = place.join(name);
        let mut writer = Writer::new(std::fs::File::create(&path).expect("a file")).expect("a start");
        let written = source.pack(scale, encoding, &AtomicBool::new(false), |name, image| {
            writer.add(name, &image).expect("an image");
            Ok(())
        });
        written.map(|_| writer.finish().expect("an end")).expect("a packed set");
        sets.push((name, open(&path.to_string_lossy())));
    }
    sets
}

/// Reading and decoding, on one thread.
fn read_images(bench: &mut Criterion) {
    let place = tempfile::tempdir().expect("a folder");
    let mut group = bench.benchmark_group("read");
    group.throughput(Throughput::Elements(1));
    for (name, data) in sets(place.path()) {
        let mut index = 0;
        group.bench_function(name, |bench| {
            bench.iter(|| {
                index = (index + 1) % data.len();
                black_box(data.image(index)).is_ok()
            })
        });
    }
}

/// Reading, decoding, cutting, flipping, distorting: all that a batch of `nano` and of `base` takes, masks included.
fn make_batches(bench: &mut Criterion) {
    let place = tempfile::tempdir().expect("a folder");
    let sets = sets(place.path());
    for (preset, changed) in [("nano", &[][..]), ("nano", &COLOURS), ("base", &[])] {
        let mut config = config(preset);
        config.data.batch_size = 32;
        for value in changed {
            config.set(value).expect("a setting");
        }
        let colours = if changed.is_empty() {
            ""
        } else {
            " with colours and blur"
        };
        let mut group = bench.benchmark_group(format!("batch of {preset}{colours}"));
        group.throughput(Throughput::Elements(32));
        for (name, data) in &sets {
            for threads in [1, 2] {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .expect("threads");
                let mut batches = Batches::new(data.clone(), config.batches(), Arc::default()).expect("batches");
                let mut step = 0;
                group.bench_function(BenchmarkId::new(*name, format!("{threads} threads")), |bench| {
                    bench.iter(|| {
                        step += 1;
                        pool.install(|| black_box(batches.make(step)).1.len())
                    })
                });
            }
        }
    }
}

const COLOURS: [&str; 4] = [
    "data.use_horizontal_flip=true",
    "data.use_color_distortion=true",
    "data.color_jitter_strength=0.5",
    "data.use_gaussian_blur=true",
];

/// The whole state of a `nano` run, with the disk.
fn keep_checkpoints(bench: &mut Criterion) {
    let place = tempfile::tempdir().expect("a folder");
    let config = config("nano");
    let snapshot = Snapshot::first(&config).expect("a first moment");
    let folder = Folder::create(&place.path().join("run"), &config.to_yaml()).expect("a run's folder");
    let books = Books::default();
    let mut group = bench.benchmark_group("checkpoint of nano");
    let bytes = snapshot.to_bytes().expect("a file's bytes");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("to bytes", |bench| {
        bench.iter(|| snapshot.to_bytes().expect("bytes").len())
    });
    group.bench_function("saved and synced", |bench| {
        bench.iter(|| checkpoint::save(&folder, &snapshot, &books, 2).expect("a checkpoint"))
    });
    let path = checkpoint::save(&folder, &snapshot, &books, 2).expect("a checkpoint");
    group.bench_function("read", |bench| {
        bench.iter(|| checkpoint::read(&path).expect("a checkpoint"))
    });
}
