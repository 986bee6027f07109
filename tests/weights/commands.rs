//! Weights of others through the commands: what they are, a new run, a run that goes on, features, and out again.

use super::made::{PROCESSOR, model, moment, tensors};
use super::tiny::{fails, place, run, said, succeeds, tiny};
use ijepa::model::tensors::Tensors;
use ijepa::model::weights;
use ijepa::weights::write::{hub, reference};
use std::path::Path;

/// The configuration of these tests' model.
const CONFIG: &str = "\
data: {batch_size: 8, crop_size: 16, eval_transform: exact}
mask: {patch_size: 4, min_keep: 1, min_keep_context: 2, pred_mask_scale: [0.2, 0.3]}
meta:
  model_name: vit_custom
  pred_emb_dim: 8
  pred_depth: 1
  model: {embed_dim: 16, depth: 2, num_heads: 2, mlp_ratio: 3.0}
";

fn read(path: &Path) -> Tensors {
    weights::read(&std::fs::read(path).unwrap(), "the file").unwrap()
}

#[track_caller]
fn printed(place: &Path, arguments: &[&str]) -> String {
    let output = run(place, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn hugging_face_weights_begin_a_run_and_give_features() {
    let place = place();
    let (at, tensors) = (place.path(), tensors());
    std::fs::create_dir(at.join("hf")).unwrap();
    hub::hugging_face(&at.join("hf"), &model(), &tensors, "target_encoder", PROCESSOR, None).unwrap();
    let info = printed(at, &["info", "hf"]);
    for wanted in [
        "hf is Hugging Face's IJepaModel (safetensors)\n",
        "encoder           16 wide, 2 blocks, 2 heads, MLP 48, patch 4, crop 16\n",
        "  target encoder    not in it\n",
        "as F32\n",
    ] {
        assert!(info.contains(wanted), "{wanted}: {info}");
    }
    // Pixels of another mean are told of, where a processor says so.
    assert!(!info.contains("normalised"), "{info}");
    let processor = at.join("hf/preprocessor_config.json");
    let ours = std::fs::read_to_string(&processor).unwrap();
    std::fs::write(&processor, "{\"image_mean\": [0.5, 0.5, 0.5]}").unwrap();
    assert!(printed(at, &["info", "hf"]).contains("normalised with another mean"));
    std::fs::write(&processor, ours).unwrap();
    std::fs::write(at.join("c.yaml"), CONFIG).unwrap();
    let train = [
        "train", "--config", "c.yaml", "--from", "hf", "--data", "photos", "--out", "run", "--steps", "1",
    ];
    let text = succeeds(at, &train);
    assert_eq!(
        text.matches("hf has no predictor: one is drawn anew").count(),
        1,
        "{text}"
    );
    assert!(text.contains("a new run begins with the weights of hf"), "{text}");
    // The run's own first moment is what was brought.
    let first = read(&at.join("run/step-0.safetensors"));
    for name in [
        "encoder.blocks.1.attn.qkv.weight",
        "target_encoder.norm.bias",
        "encoder.pos_embed",
    ] {
        let original = &tensors[&format!("target_encoder.{}", name.split_once('.').unwrap().1)];
        assert!(first[name] == *original, "{name}");
    }
    // Nothing is said of others' weights that nobody knows.
    let export = ["export", "--weights", "hf", "--to", "timm", "--out", "timm"];
    assert!(printed(at, &export).contains("wrote timm"));
    let card = std::fs::read_to_string(at.join("timm/README.md")).unwrap();
    assert!(
        card.contains("| training | not trained by this program |") && !card.contains("## Settings"),
        "{card}"
    );
    let embed = ["embed", "--weights", "hf", "--data", "photos", "--out", "f.safetensors"];
    assert!(printed(at, &embed).contains("wrote f.safetensors: 44 images, 16 values each"));
    let bytes = std::fs::read(at.join("f.safetensors")).unwrap();
    let features = weights::read(&bytes, "f").unwrap();
    assert_eq!(features["features"].shape, [44, 16]);
    let texts = weights::metadata(&bytes, "f").unwrap();
    let names: Vec<String> = serde_json::from_str(&texts["names"]).unwrap();
    assert_eq!((names.len(), names[0].as_str()), (44, "class 0/0.png"));
    assert!(fails(at, 2, &embed).contains("f.safetensors exists already"));
    // Another network than the configuration's.
    let other = CONFIG.replace("depth: 2", "depth: 3");
    std::fs::write(at.join("c.yaml"), other).unwrap();
    let out = [
        "train", "--config", "c.yaml", "--from", "hf", "--data", "photos", "--out", "other", "--steps", "1",
    ];
    let message = fails(at, 2, &out);
    assert!(
        message.contains("hf does not fit the configuration's networks: 12 missing"),
        "{message}"
    );
    assert!(!at.join("other").exists());
    let text = succeeds(at, &[&out[..], &["--partial"]].concat());
    assert!(text.contains("hf is taken in part"), "{text}");
}

#[test]
fn a_run_of_the_reference_goes_on() {
    let place = place();
    let at = place.path();
    reference::checkpoint(&at.join("ref.pth.tar"), &model(), &tensors(), &moment()).unwrap();
    std::fs::write(at.join("c.yaml"), CONFIG).unwrap();
    // Another model's, which happens to lie there.
    std::fs::write(
        at.join("config.json"),
        "{\"hidden_act\": \"relu\", \"num_attention_heads\": 12}",
    )
    .unwrap();
    let info = printed(at, &["info", "ref.pth.tar"]);
    assert!(info.contains("AdamW's state     in it, after 21 steps"), "{info}");
    assert!(
        info.contains("epoch 3, loss 0.1250, batch size 8, world size 1, lr 1e-3"),
        "{info}"
    );
    let train = [
        "train",
        "--config",
        "c.yaml",
        "--from",
        "ref.pth.tar",
        "--data",
        "photos",
        "--out",
        "run",
        "--steps",
        "16",
    ];
    let text = succeeds(at, &train);
    let wanted = "going on with the reference's run in ref.pth.tar after epoch 3: it took 21 steps there, and 15 would be as many \
                  epochs of these images in batches of 8; schedules go by epochs";
    assert!(text.contains(wanted), "{text}");
    assert!(text.contains("going on from step 15, to step 16"), "{text}");
    let first = read(&at.join("run/step-15.safetensors"));
    for (name, tensor) in tensors() {
        assert!(first[&name] == tensor, "{name}");
    }
}

#[test]
fn a_run_of_ours_goes_on_from_each_whole_export_to_the_same_bits() {
    let place = place();
    let at = place.path();
    succeeds(at, &tiny("run", "7", &["--quiet"]));
    let export = |to: &'static str, more: &[&'static str]| {
        let arguments = [&["export", "--weights", "run", "--to", to, "--out", to], more].concat();
        run(at, &arguments)
    };
    for to in ["hf", "timm", "pth", "safetensors"] {
        let output = export(to, &[]);
        assert!(output.status.success(), "{}", said(&output));
        let card = std::fs::read_to_string(at.join(to).join("README.md")).unwrap();
        assert!(
            card.contains("| training | 7 of 7 steps in batches of 8; last loss 0."),
            "{card}"
        );
        assert!(
            card.contains("\n## Settings\n\n```yaml\ndata:\n  batch_size: 8\n"),
            "{card}"
        );
        assert!(
            card.contains("16 wide, 1 blocks, 2 heads, patch 4") && card.contains("`photos`, 44 images"),
            "{card}"
        );
    }
    assert!(said(&export("hf", &[])).contains("hf is there already and is no empty folder"));
    assert!(said(&export("pth", &["--encoder", "context"])).contains("hold both encoders: leave it out"));
    let on = |from: &str, out: &str| {
        succeeds(
            at,
            &[
                "train", "--from", from, "--data", "photos", "--out", out, "--steps", "9",
            ],
        )
    };
    let text = on("run/latest.safetensors", "on");
    assert!(text.contains("going on from step 7, to step 9 instead of 7"), "{text}");
    on("pth/jepa-latest.pth.tar", "on-pth");
    let (own, pth) = (
        read(&at.join("on/latest.safetensors")),
        read(&at.join("on-pth/latest.safetensors")),
    );
    assert!(own == pth);
    // Without AdamW's state it is a start, not a run that goes on.
    let text = on("safetensors/ijepa.safetensors", "on-safetensors");
    assert!(
        text.contains("with a new optimiser") && !text.contains("going on"),
        "{text}"
    );
    // So settings may be others.
    let other = ["train", "--from", "safetensors", "--data", "photos", "--out", "other"];
    let text = succeeds(
        at,
        &[&other[..], &["--set", "data.batch_size=4", "--steps", "1"]].concat(),
    );
    assert!(text.contains("with a new optimiser"), "{text}");
    // What a checkpoint carries is not given again.
    let given = [
        "train",
        "--from",
        "run/latest.safetensors",
        "--preset",
        "nano",
        "--data",
        "photos",
        "--out",
        "no",
    ];
    let message = fails(at, 2, &given);
    assert!(
        message.contains("with the configuration that it carries: leave out --preset"),
        "{message}"
    );
    // But its weights are a start, for other images, too.
    let glyphs = [
        "train",
        "--from",
        "run/latest.safetensors",
        "--data",
        "generated:glyphs",
        "--out",
        "no",
    ];
    assert!(fails(at, 2, &glyphs).contains("begin a new run with its weights (ijepa train --from ... --weights-only)"));
    let new = ["--weights-only", "--set", "data.batch_size=4", "--steps", "1"];
    let text = succeeds(at, &[&glyphs[..], &new].concat());
    assert!(
        text.contains("with a new optimiser") && !text.contains("going on"),
        "{text}"
    );
    // A probe takes them all, and finds the same in the same weights.
    succeeds(
        at,
        &[
            "embed",
            "--weights",
            "run",
            "--data",
            "photos",
            "--out",
            "a.safetensors",
            "--quiet",
        ],
    );
    for (i, weights) in ["hf", "timm", "pth", "safetensors"].into_iter().enumerate() {
        let out = format!("{i}.safetensors");
        let config = ["--config", "run/params-ijepa.yaml"];
        let embed = [
            "embed",
            "--weights",
            weights,
            "--data",
            "photos",
            "--out",
            &out,
            "--quiet",
        ];
        succeeds(at, &[&embed[..], &config].concat());
        assert!(read(&at.join(&out)) == read(&at.join("a.safetensors")), "{weights}");
    }
    // What another writes beside is left to it.
    std::fs::write(at.join("b.safetensors.part"), "another's").unwrap();
    let embed = [
        "embed",
        "--weights",
        "run",
        "--data",
        "photos",
        "--out",
        "b.safetensors",
    ];
    assert!(fails(at, 2, &embed).contains("b.safetensors.part is no file of"));
    let rows = std::fs::read(at.join("b.safetensors.part")).unwrap();
    assert_eq!(rows, b"another's");
}
