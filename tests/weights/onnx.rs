//! ONNX graphs: weights inside, beside and in 16 bits. What they compute is asked of onnxruntime by `make test-interop`.

use super::made::{model, tensors};
use ijepa::weights::write::onnx::{Options, onnx};
use std::path::Path;

/// Graph and weights beside it.
fn written(folder: &Path, half: bool, beside: bool) -> (Vec<u8>, Vec<u8>) {
    std::fs::create_dir_all(folder).unwrap();
    onnx(
        folder,
        &model(),
        &tensors(),
        "target_encoder",
        Options { half, beside },
        None,
    )
    .unwrap();
    let data = std::fs::read(folder.join("model.onnx.data")).unwrap_or_default();
    (std::fs::read(folder.join("model.onnx")).unwrap(), data)
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn every_weight_is_in_the_graph_or_beside_it() {
    let place = tempfile::tempdir().unwrap();
    let (inside, nothing) = written(&place.path().join("inside"), false, false);
    let (graph, beside) = written(&place.path().join("beside"), false, true);
    let (half, _) = written(&place.path().join("half"), true, false);
    let all = tensors();
    let own = all.iter().filter(|(name, _)| name.starts_with("target_encoder."));
    let mut bytes = 0;
    for (name, tensor) in own {
        bytes += 4 * tensor.values.len();
        // Weights of linear layers are turned.
        if !name.ends_with(".weight") || name.contains("norm") || name.contains("patch_embed") {
            let values: Vec<u8> = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
            assert!(
                holds(&inside, &values) && holds(&beside, &values) && !holds(&graph, &values),
                "{name}"
            );
            let values: Vec<u8> = tensor
                .values
                .iter()
                .flat_map(|&value| half::f16::from_f32(value).to_le_bytes())
                .collect();
            assert!(holds(&half, &values), "{name}");
        }
    }
    assert_eq!((beside.len(), nothing.len()), (bytes, 0));
    assert!(holds(&graph, b"model.onnx.data") && !holds(&inside, b"model.onnx.data"));
    // A turned one: its first column comes first.
    let fc1 = &all["target_encoder.blocks.0.mlp.fc1.weight"];
    let column: Vec<u8> = (0..48).flat_map(|row| fc1.values[row * 16].to_le_bytes()).collect();
    assert!(holds(&inside, &column) && holds(&beside, &column));
}

#[test]
fn a_tensor_that_is_missing_is_named() {
    let place = tempfile::tempdir().unwrap();
    let mut tensors = tensors();
    tensors.remove("encoder.blocks.1.mlp.fc2.bias");
    let options = Options {
        half: false,
        beside: false,
    };
    let error = onnx(place.path(), &model(), &tensors, "encoder", options, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no tensor \"encoder.blocks.1.mlp.fc2.bias\" to write"
    );
}
