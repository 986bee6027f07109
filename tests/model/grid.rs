//! Images that are no squares: the encoder against its f64 twin, and networks that are shown images of another size.

use crate::case::{Case, gpu};
use crate::inside::near;
use ijepa::data::image::Size;
use ijepa::model::config::{Grid, ModelConfig};
use ijepa::model::ijepa::{Ijepa, Images, Terms};
use ijepa::model::needs::Dims;
use ijepa::model::positions::resized;

const WIDE: Size = Size { height: 10, width: 15 };
const HIGH: Size = Size { height: 25, width: 10 };

/// The small case for images of another size, with the positions of their own grid.
fn case(image: Size) -> Case {
    let small = Case::small(Terms::default()).config;
    Case::new(ModelConfig { image, ..small }, [2, 1, 2, 3, 2], Terms::default())
}

#[test]
fn the_encoder_of_a_grid_that_is_no_square_is_its_twin() {
    for image in [WIDE, HIGH] {
        let case = case(image);
        let dims = Dims {
            float_images: false,
            ..case.dims()
        };
        let mut net = case.net(&gpu("", None), dims);
        let got = pollster::block_on(net.encode(Images::Bytes(&case.bytes), 2)).unwrap();
        near(&format!("{image}"), &got, &case.twin().target_encoder_out, 2e-5);
    }
}

/// A whole step: targets, context, predictions and every gradient.
#[test]
fn a_step_on_a_grid_that_is_no_square_is_its_twin() {
    let case = case(WIDE);
    assert_eq!(case.config.grid(), Grid { rows: 2, columns: 3 });
    let mut net = case.net(&gpu("", None), case.dims());
    net.forward_and_backward(Images::Floats(&case.floats()), &case.masks)
        .unwrap();
    let gradients = pollster::block_on(net.gradients()).unwrap();
    let twin = case.twin();
    for (name, gradient) in &gradients {
        near(name, &gradient.values, &twin.gradients[name], 2e-4);
    }
    assert!(gradients.len() > 20);
}

/// A network that was made for squares and is shown others gives, to the bit, what one gives that was made for them; and again
/// what it gave at first when it comes back.
#[test]
fn a_network_that_is_resized_is_one_of_that_size() {
    let square = Case::small(Terms::default());
    let dims = |batch| Dims {
        float_images: false,
        ..Dims { batch, ..square.dims() }
    };
    let gpu = gpu("", None);
    let mut net = square.net(&gpu, dims(3));
    let first = pollster::block_on(net.encode(Images::Bytes(&square.bytes), 3)).unwrap();
    for image in [WIDE, HIGH] {
        let case = case(image);
        let mut tensors = square.tensors.clone();
        let (config, _) = resized(&mut tensors, &square.config, image).unwrap();
        let mut own = Ijepa::encoder(&gpu, &config, &tensors, "a test", 2).unwrap();
        let want = pollster::block_on(own.encode(Images::Bytes(&case.bytes), 2)).unwrap();
        net.resize(image, dims(2)).unwrap();
        assert_eq!((net.config.image, net.dims().batch), (image, 2));
        let got = pollster::block_on(net.encode(Images::Bytes(&case.bytes), 2)).unwrap();
        assert!(got == want, "{image}");
        let wrong = pollster::block_on(net.encode(Images::Bytes(&square.bytes), 3)).unwrap_err();
        assert!(wrong.to_string().contains("3 images"), "{wrong}");
        // An encoder alone can be resized, too.
        own.resize(square.config.image, Dims::encode(1)).unwrap();
    }
    let refused = net.resize(Size { height: 25, width: 11 }, dims(1)).unwrap_err();
    assert!(refused.to_string().contains("images of 11 x 25 pixels"), "{refused}");
    net.resize(square.config.image, dims(3)).unwrap();
    assert!(pollster::block_on(net.encode(Images::Bytes(&square.bytes), 3)).unwrap() == first);
    // What it would save are the positions that it was made with.
    let tensors = pollster::block_on(net.tensors(false)).unwrap();
    assert!(tensors["encoder.pos_embed"] == square.tensors["encoder.pos_embed"]);
}
