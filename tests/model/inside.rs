//! Looks inside a network: attention, expectations and the tensors of an iteration, against the model in f64; and what is
//! found near to what, against all cosines on the host.

use crate::case::{Case, f64s, gpu, masks};
use ijepa::cpu;
use ijepa::data::image::Image;
use ijepa::data::masks::Masks;
use ijepa::eval::inspector::{Guess, Inspector};
use ijepa::model::ijepa::{Images, Terms};
use ijepa::model::needs::Dims;

pub fn near(name: &str, got: &[f32], want: &[f64], limit: f64) {
    assert_eq!(got.len(), want.len(), "{name}");
    let size = want.iter().fold(1e-3f64, |size, v| size.max(v.abs()));
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let off = (f64::from(*got) - want).abs();
        assert!(off <= limit * size, "{name}[{i}]: {got}, not {want}");
    }
}

fn parameters(case: &Case) -> cpu::Tensors {
    let tensors = case.tensors.iter();
    tensors
        .map(|(name, tensor)| (name.clone(), f64s(&tensor.values)))
        .collect()
}

fn image(case: &Case, i: usize) -> &[u8] {
    let bytes = case.config.image.values();
    &case.bytes[i * bytes..][..bytes]
}

fn picture(case: &Case, i: usize) -> Image {
    Image {
        width: case.config.image.width,
        height: case.config.image.height,
        pixels: image(case, i).to_vec(),
    }
}

/// A small case whose net takes bytes, with memory for one image's looks.
fn case() -> (Case, Dims) {
    let case = Case::small(Terms::default());
    let dims = Dims {
        float_images: false,
        ..case.dims()
    };
    (case, dims)
}

#[test]
fn attention_is_that_of_the_target_encoders_block() {
    let (case, dims) = case();
    let (config, parameters) = (&case.config, parameters(&case));
    let (n, heads, d) = (config.num_patches(), config.num_heads, config.embed_dim);
    let every: Vec<u32> = (0..n as u32).collect();
    let mut net = case.net(&gpu("", None), dims);
    for i in 0..2 {
        let floats = &f64s(&case.floats())[i * config.image.values()..][..config.image.values()];
        let encoder = cpu::encoder::forward(config, &parameters, "target_encoder", floats, &every, n);
        for block in 0..config.depth {
            let x = match block {
                0 => {
                    let patches = cpu::patchify::from_f32(
                        floats,
                        &every,
                        [config.image.height, config.image.width],
                        config.patch,
                    );
                    let x = cpu::block::linear(&parameters, "target_encoder.patch_embed.proj", &patches, n);
                    cpu::add_positions::add_positions(&parameters["target_encoder.pos_embed"], &every, &x, d)
                }
                _ => encoder.blocks_out[block - 1].clone(),
            };
            let name = format!("target_encoder.blocks.{block}");
            let normed = cpu::block::norm(&parameters, &format!("{name}.norm1"), x, n).y;
            let qkv = cpu::block::linear(&parameters, &format!("{name}.attn.qkv"), &normed, n);
            let want = cpu::attention::weights(&qkv, 1, n, heads, d / heads);
            let got = pollster::block_on(net.attention(image(&case, i), block)).unwrap();
            near(&format!("image {i}, block {block}"), &got, &want, 2e-5);
        }
    }
    let none = pollster::block_on(net.attention(image(&case, 0), config.depth)).unwrap_err();
    assert!(none.to_string().contains("the encoder has 2"), "{none}");
    let short = pollster::block_on(net.attention(&case.bytes[1..10], 0)).unwrap_err();
    assert!(short.to_string().contains("9 came"), "{short}");
}

/// The last block's average is that of the encoder's output; those before it are normed by the same norm.
#[test]
fn pooled_blocks_are_averages_of_what_blocks_put_out() {
    let (case, dims) = case();
    let (config, parameters) = (&case.config, parameters(&case));
    let (n, d, depth) = (config.num_patches(), config.embed_dim, config.depth);
    let every: Vec<u32> = (0..n as u32).collect();
    let mut net = case.net(&gpu("", None), dims);
    let both = &case.bytes[..2 * config.image.values()];
    for blocks in [1, 2, 4] {
        let got = pollster::block_on(net.pooled(Images::Bytes(both), 2, blocks)).unwrap();
        let used = blocks.min(depth);
        for i in 0..2 {
            let floats = &f64s(&case.floats())[i * config.image.values()..][..config.image.values()];
            let encoder = cpu::encoder::forward(config, &parameters, "target_encoder", floats, &every, n);
            for place in 0..used {
                let out = &encoder.blocks_out[depth - used + place];
                let normed = cpu::block::norm(&parameters, "target_encoder.norm", out.clone(), n).y;
                let mean = |c: usize| normed.iter().skip(c).step_by(d).sum::<f64>() / n as f64;
                let want: Vec<f64> = (0..d).map(mean).collect();
                let own = &got[(i * used + place) * d..][..d];
                near(&format!("image {i}, block {place} of {used}"), own, &want, 2e-5);
            }
        }
    }
    let many = pollster::block_on(net.pooled(Images::Bytes(both), 1000, 1)).unwrap_err();
    assert!(many.to_string().contains("memory is planned for"), "{many}");
}

