//! Opening folders and archives: splits, labels, names, and what is refused or skipped.

use std::fs;
use std::path::Path;

use ijepa::data::Split::{self, Test, Train};
use ijepa::data::decode::MAX_PIXELS;
use ijepa::data::source::Dataset;
use ijepa::{Error, Result};
use image::ImageFormat;
use tempfile::TempDir;

use crate::decode::{picture, written};

/// A PNG whose first pixel tells it from others.
pub fn png(side: u32) -> Vec<u8> {
    written(&picture(side, side), ImageFormat::Png)
}

pub fn folder<N: AsRef<Path>>(files: impl IntoIterator<Item = (N, Vec<u8>)>) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    root
}

fn tar_bytes<N: AsRef<Path>>(files: impl IntoIterator<Item = (N, Vec<u8>)>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A folder with the archive `a.tar` in it.
fn tar_of<N: AsRef<Path>>(files: impl IntoIterator<Item = (N, Vec<u8>)>) -> TempDir {
    folder([("a.tar", tar_bytes(files))])
}

pub fn open(path: &Path, split: Split) -> Result<Dataset> {
    Dataset::open(path.to_str().unwrap(), split, 0, MAX_PIXELS)
}

pub fn names(data: &Dataset) -> Vec<String> {
    (0..data.len()).map(|index| data.name(index)).collect()
}

fn usage(path: &Path) -> String {
    match open(path, Train) {
        Err(Error::Usage(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn each(names: &[&str]) -> Vec<(String, Vec<u8>)> {
    names.iter().map(|name| (name.to_string(), png(4))).collect()
}

const BOTH: [&str; 6] = [
    "train/cat/2.png",
    "train/dog/1.png",
    "train/cat/10.png",
    "test/dog/3.png",
    "test/cat/4.png",
    "extra/5.png",
];

#[test]
fn folders_and_archives_open_alike() {
    for (root, file) in [(folder(each(&BOTH)), ""), (tar_of(each(&BOTH)), "a.tar")] {
        let path = root.path().join(file);
        let train = open(&path, Train).unwrap();
        assert_eq!(
            names(&train),
            ["train/cat/10.png", "train/cat/2.png", "train/dog/1.png"]
        );
        assert_eq!(
            (train.split(), train.labels().unwrap()),
            (Some(Train), [0, 0, 1].as_slice())
        );
        assert_eq!(train.class_names(), ["cat", "dog"]);
        assert_eq!(train.image(0).unwrap().pixels, picture(4, 4).into_rgb8().into_raw());
        let test = open(&path, Test).unwrap();
        assert_eq!((names(&test).len(), test.split()), (2, Some(Test)));
        assert_eq!(test.labels_as(train.class_names()).unwrap(), [0, 1]);
        let other = ["dog".to_string()];
        assert!(test.labels_as(&other).unwrap_err().to_string().contains("\"cat\""));
        train.require(3).unwrap();
        assert!(
            matches!(train.require(4), Err(Error::Usage(text)) if text.contains("3 images, fewer than a batch of 4"))
        );
    }
}

#[test]
fn splits_and_labels_follow_from_folders() {
    type Case<'a> = (&'a [&'a str], Split, usize, Option<Split>, Option<&'a [u32]>);
    let cases: [Case; 15] = [
        (
            &["train/a/1.png", "val/a/2.png", "val/b/3.png"],
            Test,
            2,
            Some(Test),
            Some(&[0, 1]),
        ),
        (
            &["val/a/2.png", "test/b/3.png", "test/b/4.png"],
            Test,
            2,
            Some(Test),
            Some(&[0, 0]),
        ),
        (&["train/a/1.png", "train/b/2.png"], Test, 2, Some(Train), Some(&[0, 1])), // the only one inside
        (&["test/a/1.png", "test/b/2.png"], Train, 2, Some(Test), Some(&[0, 1])),
        (&["a/1.png", "b/2.png", "b/c/3.png"], Train, 3, None, Some(&[0, 1, 1])),
        (&["a/1.png", "b/2.png"], Test, 2, None, Some(&[0, 1])),
        (&["1.png", "2.png"], Train, 2, None, None),
        (&["train/1.png", "train/2.png"], Train, 2, Some(Train), None),
        (&["a/1.png", "2.png"], Train, 2, None, None),
        (
            &["set/train/a/1.png", "set/test/a/2.png", "set/README.PNG"],
            Train,
            1,
            Some(Train),
            Some(&[0]),
        ),
        (&["set/a/1.png", "set/b/2.png"], Train, 2, None, Some(&[0, 1])),
        // Stray files beside a wrapper, or within it, don't hide the splits below.
        (
            &[
                "cover.png",
                "set/train/a/1.png",
                "set/train/b/2.png",
                "set/test/a/3.png",
            ],
            Train,
            2,
            Some(Train),
            Some(&[0, 1]),
        ),
        (
            &["cover.png", "set/about.png", "set/1/val/a/2.png", "set/1/train/a/3.png"],
            Test,
            1,
            Some(Test),
            Some(&[0]),
        ),
        (&["cover.png", "set/a/1.png", "set/b/2.png"], Train, 3, None, None), // no split, so nothing is stray
        (&["a/train/1.png", "b/test/2.png"], Train, 2, None, Some(&[0, 1])),
    ];
    for (files, split, count, found, labels) in cases {
        let root = tar_of(each(files));
        let data = open(&root.path().join("a.tar"), split).unwrap();
        assert_eq!(
            (data.len(), data.split(), data.labels()),
            (count, found, labels),
            "{files:?}"
        );
    }
}

#[test]
fn names_may_have_any_characters() {
    let long = format!("{}/{}.png", "d".repeat(120), "n".repeat(150));
    let odd = [
        "a b.png",
        "ü-猫.png",
        "new\nline.png",
        "-rf.png",
        "per%cent{}.png",
        "quote'\".png",
        long.as_str(),
    ];
    for (root, file) in [(folder(each(&odd)), ""), (tar_of(each(&odd)), "a.tar")] {
        let data = open(&root.path().join(file), Train).unwrap();
        assert_eq!(data.len(), odd.len());
        assert!((0..data.len()).all(|index| data.image(index).is_ok()));
        assert!(
            names(&data).contains(&"new\\nline.png".to_string()),
            "{:?}",
            names(&data)
        );
    }
}

#[cfg(unix)]
#[test]
fn names_need_not_be_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.png");
    for (root, file) in [(folder([(name, png(4))]), ""), (tar_of([(name, png(4))]), "a.tar")] {
        let data = open(&root.path().join(file), Train).unwrap();
        assert_eq!(data.name(0), "caf\u{fffd}.png");
        assert!(data.image(0).is_ok());
    }
}

#[test]
fn what_is_no_image_is_skipped_and_named() {
    let mut files: Vec<_> = (0..40).map(|i| (format!("{i:02}.png"), png(4))).collect();
    files.push(("notes.txt".into(), b"words".to_vec()));
    files.push(("nothing.dat".into(), Vec::new()));
    files.push((".DS_Store".into(), b"junk".to_vec()));
    files.push(("image-without-ending".into(), png(5)));
    for (root, file) in [(folder(files.clone()), ""), (tar_of(files.clone()), "a.tar")] {
        let data = open(&root.path().join(file), Train).unwrap();
        assert_eq!(data.len(), 41);
        let list =
            [("notes.txt", "is no image"), ("nothing.dat", "is empty")].map(|(a, b)| (a.to_string(), b.to_string()));
        assert_eq!(data.bad().list(), list);
        let summary = data.bad().summary().unwrap();
        assert!(summary.starts_with("skipped 2 of 43 files in "), "{summary}");
        assert!(
            summary.ends_with("notes.txt is no image, nothing.dat is empty"),
            "{summary}"
        );
    }
}

/// AppleDouble files have their image's ending, and there are as many of them as images.
#[test]
fn what_systems_leave_behind_is_not_mentioned() {
    let mut files = each(&["a/1.png", "a/2.png", "a/.hidden.png", ".seen/3.png"]);
    let fork = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ".to_vec();
    for name in [
        "a/._1.png",
        "a/._2.png",
        "._a",
        ".git/HEAD",
        ".git/objects/6f/0a.jpg",
        ".nothing.jpg",
    ] {
        files.push((name.to_string(), fork.clone()));
    }
    files.push((".empty.png".to_string(), vec![]));
    for (root, file) in [(folder(files.clone()), ""), (tar_of(files.clone()), "a.tar")] {
        let data = open(&root.path().join(file), Train).unwrap();
        // What is an image is one, whatever its name.
        assert_eq!(names(&data), [".seen/3.png", "a/.hidden.png", "a/1.png", "a/2.png"]);
        assert_eq!(data.bad().list(), []);
    }
}

/// A run writes into the data that it reads, and finds the same images when it goes on.
#[test]
fn folders_of_runs_are_not_looked_into() {
    let mut files = each(&["a/1.png", "b/2.png"]);
    for place in ["", "runs/first/", "a/"] {
        files.push((format!("{place}{}", ijepa::train::folder::CONFIG), b"data:".to_vec()));
        files.push((format!("{place}jepa_r0.csv"), b"epoch".to_vec()));
    }
    files.push(("runs/first/masks.png".to_string(), png(4)));
    files.push(("b/notes.txt".to_string(), b"words".to_vec()));
    files.extend((10..40).map(|i| (format!("b/{i}.png"), png(4))));
    let root = folder(files);
    let data = open(root.path(), Train).unwrap();
    assert_eq!((data.len(), data.class_names()), (31, ["b".to_string()].as_slice()));
    assert_eq!(
        data.bad().list(),
        [("b/notes.txt".to_string(), "is no image".to_string())]
    );
}

#[test]
fn a_tenth_of_bad_files_is_too_much() {
    let set = |bad: usize| {
        let good = (0..30 - bad).map(|i| (format!("{i:02}.png"), png(4)));
        folder(good.chain((0..bad).map(|i| (format!("bad{i}.txt"), b"words".to_vec()))))
    };
    assert_eq!(open(set(2).path(), Train).unwrap().bad().count(), 2);
    match open(set(3).path(), Train) {
        Err(Error::Run(text)) => assert!(
            text.contains("3 of the 30 files") && text.contains("bad0.txt is no image"),
            "{text}"
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_rest_of_a_cut_archive_is_skipped() {
    let whole = tar_bytes((0..30).map(|i| (format!("{i:02}.png"), png(20))));
    let member = (whole.len() - 1024) / 30;
    assert_eq!(member % 512, 0);
    for (length, count, words) in [
        (member * 20 + 700, 20, "is cut short in the middle of 20.png"),
        (member * 20 + 100, 20, "is damaged"),
        (member * 20, 20, "has no end mark"),
        (whole.len(), 30, ""),
    ] {
        let root = folder([("a.tar", whole[..length].to_vec())]);
        let data = open(&root.path().join("a.tar"), Train).unwrap();
        assert_eq!(data.len(), count, "{length}");
        assert!(data.image(count - 1).is_ok());
        let list = data.bad().list();
        assert_eq!(list.len(), usize::from(count < 30));
        assert!(
            list.iter()
                .all(|(name, reason)| name == "a.tar" && reason.contains(words)),
            "{list:?}"
        );
    }
    let mut damaged = whole.clone();
    damaged[member * 25 + 10] ^= 0xff; // the name in a header: its checksum tells
    let root = folder([("a.tar", damaged)]);
    let data = open(&root.path().join("a.tar"), Train).unwrap();
    assert_eq!((data.len(), data.bad().count()), (25, 1));
}

#[test]
fn of_two_members_with_one_name_the_later_counts() {
    let root = tar_of([("a.png", png(4)), ("b.png", png(4)), ("./a.png", png(6))]);
    let data = open(&root.path().join("a.tar"), Train).unwrap();
    assert_eq!((data.len(), data.image(0).unwrap().width), (2, 6));
}

#[test]
fn nothing_to_read_is_refused() {
    let empty = folder::<&str>([]);
    assert!(usage(empty.path()).contains("holds no files"));
    assert!(usage(&empty.path().join("missing")).contains("missing cannot be opened"));
    let words = folder([("a.txt", b"words".to_vec()), ("b.txt", b"words".to_vec())]);
    assert!(usage(words.path()).contains("none of its 2 files is one"));
    let rubbish = folder((0..50).map(|i| (format!("{i}.jpg"), b"words".to_vec())));
    let text = usage(rubbish.path());
    assert!(
        text.contains("no image that can be read") && text.contains("and 45 more"),
        "{text}"
    );
    let files = folder([
        ("a.tar.gz", b"\x1f\x8b\x08 and so on".to_vec()),
        ("one.png", png(4)),
        ("words.tar", b"words ".repeat(200)),
        ("empty.tar", Vec::new()),
    ]);
    assert!(usage(&files.path().join("a.tar.gz")).contains("compressed with gzip"));
    assert!(usage(&files.path().join("one.png")).contains("single image"));
    assert!(usage(&files.path().join("words.tar")).contains("neither a folder nor a tar"));
    assert!(usage(&files.path().join("empty.tar")).contains("holds no files"));
    assert!(usage(Path::new("generated:glyph")).contains("did you mean \"generated:glyphs\"?"));
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_loops_are_not() {
    let root = folder((0..20).map(|i| (format!("real/{i:02}.png"), png(4))));
    std::os::unix::fs::symlink(root.path().join("real"), root.path().join("linked")).unwrap();
    std::os::unix::fs::symlink(root.path(), root.path().join("loop")).unwrap();
    let data = open(root.path(), Train).unwrap();
    assert_eq!(
        (data.len(), data.class_names()),
        (40, ["linked".to_string(), "real".to_string()].as_slice())
    );
    assert_eq!(
        data.bad().list(),
        [("loop".to_string(), "links to a folder above it".to_string())]
    );
}

/// Links to what lies above the folder itself, of which no walk through it knows.
#[cfg(unix)]
#[test]
fn what_links_lead_to_is_there_once_where_all_is_opened() {
    use std::os::unix::fs::symlink;
    let root = folder((0..20).map(|i| (format!("photos/real/{i:02}.png"), png(4))));
    let photos = root.path().join("photos");
    fs::create_dir_all(root.path().join("far/deep")).unwrap();
    fs::write(root.path().join("far/deep/x.png"), png(4)).unwrap();
    symlink("..", photos.join("up")).unwrap();
    symlink("../..", photos.join("real/up")).unwrap();
    symlink("..", root.path().join("far/deep/up")).unwrap();
    for (from, to) in [
        ("real", "linked"),
        ("real/03.png", "three.png"),
        ("../far/deep", "a"),
        ("a", "b"),
    ] {
        symlink(from, photos.join(to)).unwrap();
    }
    let loops = |data: &Dataset| {
        let bad = data.bad().list();
        assert!(
            bad.iter().all(|(_, why)| why == "links to a folder above it"),
            "{bad:?}"
        );
        bad.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    let data = Dataset::open_all(photos.to_str().unwrap(), 0, MAX_PIXELS).unwrap();
    let names: Vec<String> = (0..data.len()).map(|i| data.name(i)).collect();
    assert_eq!(names.len(), 21, "{names:?}");
    assert_eq!((names[0].as_str(), names[20].as_str()), ("a/x.png", "real/19.png"));
    assert_eq!(loops(&data), ["a/up", "b/up", "linked/up", "real/up", "up"]);
}

#[test]
fn generated_glyphs_open_as_a_data_set() {
    let open = |split| Dataset::open("generated:glyphs", split, 5, MAX_PIXELS).unwrap();
    let (train, test) = (open(Train), open(Test));
    assert_eq!((train.len(), test.len(), train.class_names().len()), (4000, 1000, 10));
    assert_eq!(train.labels().unwrap()[..12], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    assert_eq!(test.image(7).unwrap().pixels, ijepa::data::glyphs::image(5, Test, 7));
}

/// A few links to folders of links name millions of files; what one folder can be reached by is bounded.
#[cfg(unix)]
#[test]
fn bombs_of_links_end() {
    let root = tempfile::tempdir().unwrap();
    for level in 0..25 {
        let folder = root.path().join(format!("d{level}"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("1.png"), png(4)).unwrap();
        for name in ["x", "y"] {
            std::os::unix::fs::symlink(format!("../d{}", level + 1), folder.join(name)).unwrap();
        }
    }
    std::fs::create_dir(root.path().join("d25")).unwrap();
    let bytes = {
        let mut tar = tar::Builder::new(Vec::new());
        tar.follow_symlinks(false);
        tar.append_dir_all(".", root.path()).unwrap();
        tar.into_inner().unwrap()
    };
    let archive = tempfile::tempdir().unwrap();
    std::fs::write(archive.path().join("bomb.tar"), bytes).unwrap();
    for path in [root.path().to_path_buf(), archive.path().join("bomb.tar")] {
        // Either enough is left to be used, or the rest is so much that it is refused.
        match open(&path, Split::Train) {
            Ok(data) => assert!(data.len() < 10_000, "{} images", data.len()),
            Err(error) => assert!(
                error.to_string().contains("links to a folder that 64 links lead to"),
                "{error}"
            ),
        }
    }
}

/// A header may say that a name has gigabytes, which a sparse file even has.
#[test]
fn an_archive_with_a_monstrous_name_is_refused() {
    let root = tempfile::tempdir().unwrap();
    for kind in [tar::EntryType::GNULongName, tar::EntryType::XHeader] {
        let mut header = tar::Header::new_gnu();
        header.set_path("././@LongLink").unwrap();
        header.set_entry_type(kind);
        header.set_size(7 << 30);
        header.set_cksum();
        let path = root.path().join("long.tar");
        std::fs::write(&path, header.as_bytes()).unwrap();
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len((7 << 30) + 4096)
            .unwrap();
        let message = usage(&path);
        assert!(
            message.contains("the name of a file in it has 7516192768 bytes"),
            "{message}"
        );
    }
}
