//! `generated:glyphs`: its bytes, its classes, and that raw pixels do not solve it.

use ijepa::data::glyphs::{CLASSES, SIDE, TRAIN, count, image, label};
use ijepa::data::{Split, draw::Draw};

/// FNV-1a, 64 bits.
fn hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ byte as u64).wrapping_mul(0x100_0000_01b3)
    })
}

#[test]
fn bytes_are_the_same_on_every_platform() {
    let train = hash((0..40).flat_map(|index| image(0, Split::Train, index)));
    let test = hash((0..40).flat_map(|index| image(0, Split::Test, index)));
    assert_eq!(
        (train, test),
        (0xd521_65ee_9d3d_dd0b, 0x1f0c_4d23_5e0c_4717),
        "{train:#x} {test:#x}"
    );
}

#[test]
fn seeds_splits_and_indices_give_different_images() {
    assert_eq!(image(3, Split::Train, 7), image(3, Split::Train, 7));
    assert_ne!(image(3, Split::Train, 7), image(4, Split::Train, 7));
    assert_ne!(image(3, Split::Train, 7), image(3, Split::Test, 7));
    assert_ne!(image(3, Split::Train, 7), image(3, Split::Train, 17));
    assert_eq!((count(Split::Train), count(Split::Test)), (4000, 1000));
}

/// The share of an image that differs clearly from the background follows from the glyph's area alone.
#[test]
fn glyphs_cover_what_their_areas_say() {
    // Areas in units of r^2, overlaps and edges ignored: a rough figure, but no two formulas can be swapped unseen.
    let pi = std::f64::consts::PI;
    let areas = [
        pi * 0.85f64.powi(2),
        pi * (0.97f64.powi(2) - 0.53f64.powi(2)),
        1.5 * 1.5,
        1.66 * 1.66 - 0.94 * 0.94,
        1.299,
        2.0 * 2.0 * 0.56 - 0.56 * 0.56,
        2.0 * 0.56,
        2.0 * 2.0 * 0.44,
        pi / 2.0,
        2.0 * pi * 0.38f64.powi(2),
    ];
    for (class, area) in areas.iter().enumerate() {
        let images = 40;
        let covered: usize = (0..images)
            .map(|n| image(1, Split::Train, n * CLASSES.len() + class))
            .map(|image| {
                image
                    .chunks_exact(3)
                    .filter(|rgb| rgb.iter().any(|&v| v.abs_diff(128) > 45))
                    .count()
            })
            .sum();
        let share = covered as f64 / (images * SIDE * SIDE) as f64;
        let want = area * (4.0f64 * 0.925).powi(2) / 64.0;
        assert!(
            (share - want).abs() < 0.05,
            "{}: {share:.3} of the image, area says {want:.3}",
            CLASSES[class]
        );
    }
}

#[test]
fn noise_and_background_are_the_recipes() {
    // Between two dots or bars there is background: the most frequent values lie around 128 with deviation 0.02 * 255.
    let near: Vec<f64> = (0..50)
        .flat_map(|n| image(2, Split::Train, n * 10 + 9))
        .filter(|value| value.abs_diff(128) < 15)
        .map(f64::from)
        .collect();
    let mean = near.iter().sum::<f64>() / near.len() as f64;
    let deviation = (near.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / near.len() as f64).sqrt();
    assert!(
        (mean - 127.5).abs() < 0.3 && (deviation - 5.1).abs() < 0.6,
        "{mean} {deviation}"
    );
}

/// 20-NN by cosine on pixels as they are stays at chance (10 %), as the recipe measured.
#[test]
fn raw_pixels_do_not_solve_it() {
    let train: Vec<Vec<f32>> = (0..1000).map(|i| unit(image(0, Split::Train, i))).collect();
    let right = (0..200)
        .filter(|&index| {
            let query = unit(image(0, Split::Test, index));
            let mut near: Vec<(f32, u32)> = train
                .iter()
                .enumerate()
                .map(|(i, x)| (x.iter().zip(&query).map(|(a, b)| a * b).sum(), label(i)))
                .collect();
            near.sort_by(|a, b| b.0.total_cmp(&a.0));
            let mut votes = [0; 10];
            near[..20].iter().for_each(|(_, class)| votes[*class as usize] += 1);
            (0..10).max_by_key(|&class| votes[class as usize]) == Some(label(index))
        })
        .count();
    assert!(right < 50, "{right} of 200");
}

fn unit(image: Vec<u8>) -> Vec<f32> {
    let norm = image.iter().map(|&v| (v as f32).powi(2)).sum::<f32>().sqrt();
    image.iter().map(|&v| v as f32 / norm).collect()
}

#[test]
fn draws_are_uniform_normal_and_complete() {
    let mut draw = Draw::keyed("test", 1, 2, 3);
    let n = 20_000;
    let normals: Vec<f64> = (0..n / 2).flat_map(|_| draw.normals()).collect();
    let moment = |k: i32| normals.iter().map(|x| x.powi(k)).sum::<f64>() / n as f64;
    assert!(moment(1).abs() < 0.03 && (moment(2) - 1.0).abs() < 0.05 && (moment(4) - 3.0).abs() < 0.4);
    let mut counts = [0; 7];
    (0..n).for_each(|_| counts[draw.below(7)] += 1);
    assert!(
        counts.iter().all(|count: &i32| (count - n / 7).abs() < 250),
        "{counts:?}"
    );
    let mut order = draw.permutation(TRAIN);
    assert_ne!(order[..3], [0, 1, 2]);
    order.sort();
    assert!(order.iter().enumerate().all(|(i, &x)| i == x as usize));
}
