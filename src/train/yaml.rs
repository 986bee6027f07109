//! YAML text to a flat list of keys with their places, so that every message can name line and column.

use crate::{Error, Result};
use saphyr_parser::{Event, Parser, ScalarStyle};

/// What stands after a key. Scalars stay text: the key decides what they mean, so `1e-06` is a number with and without
/// quotes.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Scalar { text: String, quoted: bool },
    List(Vec<String>),
}

impl Value {
    /// `null`, `none`, `~` or nothing at all, without quotes.
    pub fn is_none(&self) -> bool {
        match self {
            Value::Scalar { text, quoted: false } => {
                matches!(text.to_ascii_lowercase().as_str(), "" | "~" | "null" | "none")
            }
            _ => false,
        }
    }
}

/// One `key: value`, its path joined by points (`data.crop_size`); line and column count from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub path: String,
    pub value: Value,
    pub line: usize,
    pub column: usize,
}

/// `meta.model.depth` is the deepest key there is. Events are read one by one, so nothing here recurses.
const MAX_DEPTH: usize = 8;

/// A collection that is open: a section (with the key whose value comes next), or the list below a key.
enum Open {
    Section { path: String, key: Option<Entry> },
    List { entry: Entry, items: Vec<String> },
}

/// Flattens a YAML document whose top level is a mapping. An empty document has no entries.
///
/// Errors: usage, one sentence with `source` (the file's name), line and column.
pub fn entries(text: &str, source: &str) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    let mut stack: Vec<Open> = Vec::new();
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| {
            let (line, column) = (e.marker().line(), e.marker().col() + 1);
            Error::usage(format!(
                "{source}: line {line}, column {column}: YAML syntax error: {}",
                e.info()
            ))
        })?;
        let (line, column) = (span.start.line(), span.start.col() + 1);
        let refuse = |what: &str| Err(Error::usage(format!("{source}: line {line}, column {column}: {what}")));
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return refuse("a second document begins here; a configuration is one document");
                }
            }
            Event::Alias(_) => return refuse("aliases (*name) have no place in a configuration; write the value"),
            Event::Scalar(text, style, ..) => {
                let quoted = style != ScalarStyle::Plain;
                match stack.last_mut() {
                    Some(Open::List { items, .. }) => items.push(text.into_owned()),
                    Some(Open::Section { path, key }) => match key.take() {
                        Some(mut entry) => {
                            entry.value = Value::Scalar {
                                text: text.into_owned(),
                                quoted,
                            };
                            found.push(entry);
                        }
                        None => {
                            let path = if path.is_empty() {
                                text.into_owned()
                            } else {
                                format!("{path}.{text}")
                            };
                            let value = Value::List(Vec::new());
                            *key = Some(Entry {
                                path,
                                value,
                                line,
                                column,
                            });
                        }
                    },
                    None if text.is_empty() => {}
                    None => return refuse(NO_SECTIONS),
                }
            }
            Event::SequenceStart(..) => match stack.last_mut() {
                Some(Open::Section { key, .. }) => match key.take() {
                    Some(entry) => stack.push(Open::List {
                        entry,
                        items: Vec::new(),
                    }),
                    None => return refuse("a key is one word, not a list"),
                },
                Some(Open::List { .. }) => return refuse("a list in a list: write [low, high]"),
                None => return refuse(NO_SECTIONS),
            },
            Event::SequenceEnd => {
                if let Some(Open::List { mut entry, items }) = stack.pop() {
                    entry.value = Value::List(items);
                    found.push(entry);
                }
            }
            Event::MappingStart(..) if stack.len() >= MAX_DEPTH => return refuse("sections are nested too deep"),
            Event::MappingStart(..) => match stack.last_mut() {
                Some(Open::Section { key, .. }) => match key.take() {
                    Some(entry) => stack.push(Open::Section {
                        path: entry.path,
                        key: None,
                    }),
                    None => return refuse("a key is one word, not a section"),
                },
                Some(Open::List { .. }) => return refuse("a section in a list: write [low, high]"),
                None => stack.push(Open::Section {
                    path: String::new(),
                    key: None,
                }),
            },
            Event::MappingEnd => {
                stack.pop();
            }
        }
    }
    Ok(found)
}

const NO_SECTIONS: &str =
    "a configuration consists of sections with keys, such as \"data:\" and, indented below it, \"batch_size: 32\"";

/// The value in `--set key=value`, written as in a file: `0.1`, `[0.6, 1]`, `null`, a path. `source` begins messages.
pub fn value(text: &str, source: &str) -> Result<Value> {
    let malformed = || {
        Error::usage(format!(
            "{source}: a value is one word, one number or a list such as [0.6, 1.0]"
        ))
    };
    let mut found = entries(&format!("value: {text}"), source).map_err(|_| malformed())?;
    match (found.pop(), found.is_empty()) {
        (Some(entry), true) if entry.path == "value" => Ok(entry.value),
        _ => Err(malformed()),
    }
}
