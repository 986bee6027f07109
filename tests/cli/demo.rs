//! `demo`: what it prints, what it writes, and what it leaves alone. Short, so that it can't have learned.

use super::tiny::{fails, names, place, run, said, snapshot};

const SHORT: [&str; 4] = ["demo", "--short", "--out", "made"];

#[test]
fn the_demo_prints_a_table_draws_pictures_and_starts_afresh_each_time() {
    let place = place();
    let folder = place.path().join("made");
    let mut tables = vec![];
    for _ in 0..2 {
        let output = run(place.path(), &SHORT);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        let last = text.lines().last().unwrap();
        assert!(
            last.starts_with("ijepa demo: not learned as it should be: k-NN "),
            "{text}"
        );
        let table = String::from_utf8(output.stdout).unwrap();
        let words: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[0], ["features", "k-NN", "%", "linear", "%"], "{table}");
        for (row, name) in words[1..4].iter().zip(["raw", "untrained", "learned"]) {
            assert_eq!((row[0], row.len()), (name, 3), "{table}");
            for value in &row[1..] {
                assert!((0.0..=100.0).contains(&value.parse::<f64>().unwrap()), "{table}");
            }
        }
        for row in &words[4..] {
            assert!(!["raw", "untrained", "learned"].contains(&row[0]), "{table}");
        }
        let pictures: Vec<&str> = table
            .lines()
            .filter_map(|line| line.strip_prefix("picture: "))
            .collect();
        assert_eq!(pictures, ["made/loss.svg", "made/masks.png", "made/features.png"]);
        assert!(table.ends_with("\nreport: made/report.html\n"), "{table}");
        tables.push(table);
    }
    assert_eq!(tables[0], tables[1], "the seed decides");
    for name in [
        "params-ijepa.yaml",
        "jepa_r0.csv",
        "monitor.csv",
        "train.log",
        "latest.safetensors",
        "step-12.safetensors",
        "loss.svg",
    ] {
        assert!(folder.join(name).exists(), "{name} is missing: {:?}", names(&folder));
    }
    for (name, least) in [("masks.png", 224), ("features.png", 300)] {
        let picture = image::open(folder.join(name)).unwrap();
        assert!(picture.width() > 1000 && picture.height() >= least, "{name}");
    }
    let report = super::tiny::text(&folder.join("report.html"));
    for part in [
        "<h1>Run made</h1>",
        "Features as colours",
        "Nearest neighbours",
        "untrained encoder",
        "optimization.lr",
    ] {
        assert!(report.contains(part), "{part}");
    }
    let rows = std::fs::read_to_string(folder.join("jepa_r0.csv")).unwrap();
    assert_eq!(rows.lines().count(), 13, "one run's rows alone: {rows}");

    // What bears a run's name and is none of its files stays, and so does everything else.
    std::fs::write(folder.join("step-3-notes.txt"), "mine").unwrap();
    let before = snapshot(&folder);
    let message = fails(place.path(), 2, &SHORT);
    assert!(
        message.contains("made holds step-3-notes.txt, which is no file of the demo's: move it away"),
        "{message}"
    );
    let whole = fails(place.path(), 2, &["demo", "--out", "made"]);
    assert!(
        whole.contains("holds a run with other settings than the demo's"),
        "{whole}"
    );
    assert!(snapshot(&folder) == before);
}

#[test]
fn the_demo_leaves_a_folder_alone_that_is_no_run() {
    let place = place();
    for name in ["masks.png", "features.png", "report.html", "notes.txt"] {
        let folder = place.path().join(format!("of {name}"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join(name), "mine").unwrap();
        let out = format!("of {name}");
        let message = fails(place.path(), 2, &["demo", "--short", "--out", &out]);
        let wanted = format!("{out} holds files that are no run's, {name} for one: choose another --out");
        assert!(message.contains(&wanted), "{message}");
        assert_eq!(names(&folder), [name]);
        assert_eq!(super::tiny::text(&folder.join(name)), "mine");
    }
}
