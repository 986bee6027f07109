//! Batches: their order, that nothing but data, settings, seed and step decides them, and what bad files do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ijepa::data::Split::{Test, Train};
use ijepa::data::batch::{Batch, BatchConfig, epoch_order, iterations_per_epoch};
use ijepa::data::decode::MAX_PIXELS;
use ijepa::data::eval::eval_batches;
use ijepa::data::image::Size;
use ijepa::data::loader::{Loader, LoaderConfig};
use ijepa::data::masks::{MaskConfig, sample};
use ijepa::data::source::Dataset;
use ijepa::data::transform::{EvalTransform, TrainTransform};
use ijepa::{Error, Result};
use image::{DynamicImage, ImageBuffer, ImageFormat, Rgb};
use tempfile::TempDir;

use crate::decode::written;
use crate::source::{folder, open};

/// Small crops with all that may be done to them.
pub fn recipe(batch: usize, seed: u64) -> BatchConfig {
    BatchConfig {
        batch,
        crop: 16,
        transform: TrainTransform {
            crop_scale: Some([0.3, 1.0]),
            horizontal_flip: true,
            color_distortion: Some(0.5),
            gaussian_blur: true,
        },
        masks: MaskConfig {
            grid: 8,
            num_enc_masks: 1,
            num_pred_masks: 4,
            enc_mask_scale: [0.85, 1.0],
            pred_mask_scale: [0.1, 0.15],
            aspect_ratio: [0.75, 1.5],
            min_keep: 4,
            min_keep_context: 12,
            allow_overlap: false,
        },
        seed,
    }
}

fn config(batch: usize, last_step: u64) -> LoaderConfig {
    let batches = recipe(batch, 3);
    LoaderConfig {
        batches,
        first_step: 0,
        last_step,
        threads: 2,
    }
}

/// The images as they are, so that a batch shows which ones it holds.
fn plain(batch: usize, last_step: u64) -> LoaderConfig {
    let transform = TrainTransform {
        crop_scale: None,
        horizontal_flip: false,
        color_distortion: None,
        gaussian_blur: false,
    };
    let mut config = config(batch, last_step);
    config.batches.transform = transform;
    config
}

/// Twenty-odd images of one colour each, red telling the index; those in `broken` are rubbish.
fn colors(count: usize, broken: &[usize]) -> TempDir {
    folder((0..count).map(|index| {
        let image = ImageBuffer::from_pixel(5, 5, Rgb([index as u8, 0, 0]));
        let good = || written(&DynamicImage::ImageRgb8(image), ImageFormat::Png);
        let bytes = if broken.contains(&index) {
            b"rubbish".to_vec()
        } else {
            good()
        };
        (
            format!("{}/{index:03}.png", if index % 2 == 0 { "even" } else { "odd" }),
            bytes,
        )
    }))
}

