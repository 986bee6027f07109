//! What pictures are made of: fore- and background, attention's maps, neighbours, the map of a set.

use super::{Draw, clusters, features};
use ijepa::eval::map::places;
use ijepa::eval::neighbours::nearest;
use ijepa::eval::samples::Features;
use ijepa::eval::{foreground, maps};
use ijepa::model::config::Grid;

const GRID: usize = 8;

/// Two images of 8 x 8 patches with a block in the middle whose features lie elsewhere, turned by `sign`; and the block.
fn images(sign: f32) -> (Features, Vec<bool>) {
    let (dims, mut draw) = (12, Draw::new(31));
    let block = |patch: usize| {
        let (row, column) = (patch / GRID % GRID, patch % GRID);
        (2..6).contains(&row) && (3..7).contains(&column)
    };
    let inside: Vec<bool> = (0..2 * GRID * GRID).map(block).collect();
    let value = |(patch, channel): (usize, usize), noise: f32| {
        let there = if inside[patch] { 4.0 } else { 0.0 };
        // The block has structure of its own: its rows differ.
        let row = (patch / GRID % GRID) as f32 - 3.5;
        let own = if inside[patch] && channel == 5 { row } else { 0.0 };
        sign * (there * (channel % 3) as f32 + own + 0.05 * noise)
    };
    let values = (0..2 * GRID * GRID * dims).map(|i| value((i / dims, i % dims), draw.value()));
    (features(values.collect(), dims), inside)
}

#[test]
fn the_first_component_splits_fore_from_background_whatever_its_sign() {
    for sign in [1.0, -1.0] {
        let (tokens, inside) = images(sign);
        let split = foreground::split(&tokens, &[Grid::square(GRID); 2], 0.0);
        assert_eq!(split.inside, inside, "sign {sign}");
        assert_eq!(split.count(), 32);
        let square: f64 = split.first.iter().map(|value| value * value).sum();
        assert!((square / split.first.len() as f64 - 1.0).abs() < 1e-9, "in deviations");
        let (colours, whole) = foreground::colours(&tokens, &split).unwrap();
        assert!(!whole);
        for (colour, inside) in colours.iter().zip(&inside) {
            assert_eq!(colour.is_some(), *inside);
        }
        // Rows of the block differ in the first of its own components, and columns don't.
        let red = |row: usize, column: usize| colours[row * GRID + column].unwrap()[0] as i32;
        assert!((red(2, 3) - red(5, 3)).abs() > 200, "{} {}", red(2, 3), red(5, 3));
        assert!((red(2, 3) - red(2, 6)).abs() < 20);
    }
}

/// The border is each image's own: of a row of patches all lie at it, of a wide image those around the middle ones.
#[test]
fn images_of_several_grids_have_borders_of_their_own() {
    let (wide, high, row) = (
        Grid { rows: 4, columns: 7 },
        Grid { rows: 6, columns: 3 },
        Grid { rows: 1, columns: 5 },
    );
    let mut draw = Draw::new(5);
    let (mut values, mut inside) = (vec![], vec![]);
    for grid in [wide, high, row] {
        for patch in 0..grid.patches() {
            let (row, column) = (patch / grid.columns, patch % grid.columns);
            let there = (1..grid.rows - 1).contains(&row) && (1..grid.columns - 1).contains(&column);
            inside.push(there);
            values.extend([if there { -3.0 } else { 0.0 }, 0.1 * draw.value(), 0.1 * draw.value()]);
        }
    }
    let split = foreground::split(&features(values, 3), &[wide, high, row], 0.0);
    assert_eq!(split.inside, inside);
    assert_eq!(split.count(), 10 + 4);
}

