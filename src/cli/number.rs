//! Numbers as people read them.

/// `85,646,592`
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `35.1 G`: three digits and a decimal prefix.
pub fn prefixed(value: f64) -> String {
    let prefixes = ["", " k", " M", " G", " T", " P", " E"];
    let mut scaled = value;
    let mut prefix = 0;
    while scaled >= 999.5 && prefix + 1 < prefixes.len() {
        scaled /= 1000.0;
        prefix += 1;
    }
    let digits = if scaled < 9.995 { 2 } else { usize::from(scaled < 99.95) };
    format!("{scaled:.digits$}{}", prefixes[prefix])
}

/// Bytes: `1,234.5 MiB`, and `129.4 KiB` of what is less than one of these.
pub fn size(bytes: u64) -> String {
    let tenths = |unit: u64| (bytes as f64 * 10.0 / unit as f64).round() as u64;
    let (tenths, unit) = match tenths(1 << 10) {
        few @ 0..10_240 => (few, "KiB"),
        _ => (tenths(1 << 20), "MiB"),
    };
    format!("{}.{} {unit}", grouped(tenths / 10), tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_scaled_and_rounded() {
        for (value, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (85_646_592, "85,646,592")] {
            assert_eq!(grouped(value), text);
        }
        for (value, text) in [
            (0.0, "0.00"),
            (999.6, "1.00 k"),
            (9.996e9, "10.0 G"),
            (35.13e9, "35.1 G"),
            (99.96, "100"),
        ] {
            assert_eq!(prefixed(value), text);
        }
        for (bytes, text) in [
            (0, "0.0 KiB"),
            (132_506, "129.4 KiB"),
            ((1 << 20) - 52, "1,023.9 KiB"),
            ((1 << 20) - 51, "1.0 MiB"),
            ((1234 << 20) + (1 << 19), "1,234.5 MiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
