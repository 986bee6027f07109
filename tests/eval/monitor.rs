//! The monitor's verdicts on what runs were measured to do.

use super::clusters;
use ijepa::eval::knn::leave_one_out;
use ijepa::eval::monitor::{self, CSV_HEADER, Measurement, Verdict, csv_row, judge, measure};
use ijepa::eval::rank::spread;
use ijepa::train::config::Config;

fn measured(step: u64, effective_rank: f64, deviation: f64, neighbours: Option<f64>) -> Measurement {
    Measurement {
        step,
        deviation,
        effective_rank,
        neighbours,
    }
}

/// Points of runs that were made once: untrained, then what the monitor must say of a later step.
#[test]
fn the_monitor_tells_learning_from_collapse() {
    use Verdict::{Collapsing, Healthy, TooEarly};
    let runs = [
        // The recipe on generated images: an early dip, then rank and neighbours rise.
        (
            (11.15, 0.285, 30.1),
            500,
            vec![(25, 10.83, 0.179, 32.6, TooEarly), (75, 8.32, 0.113, 29.9, TooEarly)],
        ),
        (
            (11.15, 0.285, 30.1),
            500,
            vec![(175, 12.34, 0.362, 40.6, Healthy), (500, 16.66, 0.443, 49.4, Healthy)],
        ),
        // The reference's initialisation with the term: rank barely rises, neighbours do.
        ((6.83, 0.036, 18.9), 500, vec![(300, 7.82, 0.246, 42.2, Healthy)]),
        // Without the term: the loss falls to 1e-4, neighbours even gain a little.
        (
            (6.67, 0.036, 20.9),
            500,
            vec![(50, 7.10, 0.0134, 20.7, TooEarly), (75, 3.72, 0.006, 18.6, Collapsing)],
        ),
        ((6.67, 0.036, 20.9), 500, vec![(500, 1.96, 0.003, 25.0, Collapsing)]),
        ((10.79, 0.240, 28.7), 500, vec![(500, 10.15, 0.036, 28.1, Collapsing)]),
        // Photographs without the term: rank first rises, and deviation is larger in the end.
        (
            (1.84, 0.136, 20.9),
            800,
            vec![(200, 2.45, 0.101, 22.5, TooEarly), (800, 1.43, 0.150, 21.3, Collapsing)],
        ),
        // A target that hardly moves: nothing is learned, nothing lost.
        ((10.79, 0.240, 28.7), 500, vec![(500, 10.09, 0.207, 27.3, TooEarly)]),
        // Photographs with the term: neighbours come late, rank comes first.
        (
            (4.96, 0.579, 23.4),
            500,
            vec![(100, 12.79, 0.514, 23.0, Healthy), (500, 27.08, 0.459, 27.0, Healthy)],
        ),
    ];
    for ((rank, deviation, neighbours), steps, points) in runs {
        let untrained = measured(0, rank, deviation, Some(neighbours));
        assert_eq!(judge(&untrained, &untrained, steps).verdict, TooEarly);
        for (step, rank, deviation, neighbours, verdict) in points {
            let now = measured(step, rank, deviation, Some(neighbours));
            let judgement = judge(&untrained, &now, steps);
            assert_eq!(
                judgement.verdict, verdict,
                "step {step} of {steps}: {}",
                judgement.words
            );
            assert!(judgement.words.starts_with(verdict.word()), "{}", judgement.words);
        }
    }
    // Without labels rank has the word, and equal images are a collapse.
    let untrained = measured(0, 5.0, 0.5, None);
    assert_eq!(judge(&untrained, &measured(300, 9.0, 0.5, None), 1000).verdict, Healthy);
    assert_eq!(
        judge(&untrained, &measured(300, 6.0, 0.5, None), 1000).verdict,
        TooEarly
    );
    assert_eq!(
        judge(&untrained, &measured(300, 0.0, 0.0, None), 1000).verdict,
        Collapsing
    );
    let words = judge(&untrained, &measured(600, 5.0, 0.5, None), 1000).words;
    assert!(
        words.contains("no sign of learning yet") && !words.contains("k-NN"),
        "{words}"
    );
}

#[test]
fn the_monitor_measures_features_and_writes_rows() {
    let samples = clusters(120, 8, 4, 0.3, 0.0, 20);
    let labelled = measure(40, samples.features.values(), 8, Some(samples.labels())).expect("a measurement");
    let spread = spread(&samples.features);
    let expected = measured(
        40,
        spread.effective_rank,
        spread.deviation,
        Some(leave_one_out(&samples)),
    );
    assert_eq!(labelled, expected);
    let bare = measure(7, samples.features.values(), 8, None).expect("a measurement");
    assert_eq!(bare.neighbours, None);
    assert!(measure(7, &[f32::INFINITY; 8], 8, None).is_err());
    assert!(measure(7, &[1.0; 8], 8, Some(&[1, 2])).is_err());

    let row = |now: &Measurement| csv_row(now, &judge(&labelled, now, 100));
    assert_eq!(CSV_HEADER.split(',').count(), 5);
    assert_eq!(
        row(&measured(90, 12.3456, 0.123456, Some(50.0))),
        "90,0.12346,12.346,50.00,undecided"
    );
    assert_eq!(
        row(&measured(10, 12.3456, 0.123456, None)),
        "10,0.12346,12.346,,undecided"
    );
}

/// The table of verdicts in README.md has the numbers that are in force.
#[test]
fn the_documented_thresholds_are_the_ones_in_use() {
    let readme = include_str!("../../README.md");
    assert_eq!(Config::default().logging.monitor_images, 256);
    for line in [
        "a fixed set of 256 training images".to_string(),
        format!("| `undecided` | before step {} |", monitor::EARLIEST_STEP),
        format!(
            "| `collapsing` | rank below {} times or deviation below {} times the untrained encoder's; in the run's second half \
             also rank below {} times, unless k-NN has gained {} points |",
            monitor::COLLAPSED_RANK,
            monitor::COLLAPSED_DEVIATION,
            monitor::SHRUNK_RANK,
            monitor::HEALTHY_GAIN
        ),
        format!(
            "| `healthy` | rank at least {} times the untrained encoder's and k-NN not {1} points worse; or rank at least {2} \
             times and k-NN {1} points better |",
            monitor::HEALTHY_RANK,
            monitor::HEALTHY_GAIN,
            monitor::KEPT_RANK
        ),
    ] {
        assert!(readme.contains(&line), "README.md lacks: {line}");
    }
}