#[test]
fn an_expectation_is_one_batch_of_one_image() {
    let (mut case, dims) = case();
    let mut net = case.net(&gpu("", None), dims);
    let (seen, hidden) = (vec![0, 1, 2, 5, 7, 8, 11, 15], vec![3, 4, 6, 9, 10, 12, 13, 14]);
    let found = pollster::block_on(net.expect(image(&case, 1), &seen, &hidden)).unwrap();
    let bytes = image(&case, 1).to_vec();
    case.bytes = bytes;
    case.masks = Masks {
        context: seen.clone(),
        targets: hidden.clone(),
        ..masks(1, 16, [1, 1, 1, 8, 8])
    };
    let twin = case.twin();
    near("predictions", &found.predictions, &twin.predictions, 2e-5);
    near("targets", &found.targets, &twin.targets, 2e-5);
    for (seen, hidden) in [(&seen[..0], &hidden[..]), (&seen[..], &[16][..])] {
        assert!(pollster::block_on(net.expect(&case.bytes, seen, hidden)).is_err());
    }
}

#[test]
fn a_trail_has_one_images_rows_of_every_tensor() {
    let (mut case, dims) = case();
    case.masks = masks(4, case.config.num_patches(), [3, 2, 2, 5, 3]);
    let mut net = case.net(&gpu("", None), dims);
    let (twin, d) = (case.twin(), case.config.embed_dim);
    let all: Vec<u32> = (0..48).collect();
    let patches = cpu::patchify::from_u8(
        &case.bytes,
        &all,
        [case.config.image.height, case.config.image.width],
        case.config.patch,
    );
    for i in 0..3 {
        let trail = pollster::block_on(net.trail(Images::Bytes(&case.bytes), &case.masks, i)).unwrap();
        let names: Vec<_> = trail
            .iter()
            .map(|stage| (stage.name, stage.shape, stage.rows()))
            .collect();
        let expected = [
            ("patches", [3, 16, 75], 16),
            ("positions", [1, 16, 24], 16),
            ("target_encoder_out", [3, 16, 24], 16),
            ("targets", [12, 3, 24], 6),
            ("context_patches", [6, 5, 75], 5),
            ("context_embedded", [6, 5, 24], 5),
            ("context_out", [6, 5, 24], 5),
            ("predictor_in", [12, 8, 16], 16),
            ("predictor_out", [12, 3, 16], 6),
            ("predictions", [12, 3, 24], 6),
        ];
        assert_eq!(names, expected);
        // Sequences come by target block, then by context mask, then by image.
        let of = |values: &[f64], rows: usize, sequences: &[usize]| -> Vec<f64> {
            let size = rows * d;
            sequences
                .iter()
                .flat_map(|s| &values[s * size..][..size])
                .copied()
                .collect()
        };
        assert_eq!(trail[1].values, case.tensors["encoder.pos_embed"].values);
        near("patches", &trail[0].values, &patches[i * 16 * 75..][..16 * 75], 1e-5);
        near(
            "target_encoder_out",
            &trail[2].values,
            &of(&twin.target_encoder_out, 16, &[i]),
            2e-5,
        );
        near("targets", &trail[3].values, &of(&twin.targets, 3, &[i, 6 + i]), 2e-5);
        near("context_out", &trail[6].values, &of(&twin.context_out, 5, &[i]), 2e-5);
        near(
            "predictions",
            &trail[9].values,
            &of(&twin.predictions, 3, &[i, 6 + i]),
            2e-5,
        );
    }
    let none = pollster::block_on(net.trail(Images::Bytes(&case.bytes), &case.masks, 3)).unwrap_err();
    assert!(none.to_string().contains("the batch has 3"), "{none}");
}

fn normalised(row: &[f64]) -> Vec<f64> {
    let n = row.len() as f64;
    let mean = row.iter().sum::<f64>() / n;
    let square = row.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
    row.iter().map(|v| (v - mean) / square.sqrt()).collect()
}

