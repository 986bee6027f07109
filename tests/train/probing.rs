//! `--probe-every`: accuracies while a run goes, which change nothing of it.

use super::reference::{STEPS, reference};
use super::tiny::{fails, names, place, save, succeeds, text, tiny};

/// The rows of `probe.csv`, as numbers.
fn rows(table: &str) -> Vec<Vec<f64>> {
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("step,knn,linear,fitted,scored"));
    let number = |field: &str| field.parse().unwrap();
    lines.map(|line| line.split(',').map(number).collect()).collect()
}

#[test]
fn a_probed_run_has_a_table_and_the_weights_of_one_that_is_not() {
    let place = place();
    let said = succeeds(place.path(), &tiny("run", STEPS, &["--probe-every", "1"]));
    let folder = place.path().join("run");
    let rows = rows(&text(&folder.join("probe.csv")));
    // The first is always taken; of the others as many as a twentieth of the time bears.
    assert_eq!(rows[0][0], 1.0, "{rows:?}");
    assert!(rows.is_sorted_by(|a, b| a[0] < b[0]) && rows.len() < 30, "{rows:?}");
    for row in &rows {
        assert_eq!(row[3..], [33.0, 11.0], "three of four images are fitted on");
        assert!(
            (0.0..=100.0).contains(&row[1]) && (0.0..=100.0).contains(&row[2]),
            "{row:?}"
        );
    }
    assert!(said.contains("step 1: probe: k-NN "), "{said}");
    let undisturbed = reference().0;
    for name in names(&undisturbed).iter().filter(|name| name.ends_with(".safetensors")) {
        let [a, b] = [&undisturbed, &folder].map(|folder| std::fs::read(folder.join(name)).unwrap());
        assert!(a == b, "{name} differs");
    }
}

#[test]
fn a_run_that_goes_on_begins_to_probe_and_cuts_its_table_back() {
    let place = place();
    succeeds(place.path(), &tiny("run", "10", &[]));
    let folder = place.path().join("run");
    assert!(!folder.join("probe.csv").exists());
    let resume = ["train", "--resume", "run", "--steps", "14", "--probe-every", "2"];
    succeeds(place.path(), &resume);
    let table = text(&folder.join("probe.csv"));
    assert_eq!(rows(&table)[0][0], 12.0);
    assert!(text(&folder.join("params-ijepa.yaml")).contains("probe_every: 2"));
    // What a killed process may leave behind the last checkpoint.
    std::fs::write(folder.join("probe.csv"), format!("{table}15,1.00,1.00,33,11\n16,1.0")).unwrap();
    succeeds(place.path(), &["train", "--resume", "run", "--steps", "15"]);
    let after = text(&folder.join("probe.csv"));
    assert!(after.starts_with(&table) && !after.contains("15,1.00,1.00"), "{after}");
    assert_eq!(rows(&after).last().unwrap()[0], 15.0);
}

#[test]
fn images_to_score_come_from_test_where_there_is_one() {
    let place = tempfile::tempdir().unwrap();
    for (split, count) in [("train", 24), ("test", 16)] {
        for i in 0..count {
            let class = place.path().join("photos").join(split).join(["a", "b"][i % 2]);
            std::fs::create_dir_all(&class).unwrap();
            save(&class.join(format!("{i}.png")), i);
        }
    }
    succeeds(place.path(), &tiny("run", "3", &["--probe-every", "3"]));
    for row in rows(&text(&place.path().join("run/probe.csv"))) {
        assert_eq!(row[3..], [24.0, 16.0]);
    }
}

#[test]
fn images_without_classes_are_refused_before_anything_is_written() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(place.path().join("photos")).unwrap();
    (0..10).for_each(|i| save(&place.path().join(format!("photos/{i}.png")), i));
    let said = fails(place.path(), 2, &tiny("run", "3", &["--probe-every", "3"]));
    assert!(
        said.contains("photos has no labels") && said.contains("--probe-every"),
        "{said}"
    );
    assert!(!place.path().join("run").exists());
}
