//! Text within HTML and SVG.

/// Text that means nothing to HTML and XML, inside quotes, too. Control characters, characters that XML can't hold and those
/// that turn the direction of writing are shown as their code.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => {
                out.extend(c.escape_default())
            }
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_is_written_stays_text_and_keeps_its_direction() {
        let text = escaped("<a href=\"x\" b='y'>&\u{1}\u{202e}gpj\u{2069}\u{ffff}ü");
        let wanted = "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;\\u{1}\\u{202e}gpj\\u{2069}\\u{ffff}ü";
        assert_eq!(text, wanted);
    }
}
