//! `--size`: images that are no squares, and those that keep their own shapes.

use super::tiny::{fails, names, place, run, said, save, succeeds, text, tiny};
use std::path::Path;

/// A place with a run of the tiny model (16 pixels, 4 patches a side) in `run`, and a picture of each shape.
fn trained() -> tempfile::TempDir {
    let place = place();
    succeeds(place.path(), &tiny("run", "2", &["--quiet"]));
    for (name, width, height) in [("wide", 60, 40), ("high", 30, 75), ("strip", 1, 9000)] {
        let value = |x: u32, y: u32| image::Rgb([(x * 37 + y * 11) as u8, (x * y) as u8, (y * 5) as u8]);
        let picture = image::RgbImage::from_fn(width, height, value);
        picture.save(place.path().join(format!("{name}.png"))).unwrap();
    }
    save(&place.path().join("square.png"), 3);
    place
}

/// The words of a picture, and how large its images are drawn.
fn drawn(at: &Path, arguments: &[&str], out: &str) -> (String, Vec<String>) {
    succeeds(
        at,
        &[&["visualize"], arguments, &["--weights", "run", "--out", out]].concat(),
    );
    let svg = text(&at.join(out));
    let inside = |part: &str| part[part.find('>').unwrap() + 1..part.find('<').unwrap()].to_string();
    let words: Vec<String> = svg.split("<text ").skip(1).map(inside).collect();
    let size = |part: &str| {
        let value = |name: &str| {
            part.split(&format!(" {name}=\""))
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .to_string()
        };
        format!("{} {}", value("width"), value("height"))
    };
    (words.join(" "), svg.split("<image").skip(1).map(size).collect())
}

#[test]
fn every_picture_is_drawn_of_a_size_that_is_no_square() {
    let place = trained();
    let at = place.path();
    let said = [
        "images of 24 x 12 pixels (width x height), 6 x 3 patches of 4.",
        "Trained with 16 x 16 pixels (4 x 4 patches): sine-cosine positions are computed for the 6 x 3 grid",
    ];
    // The last patch of all is in row 2, column 5.
    for (what, more, own) in [
        ("pca", &["wide.png", "square.png"][..], "First:"),
        ("attention", &["wide.png", "--query", "2,5"], "row 2, column 5 (framed)"),
        ("similarity", &["wide.png", "photos", "--count", "2"], "row 1, column 3"),
        (
            "predict",
            &["wide.png", "--nearest-count", "20"],
            "hidden patches themselves",
        ),
        (
            "predict",
            &["wide.png", "--nearest-count", "20", "--block", "1,4,2,2"],
            "hidden patches themselves",
        ),
        ("embedding", &["photos", "--count", "15"], "15 images"),
    ] {
        let out = format!("{what} {}.svg", more.len());
        let (words, sizes) = drawn(at, &[&[what, "--size", "24x12"], more].concat(), &out);
        for part in said.iter().chain([&own]) {
            assert!(words.contains(part), "{what}: {part}: {words}");
        }
        let half = sizes
            .iter()
            .any(|size| ["168.0 84.0", "128.0 64.0", "30.0 15.0"].contains(&size.as_str()));
        assert!(half, "{what}: images are drawn twice as wide as high: {sizes:?}");
    }
    // Higher than it is wide: no higher than half again of its place.
    let (words, sizes) = drawn(at, &["pca", "--size", "12x24", "wide.png"], "high.svg");
    assert!(
        words.contains("images of 12 x 24 pixels (width x height), 3 x 6 patches of 4."),
        "{words}"
    );
    assert!(
        sizes.iter().filter(|size| *size == "126.0 252.0").count() == 3,
        "{sizes:?}"
    );
    // A square that is asked for as width and height is the square.
    for (out, size) in [("a.svg", "24"), ("b.svg", "24x24")] {
        drawn(at, &["pca", "square.png", "--size", size], out);
    }
    assert!(text(&at.join("a.svg")) == text(&at.join("b.svg")));
}

#[test]
fn images_that_stay_uncut_are_seen_together() {
    let place = trained();
    let at = place.path();
    let three = ["wide.png", "high.png", "square.png"];
    for (what, more) in [
        ("pca", &[][..]),
        ("attention", &["--query", "3,3"]),
        ("similarity", &["--image", "1", "--patch", "9,3"]),
        ("predict", &["--nearest", "photos", "--nearest-count", "5"]),
        ("embedding", &["photos", "--count", "9"]),
    ] {
        let (words, _) = drawn(
            at,
            &[&[what, "--size", "uncut"], &three[..], more].concat(),
            &format!("{what}.svg"),
        );
        for part in [
            "uncut images with a short side of 16 pixels: 3 sizes from 16 x 16 to 16 x 40 (width x height), in patches of 4.",
            "sine-cosine positions are computed for the grid of each image, laid over the trained one.",
        ] {
            assert!(words.contains(part), "{what}: {part}: {words}");
        }
    }
    let (words, _) = drawn(at, &["pca", "wide.png", "--size", "uncut:32"], "one.svg");
    assert!(
        words.contains("images of 48 x 32 pixels (width x height), uncut, 12 x 8 patches of 4."),
        "{words}"
    );
    // All are squares of the trained size: what is said is what is said of these.
    let (words, _) = drawn(at, &["pca", "square.png", "--size", "uncut"], "square.svg");
    assert!(
        words.contains("images of 16 x 16 pixels, uncut, 4 x 4 patches of 4.") && !words.contains("Trained with"),
        "{words}"
    );
}

