//! `ijepa doctor` on this machine's adapter.

use super::{computes, ijepa};

#[test]
fn a_right_adapter_is_called_right_with_a_line_for_each_answer() {
    let text = computes(&["doctor"]);
    for part in [
        "adapters\n  0  ",
        "testing \"",
        "opened with binding ",
        "matrix products and attention: ",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    for name in [
        "patchify",
        "linear layer's gradients",
        "attention's gradient",
        "adamw",
        "matmul, any",
        "matmul, tile",
        "training step: loss",
        "training step: gradients",
        "training step: target encoder",
    ] {
        let line = text.lines().find(|line| line.trim_start().starts_with(name));
        assert!(
            line.is_some_and(|line| line.ends_with(" ok")),
            "{name}: {line:?} in\n{text}"
        );
    }
    let verdict = text.lines().last().unwrap();
    assert!(
        verdict.starts_with("verdict: ") && verdict.contains("computes right"),
        "{verdict}"
    );
}

#[test]
fn an_unknown_adapter_is_refused_after_the_list_of_those_there_are() {
    let output = ijepa(&["doctor", "--adapter", "no such adapter"])
        .0
        .assert()
        .code(2)
        .get_output()
        .clone();
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("adapters\n"));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains("no adapter matches \"no such adapter\"; there are: 0 \""),
        "{message}"
    );
}
