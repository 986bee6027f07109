//! `ijepa trace`, computed: the shapes and then the log's lines of one iteration.

use super::{computes, prints, refused};

/// What is printed before anything is computed, and the log's two lines.
fn parts(text: &str) -> (String, [String; 2]) {
    let lines: Vec<&str> = text.lines().collect();
    let (head, log) = lines.split_at(lines.len() - 2);
    (format!("{}\n", head.join("\n")), [log[0].into(), log[1].into()])
}

/// The numbers in a line, in order.
fn numbers(line: &str) -> Vec<f64> {
    let words = line.split(|c: char| !(c.is_ascii_digit() || ".+-e".contains(c)));
    words.filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn an_iteration_ends_with_the_logs_two_lines() {
    let arguments = [
        "trace",
        "--preset",
        "demo",
        "--batch",
        "4",
        "--iterations-per-epoch",
        "5",
    ];
    let (head, [loss, stats]) = parts(&computes(&arguments));
    assert_eq!(head, prints(&[&arguments[..], &["--dry-run"]].concat()));
    assert!(loss.starts_with("INFO:root:[1,     0] loss: 0."), "{loss}");
    assert!(loss.contains(" masks: ") && loss.ends_with(" ms)"), "{loss}");
    let of_masks = |name: &str| {
        let line = head.lines().find(|line| line.starts_with(name)).unwrap();
        *numbers(line).last().unwrap()
    };
    let [_, _, value, context, target, ..] = numbers(&loss)[..] else {
        panic!("{loss}")
    };
    assert_eq!((context, target), (of_masks("masks_enc[0]"), of_masks("masks_pred[0]")));
    // An untrained xavier network's loss; its LayerNorm-ed targets and small predictions leave little room.
    assert!((0.3..1.0).contains(&value), "{loss}");

    assert!(stats.starts_with("INFO:root:[1,     0] grad_stats: ["), "{stats}");
    let [_, _, first, last, least, most] = numbers(&stats)[..] else {
        panic!("{stats}")
    };
    assert!(
        0.0 < least && least <= first.min(last) && first.max(last) <= most,
        "{stats}"
    );
}

#[test]
fn given_images_are_used_and_give_the_epoch_its_length() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..9u8 {
        let pixels = image::RgbImage::from_fn(40, 36, |x, y| image::Rgb([(x as u8).wrapping_mul(i), y as u8, 7 * i]));
        pixels.save(folder.path().join(format!("{i}.png"))).unwrap();
    }
    let path = folder.path().to_str().unwrap();
    let arguments = ["trace", "--preset", "demo", "--batch", "4"];
    let (head, [loss, _]) = parts(&computes(&[&arguments[..], &["--data", path]].concat()));
    assert!(head.contains("\nunsupervised_loader length 2\n"), "{head}");
    let (head, [other, _]) = parts(&computes(&arguments));
    assert!(head.contains("\nunsupervised_loader length 8\n"), "{head}");
    let until_masks = |line: &str| line.split(" masks").next().unwrap().to_string();
    assert_ne!(until_masks(&loss), until_masks(&other), "the images are not looked at");
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_printed() {
    let message = refused(&[
        "trace",
        "--preset",
        "demo",
        "--batch",
        "1",
        "--set",
        "data.crop_size=2048",
    ]);
    // 262,144 patches: the scores of one head alone take 256 GiB. Which tensor is named first hangs on the adapter.
    assert!(
        message.contains("with a batch of 1, \"") && message.contains(" MiB, but adapter \""),
        "{message}"
    );
    assert!(
        message.contains("not even one image fits: use a larger patch"),
        "{message}"
    );
    let message = refused(&["trace", "--preset", "demo", "--batch", "4001"]);
    assert!(message.contains("4000") && message.contains("4001"), "{message}");
}
