//! One value of the configuration: its type, how it is read and how it is written.

use super::config::Evaluation;
use super::yaml::Value;
use crate::model::config::Init as Draw;

/// Where a key's value lives in the configuration, and so its type.
pub(super) enum Field<'a> {
    Flag(&'a mut bool),
    Count(&'a mut usize),
    MaybeCount(&'a mut Option<usize>),
    CountOrAuto(&'a mut Option<usize>),
    Large(&'a mut u64),
    Number(&'a mut f64),
    MaybeNumber(&'a mut Option<f64>),
    Range(&'a mut [f64; 2]),
    MaybeRange(&'a mut Option<[f64; 2]>),
    Text(&'a mut String),
    MaybeText(&'a mut Option<String>),
    Init(&'a mut Draw),
    Eval(&'a mut Evaluation),
}
use Field::*;

impl Field<'_> {
    /// The value as YAML writes it.
    pub fn text(self) -> String {
        let null = || "null".to_string();
        match self {
            Flag(v) => v.to_string(),
            Count(v) => v.to_string(),
            MaybeCount(v) => v.map_or_else(null, |v| v.to_string()),
            CountOrAuto(v) => v.map_or_else(|| "auto".to_string(), |v| v.to_string()),
            Large(v) => v.to_string(),
            Number(v) => number(*v),
            MaybeNumber(v) => v.map_or_else(null, number),
            Range(v) => range(*v),
            MaybeRange(v) => v.map_or_else(|| "none".to_string(), range),
            Text(v) => quote(v),
            MaybeText(v) => v.as_deref().map_or_else(null, quote),
            Init(Draw::Reference) => "reference".to_string(),
            Init(Draw::Xavier) => "xavier".to_string(),
            Eval(Evaluation::Margin) => "margin".to_string(),
            Eval(Evaluation::Exact) => "exact".to_string(),
        }
    }

    /// The type in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Flag(_) => "true or false",
            Count(_) | Large(_) => "a whole number, 0 or more",
            MaybeCount(_) => "a whole number or null",
            CountOrAuto(_) => "a whole number or auto",
            Number(_) => "a number",
            MaybeNumber(_) => "a number or null",
            Range(_) => "a list [low, high]",
            MaybeRange(_) => "a list [low, high] or none",
            Text(_) => "text",
            MaybeText(_) => "text or null",
            Init(_) => "reference or xavier",
            Eval(_) => "margin or exact",
        }
    }

    /// Puts a value there. Error: the type that is wanted, and the value that was given.
    pub fn write(self, value: &Value) -> Result<(), (&'static str, String)> {
        let kind = self.kind();
        let none = value.is_none();
        let scalar = match value {
            Value::Scalar { text, .. } if !none => Some(text.as_str()),
            _ => None,
        };
        let count = || scalar.and_then(whole);
        let real = || scalar.and_then(finite);
        let pair = || match value {
            Value::List(items) => match items.as_slice() {
                [low, high] => Some([finite(low)?, finite(high)?]),
                _ => None,
            },
            Value::Scalar { .. } => None,
        };
        let size = || count().and_then(|x| usize::try_from(x).ok());
        let done = match self {
            Flag(v) => put(v, scalar.and_then(flag)),
            Count(v) => put(v, size()),
            MaybeCount(v) => put(v, if none { Some(None) } else { size().map(Some) }),
            CountOrAuto(v) => put(
                v,
                if scalar == Some("auto") {
                    Some(None)
                } else {
                    size().map(Some)
                },
            ),
            Large(v) => put(v, count()),
            Number(v) => put(v, real()),
            MaybeNumber(v) => put(v, if none { Some(None) } else { real().map(Some) }),
            Range(v) => put(v, pair()),
            MaybeRange(v) => put(v, if none { Some(None) } else { pair().map(Some) }),
            Text(v) => put(v, scalar.map(str::to_string)),
            MaybeText(v) => put(
                v,
                if none {
                    Some(None)
                } else {
                    scalar.map(|x| Some(x.to_string()))
                },
            ),
            Init(v) => put(v, scalar.and_then(draw)),
            Eval(v) => put(v, scalar.and_then(transform)),
        };
        let shown = match value {
            Value::Scalar { text, .. } => text.clone(),
            Value::List(items) => format!("[{}]", items.join(", ")),
        };
        if done { Ok(()) } else { Err((kind, shown)) }
    }
}

/// Puts a value where it belongs; false where there is none.
fn put<T>(place: &mut T, value: Option<T>) -> bool {
    value.map(|value| *place = value).is_some()
}

fn draw(text: &str) -> Option<Draw> {
    match text {
        "reference" => Some(Draw::Reference),
        "xavier" => Some(Draw::Xavier),
        _ => None,
    }
}

fn transform(text: &str) -> Option<Evaluation> {
    match text {
        "margin" => Some(Evaluation::Margin),
        "exact" => Some(Evaluation::Exact),
        _ => None,
    }
}

fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|x: &f64| x.is_finite())
}

/// A whole number; `10.0` and `1e3` are whole too, as far as an f64 counts exactly.
fn whole(text: &str) -> Option<u64> {
    let exact = |x: &f64| x.fract() == 0.0 && (0.0..9e15).contains(x);
    text.parse()
        .ok()
        .or_else(|| finite(text).filter(exact).map(|x| x as u64))
}

/// The shortest digits that give back this very number, in the form that PyYAML takes for a number: `0.001`, `1.0e-06`.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-4..1e16).contains(&size) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let (sign, digits) = exponent
        .strip_prefix('-')
        .map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}{point}e{sign}{digits:0>2}")
}

fn range(pair: [f64; 2]) -> String {
    format!("[{}, {}]", number(pair[0]), number(pair[1]))
}

/// Plain where every YAML reader takes it for this text, else a JSON string, which is YAML too.
fn quote(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "null" | "none" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if plain {
        text.to_string()
    } else {
        serde_json::Value::from(text).to_string()
    }
}
