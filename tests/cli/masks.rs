//! `masks`: index lists in the reference's form, and a picture.

use super::{ijepa, refused};
use std::path::Path;

/// The lists, and the picture's size.
fn masks(arguments: &[&str]) -> (String, (u32, u32)) {
    let (mut command, folder) = ijepa(&[&["masks", "--out", "m.png"], arguments].concat());
    let output = command.assert().success().stderr("").get_output().stdout.clone();
    (
        String::from_utf8(output).unwrap(),
        image::image_dimensions(folder.path().join("m.png")).unwrap(),
    )
}

/// The numbers of each `CurrentMask` list, in order.
fn lists(text: &str) -> Vec<Vec<usize>> {
    let all = text.split("CurrentMask").skip(1);
    all.map(|part| {
        let inside = &part[part.find("tensor([").unwrap() + 8..part.find("])").unwrap()];
        inside.split(',').map(|number| number.trim().parse().unwrap()).collect()
    })
    .collect()
}

#[test]
fn the_lists_have_the_references_form() {
    // Batch 3 of a training has target blocks of 5 x 7 patches, as the seed's printout shows.
    let (text, (width, height)) = masks(&["--preset", "base", "--patch", "14", "--number", "3"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "imgs.shape torch.Size([128, 3, 224, 224])");
    assert!(lines[1].starts_with("masks_enc[0].shape torch.Size([128, "), "{text}");
    assert_eq!(lines[2], "masks_enc length 1");
    assert!(lines[3].starts_with("CurrentMask[0][:] tensor(["), "{text}");
    assert!(
        text.contains("\nmasks_pred[0].shape torch.Size([128, 35])\nmasks_pred length 4\nCurrentMask[0][:] tensor([")
    );
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with("CurrentMask") || line.len() <= 80)
    );
    let lists = lists(&text);
    assert_eq!(lists.len(), 5);
    assert!(lists.iter().flatten().all(|&i| i < 256));
    assert!(
        lists.iter().all(|list| list.windows(2).all(|pair| pair[0] < pair[1])),
        "indices ascend"
    );
    for target in &lists[1..] {
        assert_eq!(target.len(), 35);
        assert_eq!(target[34] - target[0], 4 * 16 + 6, "5 x 7 patches");
        assert!(
            target.iter().all(|i| !lists[0].contains(i)),
            "context and targets do not overlap"
        );
    }
    assert_eq!(
        (width, height),
        (6 * 232 + 8, 240),
        "the image, one context, four targets"
    );
}

#[test]
fn the_lists_follow_seed_batch_and_image() {
    let base = masks(&["--preset", "nano"]).0;
    assert_eq!(base, masks(&["--preset", "nano"]).0);
    for other in [["--seed", "1"], ["--number", "1"], ["--index", "31"]] {
        assert_ne!(
            lists(&base),
            lists(&masks(&[&["--preset", "nano"], &other[..]].concat()).0),
            "{other:?}"
        );
    }
}

#[test]
fn the_picture_shows_the_image_that_is_given() {
    let (mut command, folder) = ijepa(&["masks", "--preset", "nano", "--image", "red.png", "--out", "m.png"]);
    let red = image::RgbImage::from_pixel(50, 9, image::Rgb([250, 10, 20]));
    red.save(folder.path().join("red.png")).unwrap();
    command.assert().success();
    let picture = image::open(folder.path().join("m.png")).unwrap().to_rgb8();
    let colors: std::collections::BTreeSet<[u8; 3]> = picture.pixels().map(|p| p.0).collect();
    assert_eq!(
        colors.len(),
        3,
        "the image's colour, the same faded, and white between: {colors:?}"
    );
    assert!(colors.contains(&[250, 10, 20]));
}

#[test]
fn what_cannot_be_read_or_written_ends_in_a_sentence() {
    assert!(refused(&["masks", "--image", "none.jpg"]).starts_with("ijepa masks: --image none.jpg: cannot be read"));
    assert!(refused(&["masks", "--image", "."]).starts_with("ijepa masks: --image .: cannot be read"));
    assert!(refused(&["masks", "--out", "m.jpg"]).contains("end its name with .png"));
    assert!(refused(&["masks", "--index", "128"]).contains("a batch has 128 images"));
    let (mut command, folder) = ijepa(&["masks", "--preset", "nano", "--image", "text.png"]);
    std::fs::write(folder.path().join("text.png"), "no image").unwrap();
    let output = command.assert().code(2).get_output().stderr.clone();
    assert!(
        String::from_utf8(output)
            .unwrap()
            .starts_with("ijepa masks: --image text.png: ")
    );
    let (mut command, _folder) = ijepa(&["masks", "--preset", "nano", "--out", "no/such/folder/m.png"]);
    let output = command.assert().code(2).get_output().stderr.clone();
    assert!(
        String::from_utf8(output)
            .unwrap()
            .contains(&format!("{}", Path::new("no/such/folder/m.png").display()))
    );
}
