//! The schedules of learning rate, weight decay and momentum against the reference's own, in f64.

use ijepa::train::config::Config;
use ijepa::train::schedule::Schedule;

const OFFICIAL: [(&str, &str); 4] = [
    ("in1k_vith14_ep300.yaml", include_str!("golden/in1k_vith14_ep300.yaml")),
    (
        "in1k_vith16-448_ep300.yaml",
        include_str!("golden/in1k_vith16-448_ep300.yaml"),
    ),
    ("in22k_vith14_ep66.yaml", include_str!("golden/in22k_vith14_ep66.yaml")),
    ("in22k_vitg16_ep44.yaml", include_str!("golden/in22k_vitg16_ep44.yaml")),
];

fn read(text: &str) -> Config {
    Config::from_yaml(text, "F.yaml").unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn schedules_are_the_references_at_every_recorded_step() {
    let recorded: serde_json::Value = serde_json::from_str(include_str!("golden/schedules.json")).unwrap();
    for (name, text) in OFFICIAL {
        let case = &recorded[name];
        let schedule = Schedule::new(
            &read(text).optimization,
            case["iterations_per_epoch"].as_u64().unwrap() as usize,
        );
        let rows = case["rows"].as_array().unwrap();
        assert!(rows.len() >= 11);
        for row in rows {
            let step = row["step"].as_u64().unwrap() as usize;
            let rates = schedule.at(step);
            for (what, value) in [("lr", rates.lr), ("wd", rates.wd), ("momentum", rates.momentum)] {
                let expected = row[what].as_f64().unwrap();
                // f64 all the way; the cosine of two libraries may differ in its last bits.
                assert!(
                    (value - expected).abs() <= 1e-14 * expected,
                    "{name} step {step} {what}: {value}, not {expected}"
                );
            }
        }
    }
}

#[test]
fn schedules_stay_at_their_final_values_after_the_last_step() {
    let optimization = read(include_str!("golden/nano.yaml")).optimization; // 4 epochs, ipe_scale 1.25, warm-up 0.4 epochs
    let schedule = Schedule::new(&optimization, 5);
    assert_eq!((schedule.run_steps(), schedule.warmup_steps()), (20, 2));
    assert_eq!(schedule.at(1).lr, 2e-4 + 0.5 * (1e-3 - 2e-4));
    assert_eq!(schedule.at(2).lr, 1e-3, "at the end of the warm-up exactly lr");
    for step in [25, 26, 40, usize::MAX] {
        let rates = schedule.at(step);
        assert_eq!((rates.lr, rates.wd), (1e-6, 0.4), "step {step}");
        assert!(
            rates.momentum <= 1.0 && rates.momentum >= 0.9998,
            "step {step}: {}",
            rates.momentum
        );
    }
    let mut short = optimization;
    short.ipe_scale = 0.5; // crashes the reference in mid-run
    let schedule = Schedule::new(&short, 5);
    assert_eq!(
        (schedule.run_steps(), schedule.at(10).lr, schedule.at(20).lr),
        (20, 1e-6, 1e-6)
    );
    // A warm-up longer than the run never gets to the decay; nothing divides by zero.
    short.warmup = 100.0;
    assert!(Schedule::new(&short, 5).at(20).lr < 3e-4);
    assert!(Schedule::new(&short, 0).at(1).lr.is_finite());
}

#[test]
fn a_run_in_steps_stretches_schedules_and_warm_up_over_it() {
    let mut config = Config::preset("base").unwrap();
    config.optimization.steps = Some(3000); // 300 epochs with 40 of warm-up, squeezed into 3,000 steps
    let schedule = Schedule::new(&config.optimization, 1250);
    assert_eq!((schedule.run_steps(), schedule.warmup_steps()), (3000, 400));
    assert_eq!(
        (schedule.at(400).lr, schedule.at(3000).lr, schedule.at(3000).wd),
        (1e-3, 1e-6, 0.4)
    );
    assert_eq!(schedule.at(3001).momentum, 1.0);
    let demo = Schedule::new(&Config::preset("demo").unwrap().optimization, 125);
    assert_eq!((demo.run_steps(), demo.warmup_steps()), (500, 50), "a tenth of the run");
    assert_eq!((demo.at(1).momentum, demo.at(500).wd), (0.98, 0.05));
    config.set_epochs(30);
    let schedule = Schedule::new(&config.optimization, 10);
    assert_eq!(
        (schedule.run_steps(), schedule.warmup_steps()),
        (300, 40),
        "the warm-up keeps its share"
    );
}
