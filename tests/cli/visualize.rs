//! `visualize`: every picture of a tiny run, and what is refused.

use super::tiny::{BATCH, fails, names, place, run, said, save, succeeds, tiny};
use ijepa::data::masks;
use ijepa::train::config::Config;
use std::path::Path;

fn draws(place: &Path, arguments: &[&str]) -> String {
    let output = run(place, &[&["visualize"], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Differing colours in a picture.
fn colours(path: &Path) -> usize {
    let picture = image::open(path).unwrap().to_rgb8();
    assert!(picture.width() > 400 && picture.height() > 200, "{}", path.display());
    let colours: std::collections::BTreeSet<[u8; 3]> = picture.pixels().map(|p| p.0).collect();
    colours.len()
}

/// What is written on a picture; lines are broken where it ends.
fn words(svg: &str) -> String {
    let lines = svg
        .split("<text ")
        .skip(1)
        .map(|rest| &rest[rest.find('>').unwrap() + 1..rest.find('<').unwrap()]);
    lines.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_picture_is_drawn_at_the_trained_size_and_at_a_larger_one() {
    let place = place();
    let at = place.path();
    succeeds(at, &tiny("run", "4", &["--quiet"]));
    save(&at.join("one <b>.png"), 3);
    for (what, more) in [
        ("pca", &["one <b>.png", "photos", "--count", "3"][..]),
        (
            "attention",
            &["photos", "--count", "2", "--query", "1,2", "--block", "0"],
        ),
        ("similarity", &["one <b>.png", "photos", "--patch", "3,3"]),
        ("predict", &["one <b>.png", "--nearest-count", "20"]),
        ("masks", &["--number", "3"]),
        ("embedding", &["photos"]),
    ] {
        let png = format!("{what}.png");
        let text = draws(at, &[&[what, "--weights", "run", "--out", &png], more].concat());
        assert!(text.starts_with(&format!("wrote {png}: ")), "{text}");
        assert!(colours(&at.join(&png)) > 50, "{what}");
    }
    // Twice the size: four times the patches, and the picture says how positions came about.
    let svg = [
        "pca",
        "--weights",
        "run",
        "one <b>.png",
        "--size",
        "32",
        "--out",
        "large.svg",
    ];
    draws(at, &svg);
    let text = super::tiny::text(&at.join("large.svg"));
    assert!(text.contains("data:image/png;base64,") && !text.contains("<b>"));
    let words = words(&text);
    for part in [
        "images of 32 x 32 pixels, 8 x 8 patches of 4.",
        "Trained with 16 x 16 pixels (4 x 4 patches): sine-cosine positions are computed for the 8 x 8 grid",
        "one &lt;b&gt;.png",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    // The same picture, to the bit, each time; and nothing is written over.
    draws(at, &["pca", "--weights", "run", "photos", "--out", "again.svg"]);
    draws(at, &["pca", "--weights", "run", "photos", "--out", "twice.svg"]);
    assert!(super::tiny::text(&at.join("again.svg")) == super::tiny::text(&at.join("twice.svg")));

    let before = names(at);
    for (arguments, wanted) in [
        (
            &["pca", "--weights", "run", "--out", "pca.png"][..],
            "pca.png exists already",
        ),
        (
            &["pca", "--weights", "run", "--out", "a.jpg"],
            "end its name with .png or .svg",
        ),
        (
            &["pca", "--weights", "run", "--out", "no/a.png"],
            "there is no folder no",
        ),
        (&["pca", "--weights", "none", "--out", "a.png"], "none"),
        (
            &["pca", "--weights", "run", "gone.jpg", "--out", "a.png"],
            "gone.jpg cannot be opened",
        ),
        (
            &["pca", "--weights", "run", "--size", "33", "--out", "a.png"],
            "take multiples of 4",
        ),
        (
            &["attention", "--weights", "run", "--block", "7", "--out", "a.png"],
            "--block 7: the encoder has 1 blocks",
        ),
        (
            &["attention", "--weights", "run", "--query", "4,0", "--out", "a.png"],
            "there is no patch 4,0",
        ),
        (
            &["similarity", "--weights", "run", "--image", "90", "--out", "a.png"],
            "--image 90: there are",
        ),
        (
            &["predict", "--weights", "run", "--block", "0,0,4,4", "--out", "a.png"],
            "a part of the 4 rows and 4 columns of patches of",
        ),
        (
            &["predict", "--weights", "run", "--block", "3,3,2,1", "--out", "a.png"],
            "a part of the 4 rows and 4 columns of patches of",
        ),
        (
            &["embedding", "--weights", "run", "one <b>.png", "--out", "a.png"],
            "1 images are too few",
        ),
        (
            &["embedding", "--weights", "run", "--perplexity", "900", "--out", "a.png"],
            "perplexity 900 does not suit",
        ),
    ] {
        let message = fails(at, 2, &[&["visualize"], arguments].concat());
        assert!(message.contains(wanted), "{arguments:?}: {message}");
    }
    assert_eq!(names(at), before, "nothing half-written stays");
}

#[test]
fn pictures_say_what_they_show() {
    let place = place();
    let at = place.path();
    succeeds(at, &tiny("run", "4", &["--quiet"]));
    save(&at.join("one.png"), 3);
    let drawn = |arguments: &[&str], out: &str| {
        draws(at, &[arguments, &["--weights", "run", "--out", out]].concat());
        words(&super::tiny::text(&at.join(out)))
    };

    // No image is among those that are compared with it: 44 photos, of which one.png is one, and two are looked at, too.
    let text = drawn(&["predict", "one.png", "photos", "--count", "2"], "predict.svg");
    assert!(text.contains("Shown are the patches of 43 other images"), "{text}");

    // The masks are those of the batch, which are cut to its shortest.
    let yaml = super::tiny::text(&at.join("run/params-ijepa.yaml"));
    let config = Config::from_yaml(&yaml, "run").unwrap();
    let of = |number: u64, images: usize| {
        let drawn = masks::sample(&config.masks(), config.meta.seed, number, images);
        (drawn.k_context, drawn.k_target)
    };
    let number = (0..100).find(|&number| of(number, 1).0 != of(number, BATCH).0).unwrap();
    let text = drawn(&["masks", "one.png", "--number", &number.to_string()], "masks.svg");
    let (k_context, k_target) = of(number, BATCH);
    for part in [
        format!("sees {k_context} patches of each image"),
        format!("blocks of {k_target}."),
    ] {
        assert!(text.contains(&part), "{part}: {text}");
    }

    let text = drawn(&["pca", "one.png", "--whole"], "whole.svg");
    assert!(
        text.contains("all as colours") && !text.contains("foreground"),
        "{text}"
    );

    // What cannot be drawn is refused by what was given.
    std::fs::create_dir(at.join("same")).unwrap();
    (0..12).for_each(|i| save(&at.join(format!("same/{i}.png")), 3));
    for (arguments, wanted) in [
        (&["embedding", "same"][..], "the features of all 12 images are the same"),
        (
            &["predict", "one.png", "--nearest", "same"],
            "same holds no image but the one",
        ),
        (&["predict", "one.png", "--size", "4"], "have one patch only"),
        (
            &["pca", "photos", "--count", "1000"],
            "room for 100: take fewer by --count",
        ),
    ] {
        let all = [&["visualize"], arguments, &["--weights", "run", "--out", "a.png"]].concat();
        let message = fails(at, 2, &all);
        assert!(message.contains(wanted), "{arguments:?}: {message}");
    }
    // More patches than there are numbers.
    let huge = [
        "visualize",
        "predict",
        "one.png",
        "--weights",
        "run",
        "--out",
        "a.png",
        "--block",
        "0,0,8589934592,2147483649",
    ];
    let output = run(at, &huge);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("such as 4,4,6,5"), "{}", said(&output));
}

#[test]
fn every_kind_of_picture_has_help_with_an_example() {
    for what in ["pca", "attention", "similarity", "predict", "masks", "embedding"] {
        let help = super::prints(&["visualize", what, "--help"]);
        assert!(
            help.contains(&format!("example: ijepa visualize {what} --weights ")),
            "{help}"
        );
        assert!(
            help.contains("--adapter <WHICH>") && help.contains("--size <SIZE>"),
            "{help}"
        );
    }
    super::ijepa(&["visualize"]).0.assert().code(2);
}
