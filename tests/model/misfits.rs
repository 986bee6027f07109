//! What does not fit the model is refused in a sentence that names it, and nothing panics.

use crate::case::{Case, gpu, masks, rates};
use crate::device;
use ijepa::data::image::Size;
use ijepa::data::masks::Masks;
use ijepa::gpu::Options;
use ijepa::model::config::ModelConfig;
use ijepa::model::ijepa::{Ijepa, Images, Terms};
use ijepa::model::needs::{Dims, needs};
use ijepa::model::tensors::{Tensor, Tensors};
use ijepa::train::config::Config;
use ijepa::train::plan;

#[test]
fn weights_that_are_missing_or_of_another_shape() {
    let case = Case::small(Terms::default());
    let open = |change: &dyn Fn(&mut Tensors)| {
        let mut tensors = case.tensors.clone();
        change(&mut tensors);
        match Ijepa::new(
            &gpu("", None),
            &case.config,
            &tensors,
            "w.safetensors",
            case.terms,
            case.dims(),
        ) {
            Ok(_) => panic!("weights that do not fit were taken"),
            Err(error) => {
                assert_eq!(error.exit_code(), 2);
                error.to_string()
            }
        }
    };
    let name = "encoder.blocks.1.mlp.fc1.bias";
    let missing = open(&|tensors| drop(tensors.remove(name)));
    assert_eq!(missing, format!("w.safetensors has no tensor \"{name}\""));
    let shaped = |name: &'static str, shape: &'static [usize]| {
        let values = vec![0.0; shape.iter().product()];
        open(&move |tensors| {
            let (shape, values) = (shape.to_vec(), values.clone());
            tensors.insert(name.to_string(), Tensor { shape, values });
        })
    };
    assert_eq!(
        shaped(name, &[47]),
        format!(
            "w.safetensors: \"{name}\" is [47], but the configuration asks for [48]: take weights and configuration of \
             one run"
        )
    );
    for (name, shape) in [
        ("target_encoder.patch_embed.proj.weight", &[24, 75][..]),
        ("predictor.mask_token", &[]),
        ("encoder.pos_embed", &[1, 24, 16]),
        ("mean.predictor.mask_token", &[1, 1, 16]),
    ] {
        let message = shaped(name, shape);
        assert!(
            message.starts_with("w.safetensors") && message.contains("mean.") == name.contains("mean."),
            "{message}"
        );
    }
}

#[test]
fn images_and_masks_that_do_not_fit() {
    let case = Case::small(Terms::default());
    let (floats, patches) = (case.floats(), case.config.num_patches());
    let mut net = case.net(&gpu("", None), case.dims());
    let mut refused = |images: Images, masks: &Masks| match net.step(images, masks, rates(1)) {
        Ok(_) => panic!("what does not fit was taken"),
        Err(error) => error.to_string(),
    };
    let short = refused(Images::Floats(&floats[1..]), &case.masks);
    assert_eq!(short, "3 images of 20 x 20 pixels have 3600 values, but 3599 came");
    let mut beyond = case.masks.clone();
    beyond.targets[4] = patches as u32;
    assert_eq!(
        refused(Images::Floats(&floats), &beyond),
        "a mask names patch 16, but an image has 16"
    );
    beyond.targets.pop();
    assert!(refused(Images::Floats(&floats), &beyond).contains("the target masks hold 17 patches, 18 are expected"));
    let empty = masks(1, patches, [3, 1, 2, 0, 3]);
    assert!(refused(Images::Floats(&floats), &empty).contains("the context masks hold 0 patches"));

    let bytes_only = Dims {
        float_images: false,
        ..case.dims()
    };
    let mut net = case.net(&gpu("", None), bytes_only);
    let error = net.step(Images::Floats(&floats), &case.masks, rates(1)).err().unwrap();
    assert!(error.to_string().contains("8-bit images"));
    assert!(net.measure(&["encoder.blocks.9.norm1.bias".to_string()]).is_err());
}

#[test]
fn a_batch_that_no_binding_holds_names_the_one_that_fits() {
    let config = ModelConfig {
        image: Size::square(64),
        patch: 4,
        embed_dim: 4,
        depth: 1,
        num_heads: 1,
        mlp_ratio: 1.0,
        pred_emb_dim: 4,
        pred_depth: 1,
    };
    let gpu = gpu("", None);
    let limit = gpu
        .limits()
        .max_storage_buffer_binding_size
        .min(gpu.limits().max_buffer_size);
    let batch = usize::try_from(limit).unwrap() / 1000; // a patch alone has 192 bytes, an image 256 patches
    let error = plan::require(&gpu, &config, batch, Dims::encode).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    let text = error.to_string();
    let fits = said_to_fit(&text);
    let all_fit = |batch| {
        needs(gpu.kind(), &config, &Dims::encode(batch))
            .iter()
            .all(|need| need.bytes() <= limit)
    };
    assert!(fits > 0 && all_fit(fits) && !all_fit(fits + 1), "{text}");
    assert!(text.starts_with(&format!("with a batch of {batch}, \"")), "{text}");
}

/// The masks of a smaller batch are longer, since they are cut to the shortest of fewer.
#[test]
fn the_batch_that_is_said_to_fit_fits_with_masks_of_its_own() {
    let plain = Options {
        plain: true,
        ..Options::default()
    };
    let gpu = device::open(plain);
    for (preset, patch, batch) in [("base", 14, 128), ("small", 14, 128), ("tiny", 16, 256)] {
        let mut config = Config::preset(preset).unwrap();
        (config.mask.patch_size, config.data.batch_size) = (patch, batch);
        let text = plan::fitting(&gpu, &config, 64).unwrap_err().to_string();
        config.data.batch_size = said_to_fit(&text);
        let dims = plan::fitting(&gpu, &config, 64).unwrap_or_else(|again| panic!("{text}, but then: {again}"));
        assert!(dims.batch > batch / 8, "{preset}: {text}");
    }
}

/// The number in "...; a batch of 30 fits (data.batch_size)".
fn said_to_fit(text: &str) -> usize {
    let number = text
        .rsplit_once("a batch of ")
        .and_then(|(_, rest)| rest.split(' ').next());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("{text}"))
}
