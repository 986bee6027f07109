//! One file of a data set, wherever its bytes are.

/// A file, or an image that was decoded already, by its name.
#[derive(Debug)]
pub struct Entry<P> {
    /// Path within the data set with "/" between its parts; any bytes.
    pub name: Vec<u8>,
    pub place: P,
    /// Why it is known to be bad before it is decoded.
    pub bad: Option<String>,
}

/// A name for a person: control characters escaped, what is no UTF-8 replaced.
pub fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    text.chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            }
        })
        .collect()
}