#[test]
fn where_there_is_hardly_any_foreground_everything_is_coloured() {
    let (tokens, _) = images(1.0);
    let split = foreground::split(&tokens, &[Grid::square(GRID); 2], 50.0);
    assert_eq!(split.count(), 0);
    let (colours, whole) = foreground::colours(&tokens, &split).unwrap();
    assert!(whole && colours.iter().all(Option::is_some));
    // Features without any spread have no component at all.
    let flat = features(vec![1.0; 64 * 3], 3);
    let split = foreground::split(&flat, &[Grid::square(GRID)], 0.0);
    assert!(split.first.iter().all(|value| *value == 0.0));
    assert!(
        foreground::colours(&flat, &split)
            .unwrap()
            .0
            .iter()
            .all(|c| *c == Some([128; 3]))
    );
}

#[test]
fn one_patch_stretches_no_scale() {
    let mut values: Vec<f32> = (0..400).map(|i| i as f32 / 400.0).collect();
    values[7] = 500.0;
    let tokens = features(values, 1);
    let split = foreground::Split {
        first: vec![1.0; 400],
        inside: vec![true; 400],
    };
    let (colours, _) = foreground::colours(&tokens, &split).unwrap();
    let spread = (colours[390].unwrap()[0] as i32 - colours[20].unwrap()[0] as i32).abs();
    assert!(spread > 200, "{spread}");
}

#[test]
fn attention_is_averaged_over_queries_and_heads() {
    // Two heads of three patches: one looks at patch 2 alone, the other at its own place.
    let attention = [
        [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0],
        [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
    ]
    .concat();
    let all = maps::heads(&attention, 3, None);
    assert_eq!(all[0], [0.0, 0.0, 1.0]);
    all[1]
        .iter()
        .for_each(|weight| assert!((weight - 1.0 / 3.0).abs() < 1e-6));
    assert_eq!(maps::heads(&attention, 3, Some(1)), [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]);
    assert_eq!(maps::mean(&maps::heads(&attention, 3, Some(1))), [0.0, 0.5, 0.5]);
    assert!((maps::breadth(&all[0]) - 1.0).abs() < 1e-6 && (maps::breadth(&all[1]) - 3.0).abs() < 1e-4);
    assert!(maps::heads(&attention, 3, Some(3)).is_empty());
}

#[test]
fn neighbours_are_of_the_same_cluster_and_never_the_image_itself() {
    let set = clusters(60, 8, 3, 0.1, 5.0, 32);
    let queries = [0, 7, 59];
    for (query, near) in queries.iter().zip(nearest(&set.features, &queries, 5)) {
        assert_eq!(near.len(), 5);
        for (i, one) in near.iter().enumerate() {
            assert!(one.image != *query && set.labels()[one.image] == set.labels()[*query]);
            assert!(i == 0 || one.similarity <= near[i - 1].similarity);
        }
    }
    assert_eq!(nearest(&set.features, &[3], 1000)[0].len(), 59);
}

#[test]
fn a_map_keeps_clusters_together_and_is_the_same_each_time() {
    let set = clusters(90, 16, 3, 0.3, 1.0, 33);
    let map = places(&set.features, 10.0, 300).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    assert_eq!(map, pool.install(|| places(&set.features, 10.0, 300)).unwrap());
    let distance = |a: usize, b: usize| f32::hypot(map[a][0] - map[b][0], map[a][1] - map[b][1]);
    let mut same = 0;
    for image in 0..90 {
        let others = (0..90).filter(|other| *other != image);
        let nearest = others
            .min_by(|a, b| distance(image, *a).total_cmp(&distance(image, *b)))
            .unwrap();
        same += usize::from(set.labels()[nearest] == set.labels()[image]);
    }
    assert!(same >= 88, "{same} of 90 lie beside one of their own");

    let few = clusters(5, 4, 2, 0.1, 0.0, 34);
    assert!(
        places(&few.features, 2.0, 10)
            .unwrap_err()
            .to_string()
            .contains("too few for a map")
    );
    for perplexity in [0.5, 40.0, f32::NAN] {
        let error = places(&set.features, perplexity, 10).unwrap_err();
        assert!(error.to_string().contains("between 1 and 30"), "{error}");
    }
}
