//! Images: used, skipped, or reason to stop.

use super::refused;
use super::tiny::{fails, place, save, succeeds, text, tiny};
use image::DynamicImage;
use safetensors::SafeTensors;
use std::path::Path;

/// Files that are no use, each with the reason that a user reads.
const BAD: [(&str, &[u8], &str); 4] = [
    ("empty.png", b"", "is empty"),
    ("letter.txt", b"Dear reader", "is no image"),
    ("noise.jpg", b"\x00\x01\x02\x03 neither this nor that", "is no image"),
    ("cut.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "cannot be decoded"),
];

fn add(photos: &Path, bad: &[(&str, &[u8], &str)]) {
    for (name, bytes, _) in bad {
        std::fs::write(photos.join("class 1").join(name), bytes).unwrap();
    }
}

#[test]
fn every_kind_of_image_is_converted_and_used() {
    let place = place();
    let photos = place.path().join("photos/class 0");
    // 16 bits, grey, palettes, CMYK, alpha: as an imaging library of long standing wrote them.
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/pillow.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for name in file.names().iter().filter_map(|name| name.strip_prefix("file.")) {
        std::fs::write(photos.join(name), file.tensor(&format!("file.{name}")).unwrap().data()).unwrap();
    }
    for (name, width, height) in [("dot.png", 1, 1), ("tall.png", 2, 900), ("wide.bmp", 900, 1)] {
        DynamicImage::new_rgb16(width, height)
            .to_rgb8()
            .save(photos.join(name))
            .unwrap();
    }
    for (i, name) in ["größe ©.png", "a b'c\"d.png", "-x.png", "日本.PNG", "no ending"]
        .iter()
        .enumerate()
    {
        save(&place.path().join("one.png"), i);
        std::fs::rename(place.path().join("one.png"), photos.join(name)).unwrap();
    }
    let said = succeeds(place.path(), &tiny("out", "9", &[]));
    assert!(said.starts_with("70 images of ") && !said.contains("skipped"), "{said}");
}

#[test]
fn bad_files_are_skipped_counted_and_named_at_the_end() {
    let place = place();
    add(&place.path().join("photos"), &BAD);
    let said = succeeds(place.path(), &tiny("out", "30", &[]));
    let summary = said.lines().find(|line| line.starts_with("skipped ")).expect(&said);
    assert!(
        summary.starts_with("skipped 4 of 48 files in ") && summary.contains("/photos: "),
        "{summary}"
    );
    for (name, _, reason) in BAD {
        assert!(
            summary.contains(&format!("class 1/{name} {reason}")),
            "{name}: {summary}"
        );
    }
    // A run that goes on counts again, and draws the same images.
    assert!(text(&place.path().join("out/jepa_r0.csv")).lines().count() == 31);
}

#[test]
fn a_run_stops_once_a_tenth_of_the_files_are_bad() {
    let place = place();
    let photos = place.path().join("photos");
    add(&photos, &BAD);
    std::fs::write(photos.join("class 0/torn.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    let message = fails(place.path(), 1, &tiny("out", "30", &[]));
    assert!(
        message.contains("5 of the 49 files in ") && message.contains("cannot be used, a tenth or more: "),
        "{message}"
    );
    assert!(
        message.contains("class 0/torn.png cannot be decoded") && message.contains("remove or replace them"),
        "{message}"
    );
}

#[test]
fn images_beyond_the_limit_are_skipped() {
    let place = place();
    let large = place.path().join("photos/class 1/large.png");
    DynamicImage::new_luma8(300, 200).save(&large).unwrap();
    let more = ["--max-pixels", "59999"];
    let said = succeeds(place.path(), &tiny("out", "10", &more));
    assert!(
        said.contains("skipped 1 of 45 files")
            && said.contains("large.png claims 300x200 pixels, more than the limit of 59999"),
        "{said}"
    );
    std::fs::remove_dir_all(place.path().join("out")).unwrap();
    refused(
        place.path(),
        2,
        &tiny("out", "10", &["--max-pixels", "0"]),
        "data.max_pixels 0 would skip every image",
    );
    // With nothing left below the limit there is nothing to begin with.
    refused(
        place.path(),
        2,
        &tiny("out", "10", &["--max-pixels", "100"]),
        "photos has no image that can be read: ",
    );
}

#[test]
fn what_holds_no_images_is_refused_before_anything_is_written() {
    let place = place();
    let at = place.path();
    std::fs::create_dir(at.join("nothing")).unwrap();
    std::fs::create_dir(at.join("letters")).unwrap();
    std::fs::write(at.join("letters/a.txt"), "Dear reader").unwrap();
    std::fs::write(at.join("zipped.zip"), b"PK\x03\x04rest").unwrap();
    std::fs::write(at.join("zipped.tar.gz"), b"\x1f\x8brest").unwrap();
    std::fs::write(at.join("noise.tar"), [7u8; 4096]).unwrap();
    save(&at.join("one.png"), 1);
    for (folder, file) in [("tars", "a.tar"), ("zips", "a.tar.gz")] {
        std::fs::create_dir(at.join(folder)).unwrap();
        std::fs::write(at.join(folder).join(file), [7u8; 4096]).unwrap();
    }
    for (data, wanted) in [
        (
            "tars",
            "none of its 1 files is one; a.tar is an archive: name that file itself, or unpack what is in the folder",
        ),
        (
            "zips",
            "none of its 1 files is one; a.tar.gz is a compressed archive: unpack it",
        ),
        ("missing", "missing cannot be opened: "),
        (
            "generated:glyph",
            "no generated set called generated:glyph; did you mean \"generated:glyphs\"?",
        ),
        ("nothing", "nothing has no images: it holds no files"),
        ("letters", "letters has no images: none of its 1 files is one"),
        ("zipped.zip", "zipped.zip is compressed with zip: unpack it"),
        ("zipped.tar.gz", "is compressed with gzip: unpack it"),
        ("noise.tar", "noise.tar is neither a folder nor a tar of images"),
        ("one.png", "one.png is a single image: give the folder"),
        ("", "data.root_path is not given: add --data PATH"),
    ] {
        refused(
            at,
            2,
            &["train", "--preset", "nano", "--out", "out", "--data", data],
            wanted,
        );
    }
}

#[test]
fn a_tar_that_is_cut_short_is_used_as_far_as_it_goes() {
    let place = place();
    let mut archive = tar::Builder::new(vec![]);
    archive.append_dir_all(".", place.path().join("photos")).unwrap();
    let whole = archive.into_inner().unwrap();
    let file = place.path().join("photos.tar");
    std::fs::write(&file, &whole[..whole.len() * 9 / 10]).unwrap();
    let arguments = tiny("out", "12", &["--data", "photos.tar"]);
    let without: Vec<&str> = arguments.iter().copied().filter(|a| *a != "photos").collect();
    let data = without.iter().position(|a| *a == "--data").unwrap();
    let arguments = [&without[..data], &without[data + 1..]].concat();
    let said = succeeds(place.path(), &arguments);
    assert!(said.contains(" images of ") && said.contains("photos.tar"), "{said}");
    assert!(
        said.contains("skipped 1 of ") && said.contains("photos.tar is "),
        "{said}"
    );
    // Cut within the first member there is nothing left.
    std::fs::write(&file, &whole[..600]).unwrap();
    std::fs::remove_dir_all(place.path().join("out")).unwrap();
    refused(place.path(), 2, &arguments, "photos.tar has no images");
}

/// The run's own files are none of its images, wherever the user has put them.
#[test]
fn a_run_within_its_own_data_goes_on() {
    for out in ["photos/runs/first", "photos"] {
        let place = place();
        succeeds(place.path(), &tiny(out, "4", &["--quiet"]));
        let said = succeeds(place.path(), &["train", "--resume", out, "--steps", "8"]);
        assert!(
            said.contains("44 images of ") && !said.contains("skipped"),
            "{out}: {said}"
        );
    }
}

/// An image that turns bad between two sessions: the run goes on without it, and says so.
#[test]
fn an_image_that_is_lost_on_the_way_is_skipped() {
    let place = place();
    succeeds(place.path(), &tiny("out", "4", &[]));
    std::fs::write(place.path().join("photos/class 0/4.png"), "").unwrap();
    let said = succeeds(place.path(), &["train", "--resume", "out", "--steps", "20"]);
    assert!(
        said.contains("skipped 1 of 44 files") && said.contains("class 0/4.png is empty"),
        "{said}"
    );
}

#[test]
fn steps_before_images_gave_out_are_kept() {
    let place = place();
    let photos = place.path().join("photos");
    // Decoded in the order of the first epoch: of 44 images a tenth is reached within it.
    add(&photos, &BAD);
    std::fs::write(photos.join("class 0/torn.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    fails(place.path(), 1, &tiny("out", "30", &[]));
    let steps = text(&place.path().join("out/jepa_r0.csv")).lines().count() - 1;
    let saved = text(&place.path().join("out/latest.json"));
    assert!(
        steps > 0 && saved.contains(&format!("\"step\": {steps},")),
        "{steps} steps, {saved}"
    );
}
