//! Text by its width, which is estimated: what is written must fit wherever it is shown, in this font or a browser's.

/// Pixels that a line takes, about.
pub fn width(text: &str, size: f64) -> f64 {
    let of = |c: char| match c {
        'i' | 'j' | 'l' | '\'' | '|' | '.' | ',' | ':' | ';' | '!' | ' ' | 'I' => 0.34,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '-' | '/' => 0.41,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.96,
        'A'..='Z' => 0.72,
        c if (c as u32) < 0x2000 => 0.63,
        _ => 1.0,
    };
    size * text.chars().map(of).sum::<f64>()
}

/// The text, or as much of it as fits with an ellipsis.
pub fn shortened(text: &str, most: f64, size: f64) -> String {
    if width(text, size) <= most {
        return text.to_string();
    }
    let mut kept: String = text.to_string();
    while kept.pop().is_some() && width(&kept, size) + size > most {}
    kept.trim_end().to_string() + "…"
}

/// The end of a name, which tells more than its beginning, with an ellipsis in front where it is cut.
pub fn ending(text: &str, most: f64, size: f64) -> String {
    if width(text, size) <= most {
        return text.to_string();
    }
    let mut rest = text.chars();
    while rest.next().is_some() && width(rest.as_str(), size) + size > most {}
    format!("…{}", rest.as_str())
}

/// Lines of at most `most` pixels, broken between words.
pub fn wrapped(text: &str, most: f64, size: f64) -> Vec<String> {
    let mut lines = vec![];
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = match line.is_empty() {
            true => word.to_string(),
            false => format!("{line} {word}"),
        };
        if width(&longer, size) > most && !line.is_empty() {
            lines.push(std::mem::replace(&mut line, word.to_string()));
        } else {
            line = longer;
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_and_broken_to_fit() {
        assert_eq!(shortened("short", 100.0, 10.0), "short");
        let cut = shortened("train/dresses and skirts/a very long name.jpg", 100.0, 10.0);
        assert!(
            cut.ends_with('…') && cut.starts_with("train/dr") && width(&cut, 10.0) <= 105.0,
            "{cut}"
        );
        let cut = ending("train/dresses and skirts/a very long name.jpg", 100.0, 10.0);
        assert!(cut.starts_with('…') && cut.ends_with("name.jpg"), "{cut}");
        let lines = wrapped("one two three four five six seven", 60.0, 10.0);
        assert!(
            lines.len() > 2 && lines.iter().all(|line| width(line, 10.0) <= 60.0),
            "{lines:?}"
        );
        assert_eq!(lines.join(" "), "one two three four five six seven");
        assert_eq!(wrapped("", 60.0, 10.0), [""]);
    }
}
