//! What is wrong with a configuration, where, and how to mend it.

use std::fmt;

use super::wording::plain_words;

/// What is wrong with a configuration: one line that says where, which key, what, and how to mend
/// it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file, or the variable of the environment.
    pub source_name: String,
    /// Where in the file, if that is known.
    pub place: Option<Place>,
    /// The key, what is wrong with it, and how to mend it.
    pub message: String,
}

/// A place in a file; both numbers begin with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in that line.
    pub column: usize,
}

/// What is wrong in a text of which the name is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) place: Option<Place>,
    pub(super) message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source_name)?;
        if let Some(Place { line, column }) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl Place {
    /// The place of what follows `text`.
    pub(super) fn after(text: &str) -> Self {
        let line = text.matches('\n').count() + 1;
        let last = text.rsplit('\n').next().unwrap_or_default();
        Self {
            line,
            column: last.chars().count() + 1,
        }
    }
}

impl Fault {
    /// The error that it is in that source. It stays on one line, whatever is in the file.
    pub(super) fn of(self, source_name: &str) -> ConfigError {
        let visible = |c: char| match c {
            c if c.is_control() => c.escape_default().collect(),
            c => c.to_string(),
        };
        ConfigError {
            source_name: source_name.to_owned(),
            place: self.place,
            message: self.message.chars().map(visible).collect(),
        }
    }
}

impl From<serde_yaml::Error> for Fault {
    fn from(error: serde_yaml::Error) -> Self {
        let place = error.location().map(|location| Place {
            line: location.line(),
            column: location.column(),
        });
        let mut message = error.to_string();
        if let Some(Place { line, column }) = place {
            message = message.replacen(&format!(" at line {line} column {column}"), "", 1);
        }
        Self {
            place,
            message: plain_words(&message),
        }
    }
}
