//! Positions of grids that are larger or smaller than the trained one.

use ijepa::model::config::ModelConfig;
use ijepa::model::positions::{Origin, laid_over, resized, sine_cosine};
use ijepa::model::tensors::{Tensor, Tensors};

#[test]
fn a_grid_over_itself_has_the_trained_positions_to_the_bit() {
    for grid in [1, 4, 7] {
        assert_eq!(laid_over(24, grid, grid), sine_cosine(24, grid));
    }
}

#[test]
fn a_larger_grid_meets_the_trained_places_where_they_are() {
    let (width, trained) = (16, 5);
    let (small, large) = (sine_cosine(width, trained), laid_over(width, 3 * trained, trained));
    // Of three patches, the one in the middle stands where the trained patch stood.
    for row in 0..trained {
        for column in 0..trained {
            let of_small = &small[(row * trained + column) * width..][..width];
            let of_large = &large[((3 * row + 1) * 3 * trained + 3 * column + 1) * width..][..width];
            for (a, b) in of_small.iter().zip(of_large) {
                assert!((a - b).abs() < 1e-6, "{row} {column}: {a} {b}");
            }
        }
    }
    // Its first patch stands half of a trained patch less half of its own before the first: at -1/3.
    assert!((large[0] - (-1.0f32 / 3.0).sin()).abs() < 1e-6);
    assert!((large[width / 2] - (-1.0f32 / 3.0).sin()).abs() < 1e-6);
}

#[test]
fn weights_get_positions_of_the_new_size_and_keep_their_own_at_the_old() {
    let trained = ModelConfig {
        crop: 16,
        patch: 4,
        embed_dim: 8,
        depth: 1,
        num_heads: 2,
        mlp_ratio: 2.0,
        pred_emb_dim: 4,
        pred_depth: 1,
    };
    let mut tensors = Tensors::new();
    assert_eq!(
        resized(&mut tensors, &trained, 16).unwrap(),
        (trained.clone(), Origin::Trained)
    );
    assert!(tensors.is_empty());
    let (larger, origin) = resized(&mut tensors, &trained, 24).unwrap();
    assert_eq!(origin, Origin::Computed);
    assert_eq!((larger.crop, larger.grid(), tensors.len()), (24, 6, 3));
    assert_eq!(tensors["target_encoder.pos_embed"].shape, [1, 36, 8]);
    assert_eq!(tensors["predictor.predictor_pos_embed"].values, laid_over(4, 6, 4));
    // What was learned is no table that can be computed: a slope stays one, and its ends are not left.
    let slope: Vec<f32> = (0..16 * 8).map(|i| (i / 8 % 4) as f32).collect();
    let shape = vec![1, 16, 8];
    tensors.insert("target_encoder.pos_embed".into(), Tensor { shape, values: slope });
    let (_, origin) = resized(&mut tensors, &trained, 32).unwrap();
    assert_eq!(origin, Origin::Interpolated);
    let row: Vec<f32> = tensors["target_encoder.pos_embed"]
        .values
        .iter()
        .step_by(8)
        .take(8)
        .copied()
        .collect();
    assert_eq!(row, [0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0]);
    for crop in [0, 18] {
        let error = resized(&mut tensors, &trained, crop).unwrap_err();
        assert!(error.to_string().ends_with("take a multiple of 4"), "{error}");
    }
}
