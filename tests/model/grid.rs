//! Images that are no squares: the encoder against its f64 twin, and networks that are shown images of another size.

use crate::case::{Case, gpu};
use crate::inside::near;
use ijepa::data::draw::Draw;
use ijepa::data::image::{Image, Size};
use ijepa::eval::inspector::Inspector;
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

/// Images of several sizes are looked at together: each is what it is alone, and neighbours are found in all.
#[test]
fn a_set_of_several_sizes_is_seen_image_by_image() {
    let square = Case::small(Terms::default());
    let mut draw = Draw::keyed("pixels", 3, 0, 0);
    let mut image = |Size { height, width }: Size| Image {
        width,
        height,
        pixels: (0..3 * height * width).map(|_| draw.below(256) as u8).collect(),
    };
    let sizes = [Size::square(20), WIDE, Size::square(20), HIGH, WIDE];
    let images = sizes.map(&mut image);
    let patches = [16, 6, 16, 10, 6];
    let d = square.config.embed_dim;
    let inspector = || Inspector::new(&gpu("", None), &square.config, &square.tensors, "a test").unwrap();
    let mut all = inspector();
    pollster::block_on(all.see(images.to_vec())).unwrap();
    assert_eq!((all.count(), all.tokens().unwrap().len()), (5, 54));
    assert_eq!(all.grid(3).unwrap(), Grid { rows: 5, columns: 2 });
    assert!(
        all.grid(5)
            .unwrap_err()
            .to_string()
            .contains("no image 5: the set has 5")
    );

    let mut start = 0;
    for (i, image) in images.iter().enumerate() {
        let mut alone = inspector();
        pollster::block_on(alone.see(vec![image.clone()])).unwrap();
        let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
        let own = &all.tokens().unwrap().values()[start * d..][..patches[i] * d];
        near(
            &format!("image {i}"),
            own,
            &wide(alone.tokens().unwrap().values()),
            1e-5,
        );
        let attention = pollster::block_on(all.attention(i, 1)).unwrap();
        assert_eq!(attention.len(), 2 * patches[i] * patches[i]);
        near(
            &format!("attention {i}"),
            &attention,
            &wide(&pollster::block_on(alone.attention(0, 1)).unwrap()),
            1e-5,
        );
        // A patch is like itself, wherever the image's patches begin.
        let last = patches[i] - 1;
        let similarity = pollster::block_on(all.similarity(i, last)).unwrap();
        assert!(similarity.len() == 54 && (similarity[start + last] - 1.0).abs() < 1e-4);
        assert_eq!(all.colours(i, 1).unwrap().len(), patches[i]);
        // All patches of the others are ranked, each once.
        let guesses = pollster::block_on(all.predict(i, &[0, last as u32], 100)).unwrap();
        for guess in &guesses {
            let mut places: Vec<(usize, usize)> = guess.predicted.iter().map(|near| (near.image, near.patch)).collect();
            places.sort_unstable();
            let others = (0..5).filter(|other| *other != i);
            let want: Vec<(usize, usize)> = others
                .flat_map(|other| (0..patches[other]).map(move |patch| (other, patch)))
                .collect();
            assert_eq!(places, want);
        }
        let none = pollster::block_on(all.predict(i, &[last as u32 + 1], 1)).unwrap_err();
        assert!(
            none.to_string().contains(&format!("an image has {}", patches[i])),
            "{none}"
        );
        start += patches[i];
    }
    let odd = image(Size { height: 20, width: 21 });
    let refused = pollster::block_on(all.see(vec![images[0].clone(), odd])).unwrap_err();
    assert!(refused.to_string().contains("images of 21 x 20 pixels"), "{refused}");
}
