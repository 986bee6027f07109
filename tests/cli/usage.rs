//! Help, near misses, exit codes.

use super::{ijepa, prints, refused};

const COMMANDS: [&str; 17] = [
    "demo",
    "train",
    "probe",
    "finetune",
    "embed",
    "search",
    "export",
    "info",
    "trace",
    "masks",
    "pack",
    "replay",
    "doctor",
    "bench",
    "tune",
    "visualize",
    "report",
];

/// Before weights are read, and features made.
#[test]
fn a_number_that_makes_no_sense_is_refused_when_it_is_read() {
    let words = [
        "probe",
        "--weights",
        "none",
        "--data",
        "none",
        "--method",
        "knn",
        "--k",
        "0",
    ];
    assert!(refused(&words).contains("invalid value '0' for '--k <K>'"));
}

#[test]
fn every_command_has_help_with_an_example_that_begins_with_its_name() {
    let all = prints(&["--help"]);
    for command in COMMANDS {
        assert!(all.contains(&format!("\n  {command} ")), "{all}");
        let help = prints(&[command, "--help"]);
        assert!(help.contains(&format!("example: ijepa {command}")), "{help}");
        let computes = !["search", "export", "info", "masks", "pack", "visualize"].contains(&command);
        assert_eq!(
            help.contains("--adapter <WHICH>") && help.contains("--backend <NAME>"),
            computes,
            "{help}"
        );
    }
    for what in ["index", "query", "duplicates", "cluster"] {
        let help = prints(&["search", what, "--help"]);
        assert!(help.contains(&format!("example: ijepa search {what}")), "{help}");
    }
    assert!(prints(&["--version"]).starts_with("ijepa "));
}

/// Below the options: a text is broken where a line is full and nowhere else, and examples not at all.
#[test]
fn the_end_of_help_fits_narrow_and_wide_terminals() {
    let parts: [(&str, &[&str]); 2] = [
        ("search", &["index", "query", "duplicates", "cluster"]),
        (
            "visualize",
            &["pca", "attention", "similarity", "predict", "masks", "embedding"],
        ),
    ];
    let whole = COMMANDS.iter().map(|command| vec![*command]).chain([vec![]]);
    let parts = parts
        .iter()
        .flat_map(|(of, parts)| parts.iter().map(|part| vec![*of, *part]));
    for command in whole.chain(parts) {
        let end = |width: &str| {
            let arguments = [&command[..], &["--help"]].concat();
            let output = ijepa(&arguments).0.env("COLUMNS", width).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            text.trim_end().rsplit("\n\n").next().unwrap().to_string()
        };
        let examples = |end: &str| end[end.find("example: ").unwrap()..].to_string();
        let (narrow, wide) = (end("80"), end("120"));
        assert_eq!(examples(&narrow), examples(&wide), "{command:?}: an example is broken");
        for (text, most) in [(&narrow, 80), (&wide, 120)] {
            let lines: Vec<&str> = text.lines().collect();
            for pair in lines.windows(2) {
                assert!(pair[0].chars().count() <= most, "{command:?}: {text}");
                let own =
                    |line: &str| line.starts_with(' ') || line.contains(": ijepa ") || line.starts_with("exit code");
                let next = pair[1].split(' ').next().unwrap_or_default();
                let full = pair[0].chars().count() + 1 + next.chars().count() > most;
                // What begins a sentence may begin a paragraph.
                let new = pair[0].ends_with('.') && next.starts_with(|c: char| c.is_uppercase());
                assert!(
                    full || new || own(pair[0]) || own(pair[1]),
                    "{command:?}: broken after {}: {text}",
                    pair[0]
                );
            }
        }
    }
}

#[test]
fn near_misses_are_named() {
    for (arguments, hint) in [
        (&["trian"][..], "'train'"),
        (&["train", "--step", "5"], "'--steps'"),
        (&["train", "--adaptr", "auto"], "'--adapter'"),
        (&["train", "--backend", "vulkn"], "'vulkan'"),
        (&["bench", "--variant", "tiles"], "'tile'"),
        (&["info", "--preset", "larg"], "\"large\""),
        (&["info", "--set", "data.crop_siz=3"], "\"data.crop_size\""),
    ] {
        let message = refused(arguments);
        assert!(message.contains(hint), "{arguments:?}: {message}");
    }
}

