//! `ijepa search`: an index that follows its folder, and what it answers.

use super::tiny::{fails, names, place, run, save, succeeds, tiny};
use serde_json::Value;
use std::path::Path;

/// A place with a run of the tiny model in `run`, and its photos' index.
fn indexed() -> tempfile::TempDir {
    let place = place();
    succeeds(place.path(), &tiny("run", "2", &[]));
    place
}

fn json(place: &Path, words: &[&str]) -> Value {
    let output = run(place, &[&["search"], words, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

const INDEX: [&str; 5] = ["index", "photos", "--weights", "run", "--quiet"];

/// Images, new, changed, moved and gone.
fn update(place: &Path) -> [u64; 5] {
    let said = json(place, &INDEX);
    ["images", "new", "changed", "moved", "gone"].map(|key| said[key].as_u64().unwrap())
}

/// Names and cosines of what is most like a file.
fn query(place: &Path, file: &str) -> Vec<(String, f64)> {
    let said = json(place, &["query", file, "--most", "3"]);
    let hit = |hit: &Value| {
        (
            hit["name"].as_str().unwrap().to_string(),
            hit["cosine"].as_f64().unwrap(),
        )
    };
    said[0]["hits"].as_array().unwrap().iter().map(hit).collect()
}

#[test]
fn an_index_follows_its_folder() {
    let place = indexed();
    let at = place.path();
    let photos = at.join("photos");
    assert_eq!(update(at), [44, 44, 0, 0, 0]);
    let first = std::fs::read(at.join("photos.ijepa-index")).unwrap();
    for name in ["class 0/0.png", "class 1/17.png", "class 0/42.png"] {
        let hits = query(at, &format!("photos/{name}"));
        assert!(hits.len() == 3 && hits[0].0 == name && hits[0].1 > 0.9999, "{hits:?}");
    }
    assert_eq!(update(at), [44, 0, 0, 0, 0]);
    assert!(std::fs::read(at.join("photos.ijepa-index")).unwrap() == first);

    // New, changed, moved, touched, gone; and what is no image.
    save(&photos.join("class 0/new.png"), 100);
    save(&photos.join("class 0/2.png"), 101);
    std::fs::rename(photos.join("class 1/3.png"), photos.join("moved.png")).unwrap();
    let touched = std::fs::File::options()
        .append(true)
        .open(photos.join("class 0/4.png"))
        .unwrap();
    touched.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    std::fs::remove_file(photos.join("class 1/5.png")).unwrap();
    std::fs::write(photos.join("notes.txt"), "no image").unwrap();
    std::fs::write(photos.join("broken.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    assert_eq!(update(at), [44, 1, 1, 2, 2]);
    assert_eq!(query(at, "photos/class 0/new.png")[0].0, "class 0/new.png");
    assert_eq!(query(at, "photos/class 0/2.png")[0].0, "class 0/2.png");
    assert_eq!(query(at, "photos/moved.png")[0].0, "moved.png");
    save(&at.join("was.png"), 5);
    let hits = query(at, "was.png");
    assert!(hits.iter().all(|hit| hit.0 != "class 1/5.png"), "{hits:?}");
    let said = succeeds(at, &["search", "index", "photos", "--weights", "run"]);
    assert!(said.contains("skipped 1 files: broken.png cannot be decoded"), "{said}");

    // Anew, it has the same images.
    let same = json(at, &[&INDEX[..], &["--index", "other.ijepa-index"]].concat());
    assert_eq!(same["images"], 44);
}

/// The same picture as a PNG, as a JPEG and at twice the size is found; other pictures are not.
#[test]
fn copies_in_other_formats_and_sizes_are_one_group() {
    let place = indexed();
    let at = place.path();
    for i in [6, 7] {
        let name = format!("class {}/{i}.png", i % 2);
        let picture = image::open(at.join("photos").join(&name)).unwrap();
        picture.save(at.join(format!("photos/copy {i}.jpg"))).unwrap();
        let larger = picture.resize(64, 64, image::imageops::FilterType::CatmullRom);
        larger.save(at.join(format!("photos/larger {i}.png"))).unwrap();
    }
    std::fs::copy(at.join("photos/class 0/8.png"), at.join("photos/<b>8&.png")).unwrap();
    assert_eq!(update(at), [49, 49, 0, 0, 0]);
    let found = json(at, &["duplicates"]);
    let groups = found["groups"].as_array().unwrap();
    let images = |group: &Value| -> Vec<String> {
        let images = group["images"].as_array().unwrap().iter();
        let names = images.map(|image| image.as_str().unwrap().rsplit_once("photos/").unwrap().1.to_string());
        names.collect()
    };
    let mut all: Vec<Vec<String>> = groups.iter().map(images).collect();
    // The copy, byte by byte, is best.
    assert_eq!(all.remove(0), ["<b>8&.png", "class 0/8.png"]);
    all.sort();
    assert_eq!(
        all,
        [
            ["class 0/6.png", "copy 6.jpg", "larger 6.png"],
            ["class 1/7.png", "copy 7.jpg", "larger 7.png"]
        ]
    );

    succeeds(at, &["search", "duplicates", "--html", "d.html"]);
    let page = std::fs::read_to_string(at.join("d.html")).unwrap();
    assert_eq!(page.matches("<img src=\"data:image/jpeg;base64,").count(), 8);
    let own = page.replace("http-equiv", "");
    assert!(own.contains("&lt;b&gt;8&amp;.png") && !own.contains("<b>8&") && !own.contains("http"));
    assert!(fails(at, 2, &["search", "duplicates", "--html", "d.html"]).contains("d.html exists already"));
    let nowhere = fails(at, 2, &["search", "duplicates", "--html", "no/d.html"]);
    assert!(
        nowhere.contains("no/d.html cannot be written: there is no folder no"),
        "{nowhere}"
    );
    let clusters = json(at, &["cluster", "--clusters", "4", "--html", "c.html"]);
    let sizes = clusters["clusters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| each["images"].as_array().unwrap().len());
    let sizes: Vec<usize> = sizes.collect();
    assert_eq!((sizes.len(), sizes.iter().sum()), (4, 49));
    let said = succeeds(at, &["search", "cluster", "--clusters", "60"]);
    assert!(
        said.contains(" clusters instead of 60: no image is left for more"),
        "{said}"
    );
    succeeds(at, &["search", "query", "photos/copy 6.jpg", "--html", "q.html"]);
    assert!(
        std::fs::read_to_string(at.join("q.html"))
            .unwrap()
            .contains("<li class=\"marked\">")
    );
    let made = ["c.html", "d.html", "photos", "photos.ijepa-index", "q.html", "run"];
    assert_eq!(names(at), made);
}

#[test]
fn what_cannot_be_used_is_named_and_left_as_it_is() {
    let place = indexed();
    let at = place.path();
    let none = fails(at, 2, &["search", "duplicates"]);
    assert!(none.contains("there is no *.ijepa-index file in this folder"), "{none}");
    update(at);
    let index = at.join("photos.ijepa-index");
    let good = std::fs::read(&index).unwrap();

    // Of other weights.
    succeeds(at, &tiny("other", "3", &[]));
    let other = ["search", "index", "photos", "--weights", "other"];
    let message = fails(at, 2, &other);
    assert!(
        message.contains("photos.ijepa-index was made with another weights (then "),
        "{message}"
    );
    let message = fails(
        at,
        2,
        &["search", "query", "photos/class 0/0.png", "--weights", "other"],
    );
    assert!(
        message.contains("photos.ijepa-index was made with other weights than other/latest.safetensors"),
        "{message}"
    );
    assert!(std::fs::read(&index).unwrap() == good);

    // Damaged, cut, of another version, of something else.
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 4;
    let mut newer = good.clone();
    newer[19] = 9;
    for (bytes, wanted) in [
        (&flipped[..], "photos.ijepa-index is an index that is damaged"),
        (&good[..good.len() - 7], "is damaged"),
        (&good[..30], "is damaged"),
        (&newer[..], "is an index of version 9, and this ijepa reads version 1"),
        (b"precious", "is no index of `ijepa search`, and is left as it is"),
        (b"", "is no index of `ijepa search`"),
    ] {
        std::fs::write(&index, bytes).unwrap();
        for words in [
            &["duplicates"][..],
            &["cluster"],
            &["query", "photos/class 0/0.png"],
            &INDEX,
        ] {
            let message = fails(at, 2, &[&["search"], words].concat());
            assert!(message.contains(wanted), "{words:?}: {message}");
        }
        assert!(std::fs::read(&index).unwrap() == bytes);
    }
    let anew = [&["search"], &INDEX[..], &["--anew"]].concat();
    assert!(fails(at, 2, &anew).contains("is no index of"));
    std::fs::write(&index, &flipped).unwrap();
    succeeds(at, &anew);
    assert!(std::fs::read(&index).unwrap() == good);

    // Two writers; empty folders; files that are no images.
    let draft = std::fs::File::create(at.join(".photos.ijepa-index.ijepa-tmp")).unwrap();
    draft.lock().unwrap();
    let message = fails(at, 2, &[&["search"], &INDEX[..]].concat());
    assert!(
        message.contains("photos.ijepa-index is being written by another ijepa"),
        "{message}"
    );
    drop(draft);
    std::fs::remove_file(at.join(".photos.ijepa-index.ijepa-tmp")).unwrap();
    std::fs::create_dir(at.join("empty")).unwrap();
    let empty = ["search", "index", "empty", "--weights", "run"];
    assert!(fails(at, 2, &empty).contains("empty has no images: it holds no files"));
    std::fs::write(at.join("empty/broken.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    assert!(fails(at, 2, &empty).contains("broken.png cannot be decoded"));
    let glyphs = ["search", "index", "generated:glyphs", "--weights", "run"];
    assert!(fails(at, 2, &glyphs).contains("an index is made of a folder or a tar"));
    let message = fails(at, 2, &["search", "query", "run/params-ijepa.yaml"]);
    assert!(
        message.contains("run/params-ijepa.yaml is no image: name an image"),
        "{message}"
    );
    assert!(fails(at, 2, &["search", "query", "none.png"]).contains("none.png cannot be read"));
    assert_eq!(names(at), ["empty", "other", "photos", "photos.ijepa-index", "run"]);

    // More than one to choose from.
    std::fs::copy(&index, at.join("a.ijepa-index")).unwrap();
    let message = fails(at, 2, &["search", "duplicates"]);
    assert!(message.contains(
        "there are 2 *.ijepa-index files in this folder: name one by --index, such as --index a.ijepa-index"
    ));
}

/// Writes a tar of twelve pictures that all take the same bytes.
fn tar_of(path: &Path, first: usize) {
    let mut tar = tar::Builder::new(std::fs::File::create(path).unwrap());
    for i in 0..12 {
        let picture = path.with_file_name("one.bmp");
        save(&picture, first + i);
        tar.append_path_with_name(&picture, format!("{i}.bmp")).unwrap();
        std::fs::remove_file(&picture).unwrap();
    }
    tar.finish().unwrap();
}

#[test]
fn archives_few_images_and_the_other_encoder() {
    let place = indexed();
    let at = place.path();
    // A tar of other images, though of the same names, sizes and places.
    let index = ["index", "t.tar", "--weights", "run", "--quiet"];
    tar_of(&at.join("t.tar"), 0);
    assert_eq!(json(at, &index)["new"], 12);
    assert_eq!(json(at, &index)["moved"], 0);
    let length = std::fs::metadata(at.join("t.tar")).unwrap().len();
    tar_of(&at.join("t.tar"), 12);
    assert_eq!(std::fs::metadata(at.join("t.tar")).unwrap().len(), length);
    let said = json(at, &index);
    assert_eq!((&said["images"], &said["changed"]), (&12.into(), &12.into()));
    std::fs::remove_file(at.join("t.tar.ijepa-index")).unwrap();

    // Two files of the same bytes; then thirty.
    std::fs::create_dir(at.join("twins")).unwrap();
    let index = ["index", "twins", "--weights", "run", "--encoder", "context", "--quiet"];
    for (from, to) in [(0, 2), (2, 30)] {
        (from..to).for_each(|i| save(&at.join(format!("twins/{i}.png")), 1));
        assert_eq!(json(at, &index)["images"], to);
        let groups = &json(at, &["duplicates"])["groups"];
        assert_eq!(groups.as_array().unwrap().len(), 1);
        assert_eq!(groups[0]["images"].as_array().unwrap().len(), to);
        // The index knows its encoder.
        let hits = query(at, "twins/1.png");
        assert!(hits[0].1 > 0.9999, "{hits:?}");
    }
    let target = ["search", "query", "twins/1.png", "--encoder", "target"];
    assert!(fails(at, 2, &target).contains("name the same by --weights and --encoder"));
    // A page shows some of a large group; more images are looked for than a batch has.
    succeeds(at, &["search", "duplicates", "--html", "d.html"]);
    let page = std::fs::read_to_string(at.join("d.html")).unwrap();
    assert_eq!(page.matches("<img ").count(), 24);
    assert!(
        page.contains("30 images, cosine 1.000, pixels 1.000, the first 24 and 6 more"),
        "{}",
        &page[..3000]
    );
    let asked: Vec<String> = (0..9).map(|i| format!("photos/class {}/{i}.png", i % 2)).collect();
    let mut words = vec!["query", "--most", "1", "--html", "q.html"];
    words.extend(asked.iter().map(String::as_str));
    assert_eq!(json(at, &words).as_array().unwrap().len(), 9);
    let page = std::fs::read_to_string(at.join("q.html")).unwrap();
    assert_eq!(page.matches("<li class=\"marked\">").count(), 9);
}

/// Names that are shown alike are two files, and one with a line break is found.
#[cfg(target_os = "linux")]
#[test]
fn names_of_any_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let place = indexed();
    let at = place.path();
    let files: [&[u8]; 3] = [b"a\xfe.png", b"a\xff.png", b"b\nc.png"];
    for (i, name) in files.into_iter().enumerate() {
        save(&at.join("picture.png"), 50 + i);
        let path = at.join("photos").join(std::ffi::OsStr::from_bytes(name));
        std::fs::rename(at.join("picture.png"), path).unwrap();
    }
    assert_eq!(update(at), [47, 47, 0, 0, 0]);
    assert_eq!(update(at), [47, 0, 0, 0, 0]);
    for (i, ends) in ["photos/a\\xfe.png", "photos/a\\xff.png", "photos/b\nc.png"]
        .iter()
        .enumerate()
    {
        save(&at.join("asked.png"), 50 + i);
        let said = json(at, &["query", "asked.png"]);
        let path = said[0]["hits"][0]["path"].as_str().unwrap();
        assert!(path.ends_with(ends), "{path:?}");
    }
    std::fs::remove_file(at.join("photos").join(std::ffi::OsStr::from_bytes(files[0]))).unwrap();
    assert_eq!(update(at), [46, 0, 0, 0, 1]);
}
