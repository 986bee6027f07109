//! What a run writes beside its weights: CSV, log lines, TensorBoard events, the loss picture.

use ijepa::train::csv::{self, Row};
use ijepa::train::curve::{self, Series};
use ijepa::train::log::{EpochMeans, GradStats, scientific};
use ijepa::train::schedule::Rates;
use ijepa::train::tensorboard::{Events, file_name};

const ROW: Row = Row {
    epoch: 1,
    itr: 0,
    loss: 0.46837,
    k_context: 57,
    k_target: 42,
    milliseconds: 1234.9,
    regularizer: None,
};

#[test]
fn csv_rows_have_the_references_form() {
    assert_eq!(csv::header(false), "epoch,itr,loss,mask-A,mask-B,time (ms)");
    assert_eq!(ROW.to_string(), "1,0,0.46837,57.00000,42.00000,1234");
    let row = Row {
        regularizer: Some(0.0123456),
        loss: f64::NAN,
        ..ROW
    };
    assert_eq!(csv::header(true), "epoch,itr,loss,mask-A,mask-B,time (ms),regularizer");
    assert_eq!(row.to_string(), "1,0,nan,57.00000,42.00000,1234,0.01235");
}

#[test]
fn a_csv_is_cut_back_to_a_number_of_rows() {
    let text = "h\n1\n2\n3\n4-cut";
    assert_eq!(csv::first_rows(text, 0), "h\n");
    assert_eq!(csv::first_rows(text, 2), "h\n1\n2\n");
    assert_eq!(
        csv::first_rows(text, 4),
        "h\n1\n2\n3\n",
        "a row without its end is none"
    );
    assert_eq!(csv::first_rows("h", 4), "");
    assert_eq!(csv::first_rows("", 0), "");
}

#[test]
fn log_lines_are_those_of_the_seed() {
    let mut means = EpochMeans::default();
    means.add(0.468, 57, 42, -1.0);
    let rates = Rates {
        lr: 2e-4 + 8e-4 / 320.0,
        wd: 0.04,
        momentum: 0.996,
    };
    let expected = "[1,     0] loss: 0.468 masks: 57.0 42.0 [wd: 4.00e-02] [lr: 2.03e-04] [mem: 0.00e+00] (-1.0 ms)";
    assert_eq!(means.line(1, 0, rates, 0.0), expected);
    let stats = GradStats {
        first: 2.91e-2,
        last: 1.51e-2,
        min: 1.46e-2,
        max: 3.33e-2,
    };
    assert_eq!(
        stats.line(1, 0),
        "[1,     0] grad_stats: [2.91e-02 1.51e-02] (1.46e-02, 3.33e-02)"
    );
    means.add(0.2, 60, 35, 3.0);
    assert_eq!(means.average(), "avg. loss 0.334");
    assert!(
        means
            .line(12, 345, rates, 2048.0)
            .starts_with("[12,   345] loss: 0.334 masks: 58.5 38.5 ")
    );
    assert!(means.line(12, 345, rates, 2048.0).ends_with("[mem: 2.05e+03] (1.0 ms)"));
}

#[test]
fn exponents_have_two_digits_as_in_c() {
    for (value, text) in [
        (0.0, "0.00e+00"),
        (1.0, "1.00e+00"),
        (9.999e-10, "1.00e-09"),
        (-2.5e101, "-2.50e+101"),
        (f64::NAN, "nan"),
        (f64::NEG_INFINITY, "-inf"),
    ] {
        assert_eq!(scientific(value), text);
    }
}

/// Reads one record back, with the bitwise definition of CRC-32C (so not by the crate that wrote it).
fn record(bytes: &[u8]) -> (&[u8], &[u8]) {
    let crc = |data: &[u8]| {
        let mut crc = !0u32;
        for byte in data {
            crc ^= *byte as u32;
            (0..8).for_each(|_| crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()));
        }
        (!crc).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
    };
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    assert_eq!(bytes[8..12], crc(&bytes[..8]), "checksum of the length");
    let data = &bytes[12..12 + length];
    assert_eq!(bytes[12 + length..16 + length], crc(data), "checksum of the data");
    (data, &bytes[16 + length..])
}

#[test]
fn events_are_what_tensorboard_reads() {
    let mut bytes = Vec::new();
    let mut events = Events::new(&mut bytes, 1.5).unwrap();
    events.scalars(2.5, 300, &[("loss", 0.25), ("lr", 1e-3)]).unwrap();
    let (version, rest) = record(&bytes);
    let mut expected = vec![0x09]; // field 1, double: wall_time
    expected.extend(1.5f64.to_le_bytes());
    expected.extend(b"\x1a\x0dbrain.Event:2"); // field 3, text: file_version
    assert_eq!(version, expected);
    let (event, rest) = record(rest);
    let mut expected = vec![0x09];
    expected.extend(2.5f64.to_le_bytes());
    expected.extend([0x10, 0xac, 0x02]); // field 2, varint: step 300
    expected.extend([0x2a, 24]); // field 5: summary of 24 bytes
    expected.extend(b"\x0a\x0b\x0a\x04loss\x15"); // value: tag (field 1), simple_value (field 2, float)
    expected.extend(0.25f32.to_le_bytes());
    expected.extend(b"\x0a\x09\x0a\x02lr\x15");
    expected.extend(1e-3f32.to_le_bytes());
    assert_eq!(event, expected);
    assert!(rest.is_empty());
    assert!(file_name(1700000000).contains("tfevents"));
}

#[test]
fn the_loss_picture_shows_every_series_and_survives_what_is_not_finite() {
    let loss: Vec<(u64, f64)> = (0..5000).map(|s| (s, 1.0 / (1.0 + s as f64))).collect();
    let odd = [(0, f64::NAN), (1, 0.5), (2, f64::INFINITY)];
    let series = [
        Series {
            name: "loss <smooth-L1>",
            points: &loss,
        },
        Series {
            name: "regularizer",
            points: &odd,
        },
    ];
    let svg = curve::svg("runs/a & b", &series).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    assert!(svg.contains("<polyline") && svg.contains("regularizer") && svg.contains("step"));
    assert!(
        svg.contains("&lt;smooth-L1&gt;") && svg.contains("a &amp; b"),
        "text is escaped"
    );
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    assert!(svg.len() < 40_000, "5,000 steps are drawn as at most 400 points");
    assert!(curve::svg("empty", &[]).unwrap().contains("<svg"));
}
