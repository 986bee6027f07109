//! Positions of grids that are larger or smaller than the trained one, or no squares.

use ijepa::cpu;
use ijepa::data::image::Size;
use ijepa::model::config::{Grid, ModelConfig};
use ijepa::model::positions::{Origin, laid_over, resized, sine_cosine};
use ijepa::model::tensors::{Tensor, Tensors};

const WIDE: Grid = Grid { rows: 2, columns: 5 };
const HIGH: Grid = Grid { rows: 7, columns: 3 };

#[test]
fn a_grid_over_itself_has_the_trained_positions_to_the_bit() {
    for grid in [1, 4, 7, 14, 37].map(Grid::square).into_iter().chain([WIDE, HIGH]) {
        assert_eq!(laid_over(24, grid, grid), sine_cosine(24, grid));
        // Whole numbers, whatever was divided on the way: the table of f64 rounds to it.
        let twin = cpu::positions::positions(24, grid);
        for (value, want) in sine_cosine(24, grid).iter().zip(&twin) {
            assert!((f64::from(*value) - want).abs() < 1e-7, "{grid}: {value} {want}");
        }
        assert_eq!(twin.len(), grid.patches() * 24);
    }
}

#[test]
fn a_larger_grid_meets_the_trained_places_where_they_are() {
    let (width, trained) = (16, Grid::square(5));
    // Each patch becomes three rows and five columns of patches: the one in the middle stands where it stood.
    let grid = Grid { rows: 15, columns: 25 };
    let (small, large) = (sine_cosine(width, trained), laid_over(width, grid, trained));
    for row in 0..trained.rows {
        for column in 0..trained.columns {
            let of_small = &small[(row * trained.columns + column) * width..][..width];
            let of_large = &large[((3 * row + 1) * grid.columns + 5 * column + 2) * width..][..width];
            for (a, b) in of_small.iter().zip(of_large) {
                assert!((a - b).abs() < 1e-6, "{row} {column}: {a} {b}");
            }
        }
    }
    // Its first patch stands half of a trained patch less half of its own before the first: across at -2/5, down at -1/3.
    assert!((large[0] - (-0.4f32).sin()).abs() < 1e-6);
    assert!((large[width / 2] - (-1.0f32 / 3.0).sin()).abs() < 1e-6);
}

/// Of a grid that is no square, each axis is laid over the trained one by its own measure; in f64, by the formula.
#[test]
fn rows_and_columns_are_laid_each_by_its_own_measure() {
    let (width, trained) = (12, Grid::square(4));
    for grid in [WIDE, HIGH] {
        let table = laid_over(width, grid, trained);
        assert_eq!(table.len(), grid.patches() * width);
        let at = |p: usize, count: usize| (p as f64 + 0.5) * 4.0 / count as f64 - 0.5;
        for (patch, values) in table.chunks_exact(width).enumerate() {
            let (row, column) = (patch / grid.columns, patch % grid.columns);
            let want: Vec<f64> = [at(column, grid.columns), at(row, grid.rows)]
                .into_iter()
                .flat_map(|place| {
                    let angles = [0, 1, 2].map(|i| place * 10000f64.powf(f64::from(-i) / 3.0));
                    angles.map(f64::sin).into_iter().chain(angles.map(f64::cos))
                })
                .collect();
            for (value, want) in values.iter().zip(&want) {
                assert!(
                    (f64::from(*value) - want).abs() < 1e-6,
                    "{grid}, {patch}: {value} {want}"
                );
            }
        }
    }
}

fn model() -> ModelConfig {
    ModelConfig {
        image: Size::square(16),
        patch: 4,
        embed_dim: 8,
        depth: 1,
        num_heads: 2,
        mlp_ratio: 2.0,
        pred_emb_dim: 4,
        pred_depth: 1,
    }
}

#[test]
fn weights_get_positions_of_the_new_size_and_keep_their_own_at_the_old() {
    let trained = model();
    let mut tensors = Tensors::new();
    assert_eq!(
        resized(&mut tensors, &trained, Size::square(16)).unwrap(),
        (trained.clone(), Origin::Trained)
    );
    assert!(tensors.is_empty());
    let size = Size { height: 12, width: 24 };
    let (larger, origin) = resized(&mut tensors, &trained, size).unwrap();
    assert_eq!(origin, Origin::Computed);
    let grid = Grid { rows: 3, columns: 6 };
    assert_eq!((larger.image, larger.grid(), tensors.len()), (size, grid, 3));
    assert!(larger.side().is_err() && trained.side().unwrap() == 16);
    assert_eq!(tensors["target_encoder.pos_embed"].shape, [1, 18, 8]);
    assert_eq!(
        tensors["predictor.predictor_pos_embed"].values,
        laid_over(4, grid, Grid::square(4))
    );
    for (height, width) in [(0, 0), (18, 18), (16, 18), (18, 16), (0, 16), (16, 0)] {
        let error = resized(&mut tensors, &trained, Size { height, width }).unwrap_err();
        assert!(error.to_string().ends_with("take multiples of 4"), "{error}");
    }
}

/// What was learned is no table that can be computed: a slope stays one, and its ends are not left.
#[test]
fn learned_positions_are_interpolated_on_both_axes() {
    let trained = model();
    let mut tensors = Tensors::new();
    // Channels 0 ... 3 rise with the column, the others with the row.
    let slope = |i: usize| match i % 8 < 4 {
        true => (i / 8 % 4) as f32,
        false => (i / 8 / 4) as f32,
    };
    let slope: Vec<f32> = (0..16 * 8).map(slope).collect();
    let shape = vec![1, 16, 8];
    tensors.insert("target_encoder.pos_embed".into(), Tensor { shape, values: slope });
    let size = Size { height: 12, width: 32 };
    let (_, origin) = resized(&mut tensors, &trained, size).unwrap();
    assert_eq!(origin, Origin::Interpolated);
    let table = &tensors["target_encoder.pos_embed"];
    assert_eq!(table.shape, [1, 24, 8]);
    for (patch, values) in table.values.chunks_exact(8).enumerate() {
        let at = |p: usize, count: usize| ((p as f64 + 0.5) * 4.0 / count as f64 - 0.5).clamp(0.0, 3.0);
        let (row, column) = (at(patch / 8, 3), at(patch % 8, 8));
        for (channel, value) in values.iter().enumerate() {
            let want = if channel < 4 { column } else { row };
            assert!(
                (f64::from(*value) - want).abs() < 1e-6,
                "{patch} {channel}: {value} {want}"
            );
        }
    }
}
