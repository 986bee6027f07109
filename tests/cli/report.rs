//! `report`: one file that needs nothing else, of one run and of several.

use super::tiny::{fails, names, place, run, said, save, succeeds, text, tiny};
use std::path::Path;

/// The report's text, which must ask nothing of a network and run nothing.
fn report(place: &Path, arguments: &[&str], out: &str) -> String {
    let output = run(place, &[&["report"], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    let wrote = String::from_utf8(output.stdout).unwrap();
    assert_eq!(wrote, format!("report: {out}\n"));
    let html = text(&place.join(out));
    assert!(
        html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>"),
        "{out}"
    );
    for mark in ["href=\"", "src=\""] {
        for (at, _) in html.match_indices(mark) {
            let after = &html[at + mark.len()..];
            assert!(after.starts_with("data:image/png;"), "{mark}{}", &after[..20]);
        }
    }
    for part in ["<script", "url(", "@import", "<link", "<iframe", "javascript:"] {
        assert!(!html.contains(part), "{part}");
    }
    assert_eq!(html.matches("<svg").count(), html.matches("</svg>").count());
    html
}

#[test]
fn a_report_holds_the_run_and_is_replaced_by_the_next() {
    let place = place();
    let at = place.path();
    // Names from outside reach the page as text.
    let name = "run <img src=x onerror=alert(1)>";
    std::fs::rename(at.join("photos/class 1"), at.join("photos/<u>one & \"two\"")).unwrap();
    succeeds(at, &tiny(name, "9", &["--quiet"]));
    let out = format!("{name}/report.html");
    let html = report(at, &[name], &out);
    for part in [
        "Run run &lt;img src=x onerror=alert(1)&gt;",
        "How it learned",
        "effective rank of features",
        "Features as colours",
        "Attention",
        "Nearest neighbours",
        "&lt;u&gt;one &amp;",
        "Masks",
        "step-9.safetensors",
        "optimization.lr",
        "Left out: probes: ",
        "prefers-color-scheme: dark",
        "@media print",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("<img") && !html.contains("<u>"));
    assert!(
        html.matches("data:image/png").count() > 60,
        "{}",
        html.matches("data:image/png").count()
    );

    // Without images: what is written down, and what is missing.
    std::fs::rename(at.join("photos"), at.join("elsewhere")).unwrap();
    let bare = report(at, &[name], &out);
    assert!(bare.contains("Left out: everything that needs images: ") && bare.contains("How it learned"));
    assert!(!bare.contains("data:image/png"));
    let found = report(at, &[name, "--data", "elsewhere"], &out);
    assert!(found.contains("Nearest neighbours"));
    fails(at, 2, &["report", name, "--data", "nowhere"]);
    // Two names of one place are one place.
    let same = report(at, &[name, "--data", "elsewhere", "--test", "./elsewhere"], &out);
    assert!(same.contains("Left out: probes: the images to fit on and those to score are the same"));

    // A broken table leaves a gap, not a failure; the page of an unfinished run says so.
    std::fs::write(at.join(name).join("monitor.csv"), b"\xff\xfe").unwrap();
    let gap = report(at, &[name, "--records-only"], &out);
    assert!(gap.contains("monitor.csv could not be read") && gap.contains("The collapse monitor has not looked"));

    // A report of another version is replaced, too.
    let version = concat!("content=\"ijepa ", env!("CARGO_PKG_VERSION"), " report\"");
    assert!(gap.contains(version));
    std::fs::write(at.join(&out), gap.replace(version, "content=\"ijepa 0.0.1 report\"")).unwrap();
    assert!(report(at, &[name, "--records-only"], &out).contains(version));

    // Numbers that no axis holds, and a log without end.
    let csv = names(&at.join(name))
        .into_iter()
        .find(|file| file.ends_with("_r0.csv"))
        .unwrap();
    let csv = at.join(name).join(csv);
    let table = text(&csv);
    let row: Vec<&str> = table.lines().next_back().unwrap().split(',').collect();
    let wild = |loss: &str| [&[row[0], row[1], loss][..], &row[3..]].concat().join(",");
    std::fs::write(&csv, format!("{table}{}\n{}\n", wild("1e308"), wild("-1e308"))).unwrap();
    let log: String = (0..500).map(|i| format!("note {i} {}\n", "x".repeat(1000))).collect();
    std::fs::write(at.join(name).join("train.log"), log).unwrap();
    let html = report(at, &[name, "--records-only"], &out);
    assert!(html.contains("are not drawn: there are 2."), "{html}");
    assert!(html.contains("The last 40 of 500 lines.") && html.contains("note 499 x") && !html.contains("note 459 x"));
    assert!(!html.contains(&"x".repeat(500)));

    let output = std::process::Command::new(assert_cmd::cargo::cargo_bin!("ijepa"))
        .current_dir(at)
        .args(["report", name, "--adapter", "no such adapter"])
        .output()
        .unwrap();
    let message = said(&output);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(
        message.contains("; --records-only makes a report without a GPU"),
        "{message}"
    );
}

#[test]
fn runs_are_compared_by_their_records() {
    let place = place();
    let at = place.path();
    succeeds(at, &tiny("first", "7", &["--quiet"]));
    succeeds(
        at,
        &tiny("second", "8", &["--quiet", "--set", "optimization.lr=0.0007"]),
    );
    let html = report(at, &["first", "second", "--out", "both.html"], "both.html");
    for part in [
        "Runs compared",
        "Settings that differ",
        "optimization.lr",
        "0.0007",
        "optimization.steps",
        "var(--k1)",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("mask.min_keep"), "what is the same is not listed");

    std::fs::write(at.join("mine.html"), "<h1>mine</h1>").unwrap();
    let before = names(at);
    for (arguments, wanted) in [
        (
            &["report", "first", "--out", "mine.html"][..],
            "exists already, and is no report of ijepa",
        ),
        (&["report", "first", "--out", "second"], "second is a folder"),
        (
            &["report", "first", "--out", "no/r.html"],
            "no/r.html cannot be written: there is no folder no",
        ),
        (&["report", "none"], "none holds no run"),
        (
            &["report", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
            "9 runs are too many to tell apart",
        ),
        (&["report", "first", "photos"], "photos holds no run"),
    ] {
        let message = fails(at, 2, arguments);
        assert!(message.contains(wanted), "{arguments:?}: {message}");
    }
    assert_eq!(
        (names(at), text(&at.join("mine.html"))),
        (before, "<h1>mine</h1>".to_string())
    );
}

#[test]
fn a_classifier_has_a_report_of_its_own() {
    let place = place();
    let at = place.path();
    succeeds(at, &tiny("run", "2", &["--quiet"]));
    for i in 100..110 {
        let class = at.join(format!("held/class {}", i % 2));
        std::fs::create_dir_all(&class).unwrap();
        save(&class.join(format!("{i}.png")), i);
    }
    // Names from outside reach the page as text.
    for set in ["photos", "held"] {
        std::fs::rename(at.join(set).join("class 1"), at.join(set).join("<u>one & \"two\"")).unwrap();
    }
    let tune = |out: &str, more: &[&str]| {
        let tune = [
            "finetune",
            "--data",
            "photos",
            "--weights",
            "run",
            "--batch",
            "8",
            "--quiet",
            "--out",
            out,
        ];
        succeeds(at, &[&tune[..], more].concat());
    };
    tune(
        "tuned",
        &[
            "--test",
            "held",
            "--epochs",
            "2",
            "--mixup",
            "0.25",
            "--encoder",
            "context",
        ],
    );
    let html = report(at, &["tuned"], "tuned/report.html");
    for part in [
        "Classifier tuned",
        "It began with the context encoder of ",
        " of 10 test images of held get their own class; with 95 % confidence",
        "Always naming the largest class would give 50.0 %.",
        "Confusion matrix of the test images",
        "Class by class",
        "&lt;u&gt;one &amp; &quot;two&quot;",
        "\nepoch\n",
        "accuracy, %",
        " ms (in the epoch in the middle), 8 images",
        "<span>mixup</span><span>0.25</span>",
        "<span>data.crop_size</span><span>16</span>",
        "latest.safetensors",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    for part in ["<u>", "class=\"warn\"", "optimization.", "mask.min_keep"] {
        assert!(!html.contains(part), "{part}");
    }

    // Without images to score, from scratch; and both beside each other.
    tune("scratch", &["--from-scratch", "--epochs", "3", "--seed", "4"]);
    let bare = report(at, &["scratch"], "scratch/report.html");
    for part in [
        "It began from scratch, with weights drawn from seed 4.",
        "<span>weights</span><span>drawn, in the sizes of ",
        "<span>encoder</span><span>–</span>",
        "No images were scored",
    ] {
        assert!(bare.contains(part), "{part}: {bare}");
    }
    let both = report(at, &["tuned", "scratch", "--out", "both.html"], "both.html");
    for part in [
        "Classifiers compared",
        "Settings that differ",
        "<th>layer_decay</th><td>0.75</td><td>1.0</td>",
        "test accuracy",
        "var(--k1)",
    ] {
        assert!(both.contains(part), "{part}: {both}");
    }
    assert!(both.contains("Not all of them were scored on the same images") && !both.contains("<th>warmup</th>"));

    for (arguments, wanted) in [
        (
            &["report", "run", "tuned"][..],
            "tuned was made by `ijepa finetune` and run was not: ",
        ),
        (&["report", "tuned", "none"], "none holds no run"),
        (&["report", "tuned", "--data", "photos"], "leave out --data"),
    ] {
        let message = fails(at, 2, arguments);
        assert!(message.contains(wanted), "{arguments:?}: {message}");
    }

    // What is broken is left out, and the report says so.
    std::fs::write(at.join("tuned/scores.json"), "{}").unwrap();
    std::fs::write(at.join("tuned/finetune.json"), "{}").unwrap();
    let gap = report(at, &["tuned"], "tuned/report.html");
    for part in [
        "Left out: the confusion matrix: scores.json is damaged",
        "Left out: finetune.json could not be read",
        "What it began with is not recorded.",
    ] {
        assert!(gap.contains(part), "{part}");
    }
    std::fs::write(at.join("tuned/latest.safetensors"), "").unwrap();
    assert!(report(at, &["tuned"], "tuned/report.html").contains("Left out: tuned/latest.safetensors"));
}
