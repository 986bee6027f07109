//! What a run has reached, in its model card and in its report.

use super::tiny::{fails, names, place, save, succeeds, text, tiny};
use std::path::Path;

/// Images of three classes in `set/train` and `set/test`.
fn set(place: &Path) {
    for i in 0..80 {
        let part = if i < 60 { "train" } else { "test" };
        let folder = place.join("set").join(part).join(["round", "edgy", "bare"][i % 3]);
        std::fs::create_dir_all(&folder).unwrap();
        save(&folder.join(format!("{i}.png")), i);
    }
}

/// A run of nine steps on them, in `out`.
fn trained(place: &Path, out: &str) {
    let mut arguments = tiny(out, "9", &["--quiet", "--probe-every", "3"]);
    arguments[4] = "set";
    succeeds(place, &arguments);
}

fn probed(place: &Path, out: &str, more: &[&str]) {
    let probe = ["probe", "--weights", "run", "--data", "set", "--quiet", "--out", out];
    succeeds(place, &[&probe[..], more].concat());
}

fn card(place: &Path, weights: &str, out: &str, more: &[&str]) -> (String, String) {
    let export = ["export", "--weights", weights, "--to", "hf", "--out", out];
    let said = succeeds(place, &[&export[..], more].concat());
    (text(&place.join(out).join("README.md")), said)
}

#[test]
fn a_card_and_a_report_tell_what_a_run_has_reached() {
    let place = place();
    let at = place.path();
    set(at);
    trained(at, "run");
    // Without `ijepa probe`: what the run itself has written down.
    let (bare, _) = card(at, "run", "bare", &[]);
    for part in [
        "\n## Results\n\n| | |\n|---|---|\n| loss | 0.",
        " on average over the last 7 (smooth L1",
        "\n| collapse monitor | ",
        " at step 9: effective rank ",
        "\n| probes while it went | k-NN ",
        "\npipeline_tag: image-feature-extraction\nmodel-index:\n- name: \"run\"\n  results:\n  - task:\n",
        "      name: \"set, 20 images, while training\"\n",
        "      name: \"Accuracy, linear probe\"\n      value: ",
    ] {
        assert!(bare.contains(part), "{part}: {bare}");
    }
    assert!(!bare.contains("Probes by `ijepa probe`"), "{bare}");

    probed(at, "run/all", &["--method", "all"]);
    probed(
        at,
        "run/few",
        &["--method", "knn", "--k", "1", "--label-fraction", "0.5"],
    );
    let (full, said) = card(at, "run", "full", &[]);
    assert!(!said.contains("left out"), "{said}");
    for part in [
        "Probes by `ijepa probe`: features of the last block; fitted on 60 images of set; scored on 20 images of set.",
        "fitted on 30 images of set, 50 % of the labels; scored",
        "\n| raw pixels | k-NN | ",
        "\n| these weights | attentive | ",
        "      name: \"set, 20 test images\"\n    metrics:\n    - type: accuracy\n      name: \"Accuracy, k-NN probe\"\n",
        "      name: \"Accuracy, k-NN probe, 50 % of the labels\"\n",
        "| k 1 |",
    ] {
        assert!(full.contains(part), "{part}: {full}");
    }
    assert!(!full.contains("while training"), "fewer images say less: {full}");

    // Another checkpoint's results are not its own. Weights that know of no step take what is named.
    let (other, said) = card(at, "run/step-4.safetensors", "other", &[]);
    assert!(
        said.contains("run/all/probe.json is of the weights at step 9, and these are at 4"),
        "{said}"
    );
    assert!(
        !other.contains("Probes by") && other.contains(" at step 3: "),
        "{other}"
    );
    std::fs::rename(at.join("run/few"), at.join("few")).unwrap();
    let (named, _) = card(at, "other", "named", &["--probe", "few"]);
    assert!(
        named.contains("50 % of the labels") && !named.contains("attentive"),
        "{named}"
    );
    let step_4 = [
        "export",
        "--weights",
        "run/step-4.safetensors",
        "--to",
        "hf",
        "--out",
        "no",
        "--probe",
        "few",
    ];
    let message = fails(at, 2, &step_4);
    assert!(
        message.contains("few/probe.json is of the weights at step 9, and these are at 4"),
        "{message}"
    );
    std::fs::write(at.join("few/probe.json"), "{}").unwrap();
    let message = fails(
        at,
        2,
        &[
            "export",
            "--weights",
            "run",
            "--to",
            "hf",
            "--out",
            "no",
            "--probe",
            "few",
        ],
    );
    assert!(
        message.contains("few/probe.json is no probe.json of `ijepa probe --out`"),
        "{message}"
    );
    assert!(!names(at).contains(&"no".to_string()));

    // The report: tables and matrices; what is broken is left out; a name that turns the direction of writing is shown.
    let turned = "all \u{202e}gnp";
    std::fs::rename(at.join("run/all"), at.join("run").join(turned)).unwrap();
    std::fs::rename(at.join("few"), at.join("run/few")).unwrap();
    succeeds(at, &["report", "run", "--records-only"]);
    let html = text(&at.join("run/report.html"));
    for part in [
        "Probes by the paper's protocols",
        "run/all \\u{202e}gnp/probe.json",
        "trained encoder</td><td style=\"text-align:left\">attentive",
        "Confusion matrix: linear on learned features",
        "Left out: run/few/probe.json is no probe.json",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert_eq!(html.matches("Confusion matrix: ").count(), 3);
    assert!(!html.contains('\u{202e}'));
    // Beside another run, which has none.
    trained(at, "second");
    succeeds(at, &["report", "run", "second", "--records-only", "--out", "both.html"]);
    let both = text(&at.join("both.html"));
    let row = both.split("<td>attentive</td>").nth(1).unwrap();
    assert!(row.split("</tr>").next().unwrap().contains(">–</td>"), "{both}");

    // A run that went astray says so in words.
    let csv = at.join("run/jepa_r0.csv");
    let rows = text(&csv);
    let last = rows.trim_end().rsplit_once('\n').unwrap();
    let mut values: Vec<&str> = last.1.split(',').collect();
    values[2] = "NaN";
    std::fs::write(&csv, format!("{}\n{}\n", last.0, values.join(","))).unwrap();
    let (astray, _) = card(at, "run", "astray", &[]);
    assert!(astray.contains("\n| loss | not finite at the last step, "), "{astray}");
}
