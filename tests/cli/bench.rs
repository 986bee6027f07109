//! `ijepa bench`: what it prints, not how fast it is.

use super::{computes, refused};
use serde_json::Value;

/// The last line, parsed.
fn json(text: &str) -> Value {
    serde_json::from_str(text.lines().last().unwrap()).unwrap_or_else(|e| panic!("{e}:\n{text}"))
}

#[test]
fn a_product_is_timed_by_the_variant_that_a_step_would_take() {
    let value = json(&computes(&["bench", "--matmul", "65x36x20"]));
    assert_eq!(
        (&value["m"], &value["k"], &value["n"]),
        (&65.into(), &36.into(), &20.into())
    );
    assert!(value["gflops"].as_f64().unwrap() > 0.0, "{value}");
    assert!(value["gflops"].as_f64() >= value["gflops_slowest"].as_f64(), "{value}");
    for variant in ["any", "tile"] {
        let value = json(&computes(&["bench", "--matmul", "5x6x7", "--variant", variant]));
        assert_eq!(value["variant"], variant, "{value}");
    }
}

#[test]
fn what_cannot_be_timed_is_refused() {
    assert!(refused(&["bench"]).contains("nothing to time: give --matmul MxKxN"));
    assert!(refused(&["bench", "--matmul", "4x3"]).contains("write three sizes of 1 or more"));
    let message = refused(&["bench", "--matmul", "1000000x1000000x4"]);
    assert!(
        message.contains("needs 3814697 MiB, but this adapter binds at most "),
        "{message}"
    );
}
