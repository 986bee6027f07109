//! `ijepa pack`, and training on what it writes.

use super::tiny::{fails, ijepa, photos, place, succeeds, tiny};
use super::{prints, refused};
use std::path::Path;

fn pack(place: &Path, more: &[&str]) -> String {
    succeeds(place, &[&["pack"], more].concat())
}

/// The arguments of [`tiny`] with other data.
fn on<'a>(data: &'a str, out: &'a str) -> Vec<&'a str> {
    let all = tiny(out, "9", &[]);
    all.into_iter()
        .map(|word| if word == "photos" { data } else { word })
        .collect()
}

#[test]
fn training_on_a_packed_set_gives_the_weights_of_the_folder() {
    let place = place();
    let at = place.path();
    let pack = ["pack", "photos", "set.ijepa-pack", "--quiet"];
    let output = ijepa(at, &pack).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty() && output.stdout.is_empty());
    let output = ijepa(at, &[&pack[..3], &["--force"]].concat()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let kibibytes = std::fs::metadata(at.join("set.ijepa-pack")).unwrap().len() as f64 / 1024.0;
    assert_eq!(said, format!("wrote set.ijepa-pack: 44 images, {kibibytes:.1} KiB\n"));
    let said = succeeds(at, &on("set.ijepa-pack", "packed"));
    assert!(
        said.contains("44 images of ") && said.contains("set.ijepa-pack"),
        "{said}"
    );
    succeeds(at, &tiny("out", "9", &[]));
    let weights = |run: &str| std::fs::read(at.join(run).join("latest.safetensors")).unwrap();
    assert!(weights("out") == weights("packed"));
}

#[test]
fn the_same_images_give_the_same_bytes() {
    let place = place();
    for (out, more) in [
        ("a", &["--short", "20"][..]),
        ("b", &["--short", "20", "--as", "pixels"]),
        ("c", &["--within", "20", "--as", "jpeg"]),
        ("d", &["--within", "20", "--as", "jpeg", "--quality", "90"]),
    ] {
        pack(place.path(), &[&["photos", out], more].concat());
    }
    let bytes = ["a", "b", "c", "d"].map(|name| std::fs::read(place.path().join(name)).unwrap());
    assert!(bytes[0] == bytes[1] && bytes[2] == bytes[3] && bytes[1] != bytes[2]);
}

#[test]
fn nothing_is_written_over_and_nothing_half_done_is_left() {
    let place = place();
    let at = place.path();
    let names = || {
        let mut names: Vec<String> = std::fs::read_dir(at)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    std::fs::write(at.join("set"), "precious").unwrap();
    std::fs::write(at.join(".set.ijepa-tmp"), "left by a run that was killed").unwrap();
    std::fs::write(at.join("set.tmp"), "precious").unwrap();
    std::fs::create_dir(at.join("bad")).unwrap();
    for i in 0..5 {
        std::fs::write(at.join(format!("bad/{i}.png")), "rubbish").unwrap();
    }
    for (code, arguments, wanted) in [
        (
            2,
            &["photos", "set"][..],
            "set exists already: choose another OUT, or add --force",
        ),
        (
            2,
            &["photos", "photos", "--force"],
            "photos is a folder: name a file to write, such as photos/images.ijepa-pack",
        ),
        (
            2,
            &["photos", "photos/set"],
            "photos/set would lie among the images that are read: choose an OUT outside of ",
        ),
        (2, &["photos", "none/set"], "none/set cannot be written: "),
        (
            2,
            &["photos", "folder/"],
            "folder/ ends as a folder does, and there is none: name a file to write, such as folder.ijepa-pack",
        ),
        (2, &["photos", "folder/."], "such as folder.ijepa-pack"),
        (2, &["photos", "set/", "--force"], "such as set.ijepa-pack"),
        (2, &["none", "new"], "none cannot be opened: "),
        (
            2,
            &["", "new"],
            "ijepa pack: no images are named: give a folder, a tar or a packed set",
        ),
        (
            1,
            &["bad", "new"],
            "1 of the 5 files in bad cannot be used, a tenth or more: 0.png is no image",
        ),
    ] {
        let message = fails(at, code, &[&["pack"], arguments].concat());
        assert!(message.contains(wanted), "{wanted:?} is not in: {message}");
        assert!(!message.contains("generated:"), "it packs none: {message}");
    }
    assert_eq!(names(), [".set.ijepa-tmp", "bad", "photos", "set", "set.tmp"]);
    assert_eq!(std::fs::read(at.join("set")).unwrap(), b"precious");
    pack(at, &["photos", "set", "--force"]);
    assert_eq!(names(), ["bad", "photos", "set", "set.tmp"]);
    assert_eq!(std::fs::read(at.join("set.tmp")).unwrap(), b"precious");
    let whole = std::fs::read(at.join("set")).unwrap();
    let message = fails(at, 2, &["pack", "set", "set", "--force"]);
    assert!(
        message.contains("would lie among the images that are read"),
        "{message}"
    );
    assert!(std::fs::read(at.join("set")).unwrap() == whole);
}

#[test]
fn a_file_that_another_run_writes_is_left_alone() {
    let place = place();
    let draft = std::fs::File::create(place.path().join(".set.ijepa-tmp")).unwrap();
    draft.lock().unwrap();
    let message = fails(place.path(), 2, &["pack", "photos", "set"]);
    assert!(message.contains("set is being written by another ijepa"), "{message}");
    assert!(place.path().join(".set.ijepa-tmp").exists());
}

#[test]
fn wrong_options_are_named() {
    for (more, wanted) in [
        (&["--quality", "50"][..], "--quality belongs to --as jpeg"),
        (&["--as", "jpeg", "--quality", "0"], "1..=100"),
        (&["--short", "0"], "--short"),
        (&["--short", "5", "--within", "5"], "--within"),
        (&["--as", "pixel"], "'pixels'"),
    ] {
        let message = refused(&[&["pack", "a", "b"], more].concat());
        assert!(message.contains(wanted), "{more:?}: {message}");
    }
    assert!(prints(&["pack", "--help"]).contains("[default: pixels]"));
}

/// What cannot be decoded is named, and named again where the set is read.
#[test]
fn a_broken_image_is_named_and_keeps_its_place() {
    let place = place();
    let at = place.path();
    photos(&at.join("photos"));
    std::fs::write(at.join("photos/class 0/4.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    let said = pack(at, &["photos", "set", "--short", "20"]);
    assert!(
        said.contains("skipped 1 of 44 files in photos: class 0/4.png cannot be decoded: "),
        "{said}"
    );
    let said = succeeds(at, &on("set", "out"));
    assert!(
        said.contains("44 images of ") && said.contains("class 0/4.png cannot be decoded: "),
        "{said}"
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_nothing_behind() {
    let place = place();
    let at = place.path();
    let large = image::RgbImage::from_fn(2000, 2000, |x, y| image::Rgb([(x * y) as u8, x as u8, y as u8]));
    large.save(at.join("photos/class 0/0.png")).unwrap();
    for i in 0..400 {
        std::fs::hard_link(
            at.join("photos/class 0/0.png"),
            at.join(format!("photos/class 0/x{i}.png")),
        )
        .unwrap();
    }
    let mut child = ijepa(at, &["pack", "photos", "set", "--as", "png"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let begun = std::time::Instant::now();
    while !at.join(".set.ijepa-tmp").exists() {
        assert!(begun.elapsed().as_secs() < 60 && child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let kill = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("ijepa pack: stopped before all images were packed"),
        "{said}"
    );
    assert!(!at.join("set").exists() && !at.join(".set.ijepa-tmp").exists());
}