#[test]
fn wrong_use_ends_with_code_2_and_says_what_is_missing() {
    for (arguments, wanted) in [
        (
            &["train", "--data", "photos"][..],
            "logging.folder is not given: add --out DIR",
        ),
        (
            &["train", "--out", "runs/a"],
            "data.root_path is not given: add --data PATH",
        ),
        (&["train", "--epochs", "3", "--steps", "5"], "--steps"),
        (&["train", "--resume", "runs/a", "--batch", "3"], "--batch"),
        (&["train", "--partial"], "--from"),
        (&["info", "a.safetensors", "--preset", "nano"], "--preset"),
        (
            &["train", "--from", "none.safetensors", "--data", "a", "--out", "b"],
            "none.safetensors: ",
        ),
        (
            &["train", "--config", "none.yaml"],
            "--config none.yaml: cannot be read",
        ),
        (
            &["train", "--data", "a", "--out", "b", "--steps", "0"],
            "optimization.steps is 0",
        ),
        (
            &["train", "--data", "a", "--out", "b", "--batch", "0"],
            "data.batch_size is 0",
        ),
        (&["train", "--config", "a.yaml", "--preset", "base"], "--preset"),
        (&["info", "--batch", "many"], "many"),
        (&["train", "--steps", "-1"], "invalid value '-1' for '--steps <N>'"),
        (
            &["info", "--batch", "-1"],
            "invalid value '-1' for '--batch <N>': a whole number",
        ),
        (&["bench", "--memory", "-0.5"], "a number of GiB above 0 is wanted"),
        (
            &["pack", "a", "b", "--short", "-1"],
            "invalid value '-1' for '--short <N>'",
        ),
        (&["bench", "--matmul", "4x0x3"], "write three sizes of 1 or more"),
        (
            &["bench", "--matmul", "-1x2x3"],
            "invalid value '-1x2x3' for '--matmul <MxKxN>': write three sizes of 1 or more",
        ),
        (
            &["bench", "--attention", "-1x2x3x4"],
            "invalid value '-1x2x3x4' for '--attention <BxNxHxD>': write four sizes of 1 or more",
        ),
        (
            &["bench", "--rows", "-1x5"],
            "invalid value '-1x5' for '--rows <RxC>': write two sizes of 1 or more",
        ),
        (
            &["bench", "--rows", "--step"],
            "invalid value '--step' for '--rows <RxC>': write two sizes of 1 or more",
        ),
        (
            &["embed", "--size", "-1x5"],
            "invalid value '-1x5' for '--size <SIZE>': a side such as 448",
        ),
        (
            &["visualize", "pca", "--size", "-1x5"],
            "invalid value '-1x5' for '--size <SIZE>': a side such as 448",
        ),
        (&["replay"], "--input"),
        (&["probe"], "--weights"),
    ] {
        let message = refused(arguments);
        assert!(message.contains(wanted), "{arguments:?}: {message}");
    }
    ijepa(&[]).0.assert().code(2);
}

#[test]
fn a_configuration_file_is_refused_with_its_name_line_and_column() {
    for (text, wanted) in [
        (
            &b"data:\n  batch_sise: 4\n"[..],
            "F.yaml: line 2, column 3: unknown key \"data.batch_sise\"; did you mean",
        ),
        (b"data: [1, 2\n", "F.yaml: line "),
        (b"\xff\xfe", "--config F.yaml: cannot be read"),
        (&[b'#'; (1 << 20) + 1], "is larger than any configuration"),
    ] {
        let (mut command, folder) = ijepa(&["info", "--config", "F.yaml"]);
        std::fs::write(folder.path().join("F.yaml"), text).unwrap();
        let output = command.assert().code(2).stdout("").get_output().stderr.clone();
        let message = String::from_utf8(output).unwrap();
        assert!(message.contains(wanted) && message.lines().count() == 1, "{message}");
    }
}

#[test]
fn an_official_file_is_taken_as_it_is() {
    let (mut command, folder) = ijepa(&["info", "--config", "F.yaml"]);
    std::fs::write(
        folder.path().join("F.yaml"),
        include_str!("../golden/in22k_vitg16_ep44.yaml"),
    )
    .unwrap();
    let output = command.assert().success().get_output().stdout.clone();
    assert!(String::from_utf8(output).unwrap().contains("(0-39): 40 x Block("));
}

#[test]
fn output_that_nobody_reads_to_its_end_is_no_failure() {
    let binary = assert_cmd::cargo::cargo_bin!("ijepa");
    let mut child = std::process::Command::new(binary)
        .args(["info", "--preset", "nano"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
