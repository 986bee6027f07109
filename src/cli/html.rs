//! Text within HTML and SVG.

/// Text that means nothing to HTML and XML, inside quotes, too; what [`is_hidden`] is shown as its code.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c if is_hidden(c) => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// Whether a character could do what nobody sees: control characters, those that turn the direction of writing, so that a name
/// reads as another one, and those that XML can't hold.
pub fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

/// A whole page, whose text was escaped by others: lines stay lines, all else that [`is_hidden`] is shown as its code.
pub fn shown(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    for c in page.chars() {
        match is_hidden(c) && c != '\n' {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{escaped, shown};

    #[test]
    fn what_is_written_stays_text_and_keeps_its_direction() {
        let text = escaped("<a href=\"x\" b='y'>&\u{1}\u{202e}gpj\u{2069}\u{ffff}ü");
        let wanted = "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;\\u{1}\\u{202e}gpj\\u{2069}\\u{ffff}ü";
        assert_eq!(text, wanted);
    }
    #[test]
    fn a_page_keeps_its_lines_and_marks() {
        assert_eq!(
            shown("<p>\na\u{2067}b\u{7}&amp;</p>\n"),
            "<p>\na\\u{2067}b\\u{7}&amp;</p>\n"
        );
    }
}
