//! Lines of WGSL that are written once and meant many times: what a loop can't say where each turn needs variables of its
//! own (an array of them lands in memory) or a constant lane of a subgroup.
//!
//! ```text
//! //# repeat q in 0..QUERIES
//! var sum{q} = vec4<f32>();
//! //# end
//! ```
//!
//! becomes `var sum0 = ...; var sum1 = ...;`. Either end is a number or the name of one of the pipeline's constants; repeats
//! may stand inside one another. What is not of this form stays as it is, and WGSL refuses it.

const REPEAT: &str = "//# repeat ";
const END: &str = "//# end";

/// `text` with all repeats written out.
pub(super) fn expand(text: &str, constants: &[(&str, u32)]) -> String {
    if !text.contains(REPEAT) {
        return text.to_string();
    }
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::with_capacity(4 * text.len());
    write(&lines, constants, &[], &mut out);
    out
}

/// Writes `lines`, with each of the `names` in braces replaced by its number.
fn write(lines: &[&str], constants: &[(&str, u32)], names: &[(&str, u32)], out: &mut String) {
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        at += 1;
        if let Some((name, numbers)) = header(line, constants) {
            let length = body(&lines[at..]);
            for number in numbers {
                let names = [names, &[(name, number)]].concat();
                write(&lines[at..at + length], constants, &names, out);
            }
            at += length + 1;
            continue;
        }
        let mut line = line.to_string();
        for (name, number) in names {
            line = line.replace(&format!("{{{name}}}"), &number.to_string());
        }
        out.push_str(&line);
        out.push('\n');
    }
}

/// Name and numbers of a repeat that begins in this line.
fn header<'a>(line: &'a str, constants: &[(&str, u32)]) -> Option<(&'a str, std::ops::Range<u32>)> {
    let (name, range) = line.trim().strip_prefix(REPEAT)?.split_once(" in ")?;
    let (first, end) = range.split_once("..")?;
    let number = |text: &str| -> Option<u32> {
        let constant = constants.iter().find(|(name, _)| *name == text);
        constant.map(|(_, value)| *value).or_else(|| text.parse().ok())
    };
    Some((name.trim(), number(first.trim())?..number(end.trim())?))
}

/// How many lines there are before the end of the repeat that has just begun.
fn body(lines: &[&str]) -> usize {
    let mut open = 1;
    for (i, line) in lines.iter().enumerate() {
        let line = line.trim();
        if line.starts_with(REPEAT) {
            open += 1;
        } else if line == END {
            open -= 1;
        }
        if open == 0 {
            return i;
        }
    }
    lines.len()
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn lines_are_repeated_with_their_numbers() {
        let text = "a;\n  //# repeat i in 0..N\n  let x{i} = {i}u;\n  //# end\nb;\n";
        assert_eq!(expand(text, &[("N", 2)]), "a;\n  let x0 = 0u;\n  let x1 = 1u;\nb;\n");
        assert_eq!(expand(text, &[("N", 0)]), "a;\nb;\n");
    }

    #[test]
    fn repeats_inside_repeats_see_both_numbers() {
        let text = "//# repeat i in 1..3\n//# repeat j in 0..2\n{i}{j}\n//# end\n{i}!\n//# end\n";
        assert_eq!(expand(text, &[]), "10\n11\n1!\n20\n21\n2!\n");
    }

    #[test]
    fn what_is_no_repeat_stays() {
        let plain = "struct S { a: u32 }\nfn f() { return; }";
        assert_eq!(expand(plain, &[]), plain);
        // An unknown end leaves `{i}` for WGSL to refuse; a repeat that is never ended goes on to the last line.
        let unknown = "//# repeat i in 0..N\nx{i}\n//# end\n";
        assert_eq!(expand(unknown, &[]), unknown);
        assert_eq!(expand("//# repeat i in 0..2\nx{i}", &[]), "x0\nx1\n");
    }
}
