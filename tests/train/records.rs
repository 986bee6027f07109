//! What a run leaves in its folder.

use super::reference::{STEPS, equal, points, reference, timeless};
use super::tiny::{self, PER_EPOCH, names, place, succeeds, text, tiny};
use ijepa::train::config::Config;
use safetensors::SafeTensors;

#[test]
fn the_folder_holds_what_it_should() {
    let (folder, _) = reference();
    let names = names(&folder);
    let mut wanted: Vec<String> = ["jepa_r0.csv", "latest.json", "latest.safetensors", "loss.svg"]
        .into_iter()
        .chain(["monitor.csv", "params-ijepa.yaml", "train.log"])
        .map(str::to_string)
        .collect();
    for step in (4..=60).step_by(4) {
        wanted.extend([format!("step-{step}.json"), format!("step-{step}.safetensors")]);
    }
    wanted.extend(
        names
            .iter()
            .find(|name| name.starts_with("events.out.tfevents."))
            .cloned(),
    );
    wanted.sort();
    assert_eq!(names, wanted);
    let config = Config::from_yaml(&text(&folder.join("params-ijepa.yaml")), "the run's").unwrap();
    assert_eq!(
        (config.optimization.steps, config.data.batch_size),
        (Some(60), tiny::BATCH)
    );
    assert!(text(&folder.join("loss.svg")).contains("smooth-L1 loss"));
}

#[test]
fn the_csv_has_the_references_form() {
    let lines = text(&reference().0.join("jepa_r0.csv"));
    let mut lines = lines.lines();
    assert_eq!(lines.next(), Some("epoch,itr,loss,mask-A,mask-B,time (ms),regularizer"));
    let mut step = 0;
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let wanted = [(step / PER_EPOCH + 1).to_string(), (step % PER_EPOCH).to_string()];
        assert_eq!(fields[..2], wanted, "{line}");
        for decimal in [2, 3, 4, 6] {
            let digits = fields[decimal].split_once('.').expect(line).1;
            let value: f64 = fields[decimal].parse().unwrap();
            assert!(digits.len() == 5 && value > 0.0 && value < 100.0, "{line}");
        }
        assert!(fields.len() == 7 && fields[5].parse::<u32>().is_ok(), "{line}");
        step += 1;
    }
    assert_eq!(step.to_string(), STEPS);
}

#[test]
fn the_log_has_the_references_lines_and_an_epochs_mean() {
    let (folder, said) = reference();
    let log = text(&folder.join("train.log"));
    let count = |start: &str, part: &str| log.lines().filter(|l| l.starts_with(start) && l.contains(part)).count();
    // Epochs of five steps: a line at the first iteration of each, with its gradients, and the mean.
    assert_eq!(
        (
            count("[", "] loss: "),
            count("[", "] grad_stats: ["),
            count("avg. loss ", "")
        ),
        (12, 12, 12),
        "{log}"
    );
    assert!(log.lines().next().unwrap().starts_with("[1,     0] loss: "), "{log}");
    assert!(
        log.contains(" masks: ") && log.contains(" [wd: 5.00e-02] [lr: ") && log.contains(" ms)"),
        "{log}"
    );
    assert!(!said.contains("grad_stats"), "the log is for --verbose");
}

#[test]
fn the_monitor_looks_at_intervals_and_before_the_first_step() {
    let table = text(&reference().0.join("monitor.csv"));
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("step,deviation,effective_rank,knn,verdict"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let steps: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(steps, ["0", "6", "12", "18", "24", "30", "36", "42", "48", "54", "60"]);
    for row in &rows {
        let knn: f64 = row[3].parse().unwrap();
        assert!(row.len() == 5 && (0.0..=100.0).contains(&knn), "{row:?}");
    }
    assert_eq!(rows[0][4], "undecided");
}

#[test]
fn tensorboard_has_a_point_for_each_step_and_each_look() {
    let points = points(&reference().0);
    // The version, 60 steps, 11 looks.
    assert_eq!(points.len(), 1 + 60 + 11);
    let has = |record: &[u8], tag: &str| record.windows(tag.len()).any(|part| part == tag.as_bytes());
    for tag in [
        "train/loss",
        "train/regularizer",
        "train/gradient_norm",
        "schedule/lr",
        "schedule/momentum",
    ] {
        assert_eq!(points.iter().filter(|record| has(record, tag)).count(), 60, "{tag}");
    }
    for tag in ["monitor/deviation", "monitor/effective_rank", "monitor/knn"] {
        assert_eq!(points.iter().filter(|record| has(record, tag)).count(), 11, "{tag}");
    }
}

#[test]
fn a_checkpoint_has_weights_moments_and_where_the_run_stands() {
    let (folder, _) = reference();
    for name in ["latest", "step-60", "step-8"] {
        let bytes = std::fs::read(folder.join(format!("{name}.safetensors"))).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        for tensor in [
            "encoder.blocks.0.attn.qkv.weight",
            "predictor.mask_token",
            "encoder.norm.bias",
        ] {
            let shape = file.tensor(tensor).unwrap().shape().to_vec();
            for moment in ["mean", "square"] {
                assert_eq!(file.tensor(&format!("{moment}.{tensor}")).unwrap().shape(), shape);
            }
        }
        let shape = |name: &str| file.tensor(name).unwrap().shape().to_vec();
        assert_eq!(shape("target_encoder.patch_embed.proj.weight"), [16, 3, 4, 4]);
        assert_eq!(shape("predictor.predictor_pos_embed"), [1, 16, 8]);
        let beside: serde_json::Value = serde_json::from_str(&text(&folder.join(format!("{name}.json")))).unwrap();
        let step = if name == "step-8" { 8 } else { 60 };
        assert_eq!(
            (&beside["step"], &beside["epoch"], &beside["iteration"]),
            (&step.into(), &(step / 5).into(), &(step % 5).into())
        );
    }
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    assert!(read("latest.safetensors") == read("step-60.safetensors"));
    assert!(read("step-8.safetensors") != read("step-60.safetensors"));
}

#[test]
fn two_runs_of_a_seed_are_equal_and_two_seeds_are_not() {
    let place = place();
    succeeds(place.path(), &tiny("somewhere/else", STEPS, &["--quiet"]));
    equal(&reference().0, &place.path().join("somewhere/else"));
    succeeds(place.path(), &tiny("other", "3", &["--seed", "1", "--quiet"]));
    assert_ne!(timeless(&reference().0)[1], timeless(&place.path().join("other"))[1]);
}

#[test]
fn without_terms_and_monitor_there_are_no_columns_for_them() {
    let place = place();
    let off = [
        "--set",
        "meta.variance_weight=0",
        "--set",
        "meta.covariance_weight=0",
        "--set",
        "logging.monitor_every=0",
    ];
    succeeds(place.path(), &tiny("run", "5", &off));
    let folder = place.path().join("run");
    let table = text(&folder.join("jepa_r0.csv"));
    assert!(
        table.starts_with("epoch,itr,loss,mask-A,mask-B,time (ms)\n1,0,"),
        "{table}"
    );
    assert!(table.lines().all(|line| line.split(',').count() == 6), "{table}");
    assert_eq!(text(&folder.join("monitor.csv")).lines().count(), 1);
}
