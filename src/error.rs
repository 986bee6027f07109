//! What stopped, which file, key or tensor, and what to do: every message is one clear sentence for a person.

/// The two ways in which a command can end badly. The text is complete: callers print it and add nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Wrong use or configuration; nothing was started or written. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Something failed while running. Exit code 1.
    #[error("{0}")]
    Run(String),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn usage(message: impl Into<String>) -> Self {
        Error::Usage(message.into())
    }

    pub fn run(message: impl Into<String>) -> Self {
        Error::Run(message.into())
    }

    /// The process exit code that scripts can rely on: 2 for usage and configuration, 1 for a failed run.
    pub fn exit_code(&self) -> i32 {
        match self {
            Error::Usage(_) => 2,
            Error::Run(_) => 1,
        }
    }
}

/// `; did you mean "near"?` when one of `known` is close to `given`, else an empty string.
pub fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(given, word), word))
        .filter(|(distance, word)| *distance <= 2.max(word.len() / 3))
        .min()
        .map(|(_, word)| format!("; did you mean \"{word}\"?"))
        .unwrap_or_default()
}
