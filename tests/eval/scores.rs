//! Intervals, confusion and classes, on counts that are known beforehand.

use super::close;
use ijepa::eval::scores::{Scores, wilson};

/// The ends as statsmodels' proportion_confint(method="wilson") has them.
#[test]
fn intervals_are_wilsons() {
    for (right, images, low, high) in [
        (8, 10, 0.490_162_47, 0.943_317_81),
        (0, 10, 0.0, 0.277_532_80),
        (10, 10, 0.722_467_20, 1.0),
        (500, 1000, 0.469_069_60, 0.530_930_40),
        (1, 1, 0.206_549_31, 1.0),
    ] {
        let [a, b] = wilson(right, images);
        close(&format!("{right} of {images}, lower end"), a, low, 1e-7);
        close(&format!("{right} of {images}, upper end"), b, high, 1e-7);
    }
}

#[test]
fn classes_are_counted_one_by_one() {
    let truth = [0, 0, 0, 1, 1, 2, 2, 2];
    let named = [0, 1, 2, 1, 1, 0, 0, 9].map(|class| (class < 9).then_some(class));
    let scores = Scores::new(4, &truth, &named).expect("scores");
    assert_eq!((scores.images(), scores.right(), scores.accuracy()), (8, 3, 37.5));
    assert_eq!(
        scores.counts(),
        [1, 1, 1, 0, 0, 2, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0],
        "row by true class"
    );
    let first = scores.class(0);
    assert_eq!(
        (first.images, first.mistaken_for),
        (3, Some((1, 1))),
        "of equal ones the first"
    );
    close("recall", first.accuracy.expect("images"), 100.0 / 3.0, 1e-9);
    close("precision", first.precision.expect("named"), 100.0 / 3.0, 1e-9);
    // One image of class 2 got no name: it counts as an image, and as wrong.
    let third = scores.class(2);
    assert_eq!(
        (third.images, third.accuracy, third.precision),
        (3, Some(0.0), Some(0.0))
    );
    assert_eq!(third.mistaken_for, Some((0, 2)));
    let none = scores.class(3);
    assert_eq!(
        (none.images, none.accuracy, none.precision, none.mistaken_for),
        (0, None, None, None)
    );
}

#[test]
fn what_is_no_score_is_refused() {
    for (truth, named) in [
        (vec![], vec![]),
        (vec![0, 1], vec![Some(0)]),
        (vec![0, 2], vec![Some(0), Some(0)]),
        (vec![0, 1], vec![Some(0), Some(2)]),
    ] {
        assert!(Scores::new(2, &truth, &named).is_err(), "{truth:?} {named:?}");
    }
}