fn cosines(query: &[f64], set: &[f64]) -> Vec<f64> {
    let query = normalised(query);
    let with = |row: &[f64]| normalised(row).iter().zip(&query).map(|(x, y)| x * y).sum();
    set.chunks(query.len()).map(with).collect()
}

#[test]
fn what_is_near_is_what_all_cosines_say() {
    let case = Case::small(Terms::default());
    let (n, d) = (case.config.num_patches(), case.config.embed_dim);
    let mut inspector = Inspector::new(&gpu("", None), &case.config, &case.tensors, "a test").unwrap();
    let early = pollster::block_on(inspector.similarity(0, 0)).unwrap_err();
    assert!(early.to_string().contains("no images"), "{early}");
    let images: Vec<Image> = (0..3).map(|i| picture(&case, i)).collect();
    pollster::block_on(inspector.see(images.clone())).unwrap();
    assert_eq!((inspector.count(), inspector.images()), (3, &images[..]));
    assert_eq!(inspector.colours(2, 5).unwrap().len(), n);

    let features = case.twin().target_encoder_out;
    let row = |i: usize| &features[i * d..][..d];
    let similarity = pollster::block_on(inspector.similarity(1, 7)).unwrap();
    near("similarity", &similarity, &cosines(row(n + 7), &features), 2e-4);
    assert!((similarity[n + 7] - 1.0).abs() < 1e-4, "a patch is like itself");

    // The guess at the hidden patches: order, agreement, and the nearest patches of the other images.
    let hidden = [9, 3, 4, 9];
    let guesses = pollster::block_on(inspector.predict(1, &hidden, 4)).unwrap();
    assert_eq!(guesses.iter().map(|g| g.patch).collect::<Vec<_>>(), [3, 4, 9]);
    let seen: Vec<u32> = (0..n as u32).filter(|p| !hidden.contains(p)).collect();
    let mut net = case.net(
        &gpu("", None),
        Dims {
            float_images: false,
            ..case.dims()
        },
    );
    let expectation = pollster::block_on(net.expect(image(&case, 1), &seen, &[3, 4, 9])).unwrap();
    let predictions = f64s(&expectation.predictions);
    for (i, guess) in guesses.iter().enumerate() {
        let Guess {
            patch,
            agreement,
            predicted,
            target,
        } = guess;
        let (prediction, truth) = (&predictions[i * d..][..d], row(n + *patch as usize));
        near("agreement", &[*agreement], &cosines(prediction, truth), 2e-4);
        for (list, query) in [(predicted, prediction), (target, truth)] {
            let all = cosines(query, &features);
            assert_eq!(list.len(), 4);
            let mut others: Vec<f64> = (0..3 * n).filter(|p| p / n != 1).map(|p| all[p]).collect();
            others.sort_by(|a, b| b.total_cmp(a));
            for (near_patch, want) in list.iter().zip(others) {
                let (got, place) = (
                    f64::from(near_patch.similarity),
                    near_patch.image * n + near_patch.patch,
                );
                assert_ne!(near_patch.image, 1, "its own image is no answer");
                assert!(
                    (got - want).abs() < 2e-4 && (all[place] - want).abs() < 2e-4,
                    "{got}, not {want}"
                );
            }
        }
    }
    // A guess that is always the same: the mean of what the other images' patches are, normalised.
    let mean = |row: &[f64]| row.iter().sum::<f64>() / d as f64;
    let mut blind = vec![0.0; d];
    for row in (0..3 * n).filter(|p| p / n != 1).map(row) {
        let m = mean(row);
        let square: f64 = row.iter().map(|v| (v - m).powi(2)).sum::<f64>() / d as f64;
        blind
            .iter_mut()
            .zip(row)
            .for_each(|(sum, v)| *sum += (v - m) / (square + 1e-5).sqrt());
    }
    let want = [3, 9].map(|patch| cosines(&blind, row(n + patch))[0]);
    let got = inspector.blind(1, &[3, 9]).unwrap();
    near("blind", &[got], &[(want[0] + want[1]) / 2.0], 2e-4);
    assert!(inspector.blind(9, &[0]).is_err() && inspector.blind(1, &[n as u32]).is_err());
    let refused = |image: usize, hidden: &[u32]| pollster::block_on(inspector.predict(image, hidden, 4)).unwrap_err();
    let mut refused = refused;
    assert!(refused(1, &[]).to_string().contains("at least one"));
    assert!(
        refused(1, &(0..16).collect::<Vec<_>>())
            .to_string()
            .contains("at least one")
    );
    assert!(refused(1, &[16]).to_string().contains("no patch 16"));
    assert!(refused(3, &[1]).to_string().contains("no image 3"));
}