fn batches(data: &Arc<Dataset>, config: LoaderConfig) -> Vec<Batch> {
    Loader::start(data.clone(), config)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// Index of each image of a batch of [`colors`].
fn shown(batch: &Batch) -> Vec<usize> {
    batch
        .images
        .chunks(16 * 16 * 3)
        .map(|image| image[0] as usize)
        .collect()
}

/// Position in [`colors`] of each image as a data set numbers them: even/ comes before odd/.
fn number(data: &Dataset, index: usize) -> usize {
    data.name(index)
        .trim_end_matches(".png")
        .rsplit('/')
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn epochs_are_shuffled_and_drop_their_rest() {
    let root = colors(23, &[]);
    let data = Arc::new(open(root.path(), Train).unwrap());
    assert_eq!(iterations_per_epoch(23, 5), 4);
    let made = batches(&data, plain(5, 9));
    let places: Vec<_> = made.iter().map(|b| (b.step, b.epoch, b.iteration)).collect();
    let want: Vec<_> = (0..9).map(|step| (step, step / 4, (step % 4) as usize)).collect();
    assert_eq!(places, want);
    for epoch in 0..2 {
        let order: Vec<usize> = epoch_order(23, 3, epoch)
            .iter()
            .map(|&i| number(&data, i as usize))
            .collect();
        let seen: Vec<usize> = made[epoch as usize * 4..][..4].iter().flat_map(shown).collect();
        assert_eq!(seen, order[..20]);
    }
    assert_ne!(epoch_order(23, 3, 0), epoch_order(23, 3, 1));
    assert_ne!(epoch_order(23, 3, 0), epoch_order(23, 4, 0));
    for batch in &made {
        assert_eq!(batch.masks, sample(&plain(5, 9).batches.masks, 3, batch.step, 5));
    }
}

#[test]
fn threads_and_restarts_change_nothing() {
    let data = Arc::new(Dataset::glyphs(Train, 1));
    let per_epoch = iterations_per_epoch(data.len(), 30) as u64;
    assert_eq!(per_epoch, 133);
    let range = |first_step, last_step, threads| LoaderConfig {
        first_step,
        last_step,
        threads,
        ..config(30, 0)
    };
    let whole = batches(&data, range(130, 136, 1));
    assert_eq!(whole, batches(&data, range(130, 136, 3)));
    assert_eq!(whole[4..], batches(&data, range(134, 136, 0)));
    assert_eq!((whole[2].epoch, whole[3].epoch, whole[3].iteration), (0, 1, 0));
    let mut other = range(130, 131, 1);
    other.batches.seed = 4;
    let other_seed = batches(&data, other);
    assert_ne!(whole[0].images, other_seed[0].images);
}

/// The same image looks different in another epoch.
#[test]
fn augmentation_depends_on_the_epoch() {
    let root = colors(2, &[]);
    let data = Arc::new(open(root.path(), Train).unwrap());
    let of_image_one = |batch: &Batch| {
        let order = epoch_order(2, 3, batch.epoch);
        let place = order.iter().position(|&index| index == 1).unwrap();
        batch.images.chunks(16 * 16 * 3).nth(place).unwrap().to_vec()
    };
    let images: Vec<_> = batches(&data, config(2, 8)).iter().map(of_image_one).collect();
    assert!(images.iter().any(|image| image != &images[0]));
}

#[test]
fn bad_images_are_replaced_by_the_next_and_recorded() {
    let broken = [4, 11];
    let root = colors(30, &broken);
    let data = Arc::new(open(root.path(), Train).unwrap());
    let made = batches(&data, plain(5, 6));
    let order: Vec<usize> = epoch_order(30, 3, 0)
        .iter()
        .map(|&i| number(&data, i as usize))
        .collect();
    let good_from = |place: usize| {
        (place..)
            .map(|p| order[p % 30])
            .find(|index| !broken.contains(index))
            .unwrap()
    };
    let want: Vec<usize> = (0..30).map(good_from).collect();
    assert_eq!(made.iter().flat_map(shown).collect::<Vec<_>>(), want);
    let list = data.bad().list();
    assert_eq!(
        list.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["even/004.png", "odd/011.png"]
    );
    assert!(list.iter().all(|(_, reason)| reason == "is no image"));
    // A run that begins behind the bad images' first appearance makes the same batches.
    assert_eq!(
        made[3..],
        batches(
            &data,
            LoaderConfig {
                first_step: 3,
                ..plain(5, 6)
            }
        )
    );
}

#[test]
fn a_tenth_of_bad_images_stops_the_run() {
    let broken: Vec<usize> = (3..30).step_by(9).collect();
    assert_eq!(broken.len(), 3);
    let root = colors(30, &broken);
    let data = Arc::new(open(root.path(), Train).unwrap());
    let mut loader = Loader::start(data.clone(), plain(5, 100)).unwrap();
    let error = loader.find_map(Result::err).unwrap();
    assert!(
        matches!(&error, Error::Run(text) if text.contains("3 of the 30 files")),
        "{error}"
    );
    assert!(loader.next().is_none());
    assert_eq!(data.bad().count(), 3);
}

#[test]
fn wrong_settings_are_refused() {
    let data = Arc::new(Dataset::glyphs(Test, 1));
    let text = |config: LoaderConfig| match Loader::start(data.clone(), config) {
        Err(Error::Usage(text)) => text,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("was accepted"),
    };
    assert!(text(config(1001, 1)).contains("1000 images, fewer than a batch of 1001"));
    assert!(text(config(0, 1)).contains("batch_size is 0"));
    let mut bad = config(8, 1);
    bad.batches.masks.min_keep = 40;
    assert!(text(bad).contains("min_keep is 40"));
    let mut bad = config(8, 1);
    bad.batches.transform.crop_scale = Some([2.0, 3.0]);
    assert!(text(bad).contains("crop_scale"));
}

#[test]
fn dropping_a_loader_stops_it_promptly() {
    let data = Arc::new(Dataset::glyphs(Train, 1));
    for taken in [0, 1] {
        let mut loader = Loader::start(data.clone(), config(2000, 1_000_000)).unwrap();
        for _ in 0..taken {
            loader.next().unwrap().unwrap();
        }
        let start = Instant::now();
        drop(loader);
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }
    assert_eq!(Arc::strong_count(&data), 1);
    assert!(Loader::start(data, config(8, 0)).unwrap().next().is_none());
}

/// Time is counted while a batch is waited for, and not for one that was ready.
#[test]
fn waiting_is_counted() {
    let data = Arc::new(Dataset::glyphs(Train, 1));
    let mut loader = Loader::start(data, config(2000, 2)).unwrap();
    assert!(!loader.is_ready() && loader.waited() == Duration::ZERO);
    let begun = Instant::now();
    loader.next().unwrap().unwrap();
    let waited = loader.waited();
    assert!(
        waited > Duration::from_millis(10) && waited <= begun.elapsed(),
        "{waited:?}"
    );
    while !loader.is_ready() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(loader.next().unwrap().unwrap().step, 1);
    assert!(
        loader.waited() < waited + Duration::from_millis(5),
        "{:?}",
        loader.waited()
    );
    assert!(loader.is_ready() && loader.next().is_none());
}

#[test]
fn evaluation_keeps_order_and_labels_and_leaves_bad_files_out() {
    let root = colors(30, &[5]);
    let data = open(root.path(), Train).unwrap();
    let made: Vec<_> = eval_batches(&data, Size::square(16), EvalTransform::Exact, 8, None)
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        made.iter().map(|batch| batch.indices.len()).collect::<Vec<_>>(),
        [8, 8, 7, 6]
    );
    let seen: Vec<usize> = made
        .iter()
        .flat_map(|batch| batch.images.chunks(768).map(|x| x[0] as usize))
        .collect();
    let want: Vec<usize> = (0..30)
        .map(|index| number(&data, index))
        .filter(|&index| index != 5)
        .collect();
    assert_eq!(seen, want);
    let labels: Vec<u32> = made.iter().flat_map(|batch| batch.labels.clone().unwrap()).collect();
    assert!(
        labels
            .iter()
            .zip(&seen)
            .all(|(&label, index)| label as usize == index % 2)
    );
    assert_eq!(data.bad().count(), 1);
}

#[test]
fn a_part_of_the_images_shows_all_classes() {
    let data = Dataset::open("generated:glyphs", Train, 0, MAX_PIXELS).unwrap();
    let part = |limit| {
        let made: Vec<_> = eval_batches(&data, Size::square(32), EvalTransform::Exact, 64, Some(limit))
            .map(Result::unwrap)
            .collect();
        (
            made.iter().flat_map(|b| b.indices.clone()).collect::<Vec<_>>(),
            made.last().map(|b| b.images.len()),
        )
    };
    let (indices, last) = part(200);
    assert_eq!((indices.len(), last), (200, Some(8 * 32 * 32 * 3)));
    assert!((0..10).all(|class| indices.iter().filter(|&&index| index % 10 == class).count() >= 8));
    assert_eq!(part(200).0, indices);
    assert_eq!(part(0).0.len(), 0);
}