#[test]
fn sizes_that_do_not_fit_are_refused_in_a_sentence() {
    let place = trained();
    let at = place.path();
    let before = names(at);
    for (what, size, more, wanted) in [
        (
            "pca",
            "18",
            &["wide.png"][..],
            "images of 18 x 18 pixels are no whole number of patches of 4: take multiples of 4",
        ),
        (
            "pca",
            "16x18",
            &["wide.png"],
            "images of 16 x 18 pixels are no whole number",
        ),
        (
            "pca",
            "uncut:18",
            &["wide.png"],
            "images of 18 x 18 pixels are no whole number",
        ),
        (
            "pca",
            "4096",
            &["wide.png"],
            "have 1048576 patches, and 16384 is the most: take a smaller --size",
        ),
        (
            "pca",
            "uncut",
            &["wide.png", "strip.png"],
            "strip.png: uncut it has 144000 patches, and 16384 is the most",
        ),
        (
            "attention",
            "24x12",
            &["wide.png", "--query", "3,0"],
            "there is no patch 3,0: wide.png has 3 rows and 6 columns",
        ),
        (
            "attention",
            "24x12",
            &["wide.png", "--query", "0,6"],
            "there is no patch 0,6: wide.png has 3 rows and 6 columns",
        ),
        // The first image has such a patch, the second has none.
        (
            "attention",
            "uncut",
            &["high.png", "wide.png", "--query", "5,0"],
            "no patch 5,0: wide.png has 4 rows and 6 columns",
        ),
        (
            "similarity",
            "24x12",
            &["wide.png", "--patch", "3,3"],
            "wide.png has 3 rows and 6 columns of patches",
        ),
        (
            "predict",
            "24x12",
            &["wide.png", "--block", "0,0,3,6"],
            "a part of the 3 rows and 6 columns of patches of wide.png",
        ),
        (
            "predict",
            "24x12",
            &["wide.png", "--block", "0,0,4,1"],
            "4 rows from 0 and 1 columns from 0 are none",
        ),
        (
            "predict",
            "4x4",
            &["wide.png"],
            "images of 4 x 4 pixels have one patch only",
        ),
        (
            "masks",
            "24x12",
            &[],
            "--size 24x12: masks are drawn for squares alone, as training does: give one number",
        ),
        ("masks", "uncut", &[], "--size uncut: masks are drawn for squares alone"),
    ] {
        let all = [
            &["visualize", what, "--weights", "run", "--out", "a.svg", "--size", size],
            more,
        ]
        .concat();
        let message = fails(at, 2, &all);
        assert!(message.contains(wanted), "{what} {size} {more:?}: {message}");
    }
    for size in [
        "0",
        "12x",
        "x12",
        "0x8",
        "-8",
        "8x-8",
        "99999999999999999999",
        "4x99999",
        "8x8x8",
        "uncut:",
        "some",
    ] {
        for command in [&["visualize", "pca", "wide.png"][..], &["embed", "--data", "photos"]] {
            let output = run(
                at,
                &[command, &["--weights", "run", "--out", "a.npy", "--size", size]].concat(),
            );
            assert_eq!(output.status.code(), Some(2), "{size}: {}", said(&output));
            let sentence = "a side such as 448, width x height such as 320x480, or uncut or uncut:448 is wanted, each side of 1 to 4096";
            assert!(said(&output).contains(sentence), "{size}: {}", said(&output));
        }
    }
    let embed = [
        "embed",
        "--weights",
        "run",
        "--data",
        "photos",
        "--out",
        "a.npy",
        "--size",
        "uncut",
    ];
    let message = fails(at, 2, &embed);
    assert!(
        message.contains("--size uncut: features in one file are of images of one size"),
        "{message}"
    );
    assert_eq!(names(at), before, "nothing half-written stays");
}

#[test]
fn features_are_written_of_images_that_are_no_squares() {
    let place = trained();
    let at = place.path();
    let embed = |out: &str, more: &[&str]| {
        let words = ["embed", "--weights", "run", "--data", "photos", "--out", out];
        let said = succeeds(at, &[&words, more].concat());
        (said, std::fs::read(at.join(out)).unwrap())
    };
    let (said, wide) = embed("wide.npy", &["--size", "24x12", "--patches"]);
    let head = String::from_utf8_lossy(&wide[..128]).to_string();
    assert!(head.contains("'shape': (44, 18, 16)"), "{head}");
    let part = "images of 24 x 12 pixels. Trained with 16 x 16 pixels (4 x 4 patches): sine-cosine positions are computed for the \
                6 x 3 grid";
    assert!(said.contains(part), "{said}");
    // The trained size is what is taken anyway.
    let (said, same) = embed("same.npy", &["--size", "16x16"]);
    assert!(
        same == embed("plain.npy", &[]).1 && !said.contains("Trained with"),
        "{said}"
    );
    assert!(same != embed("larger.npy", &["--size", "24"]).1);
}
