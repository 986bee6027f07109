//! Held-out images and label subsets: every class has its share, and chance is the seed's.

use ijepa::eval::parts::{fraction, held_out};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|class| format!("class {class}")).collect()
}

/// 50 of class 0, 7 of class 1, 2 of class 2, 1 of class 3, in turn as long as there are some.
fn labels() -> Vec<u32> {
    let mut left = [50, 7, 2, 1];
    let mut labels = vec![];
    while left.iter().any(|&left| left > 0) {
        for (class, left) in left.iter_mut().enumerate().filter(|(_, left)| **left > 0) {
            labels.push(class as u32);
            *left -= 1;
        }
    }
    labels
}

fn count(labels: &[u32], images: &[usize], class: u32) -> usize {
    images.iter().filter(|&&image| labels[image] == class).count()
}

#[test]
fn a_fifth_of_each_class_is_held_out() {
    let labels = labels();
    let [kept, held] = held_out(&labels, 3);
    assert_eq!([0, 1, 2, 3].map(|class| count(&labels, &held, class)), [10, 1, 1, 0]);
    assert_eq!([0, 1, 2, 3].map(|class| count(&labels, &kept, class)), [40, 6, 1, 1]);
    let mut all = [kept.clone(), held.clone()].concat();
    assert!(kept.is_sorted() && held.is_sorted());
    all.sort_unstable();
    assert_eq!(all, (0..labels.len()).collect::<Vec<_>>(), "each image once");
    assert_eq!(held_out(&labels, 3), [kept, held.clone()], "the same for a seed");
    assert_ne!(held_out(&labels, 4)[1], held, "another for another");
}

#[test]
fn a_fraction_takes_its_share_of_each_class_and_lies_in_larger_ones() {
    let labels: Vec<u32> = (0..1000).map(|image| image % 4).collect();
    let of = |share, seed| fraction(&labels, &names(4), share, seed).expect("a part");
    let (one, ten) = (of(0.01, 0), of(0.1, 0));
    for (part, each) in [(&one, 3), (&ten, 25)] {
        assert_eq!([0, 1, 2, 3].map(|class| count(&labels, part, class)), [each; 4]);
        assert!(part.is_sorted());
    }
    assert!(one.iter().all(|image| ten.contains(image)), "{one:?} in {ten:?}");
    assert_eq!(of(1.0, 0).len(), 1000);
    assert_eq!(of(0.01, 0), one);
    assert_ne!(of(0.01, 1), one);
}

#[test]
fn fractions_that_leave_a_class_empty_are_refused_with_the_least_that_does_not() {
    let labels = labels();
    let message = fraction(&labels, &names(4), 0.05, 0)
        .expect_err("too small")
        .to_string();
    assert!(
        message.contains("--label-fraction 0.05 leaves none of the 7 images of class \"class 1\"")
            && message.contains("here 0.5000"),
        "{message}"
    );
    assert!(fraction(&labels, &names(4), 0.5, 0).is_ok());
    for wrong in [0.0, -0.1, 1.5, f64::NAN, f64::INFINITY] {
        let message = fraction(&labels, &names(4), wrong, 0)
            .expect_err("no fraction")
            .to_string();
        assert!(message.contains("is not above 0 and at most 1"), "{message}");
    }
}
