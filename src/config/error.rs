//! What is wrong with a configuration, where, and how to mend it.

use std::fmt;

use super::suggestion;

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
    pub(super) fn of(self, source_name: &str) -> ConfigError {
        ConfigError {
            source_name: source_name.to_owned(),
            place: self.place,
            message: self.message,
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

/// Says in our words what the parser, or serde, says in theirs. What it does not know stays as it
/// is.
fn plain_words(message: &str) -> String {
    unknown_key(message)
        .or_else(|| wrong_type(message))
        .or_else(|| syntax(message))
        .unwrap_or_else(|| message.to_owned())
}

/// ``limits: unknown field `x`, expected one of `a`, `b` ``
fn unknown_key(message: &str) -> Option<String> {
    let (path, rest) = message.split_once("unknown field `")?;
    let (word, known) = rest.rsplit_once("`, expected ")?;
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    Some(format!(
        "{path}{}",
        suggestion::unknown("key", word, &known)
    ))
}

/// ``limits.errors: invalid type: string "ten", expected u32``
fn wrong_type(message: &str) -> Option<String> {
    let (start, length) = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|kind| Some((message.find(kind)?, kind.len())))?;
    let (path, rest) = (&message[..start], &message[start + length..]);
    let (found, expected) = rest.rsplit_once(", expected ")?;
    let expected = match expected {
        "usize" | "u64" | "u32" => "a whole number, 0 or more",
        "a boolean" => "true or false",
        "a string" => "a text",
        "a sequence" => "a list",
        other => other,
    };
    let found = match found {
        "unit value" | "null" => "nothing".to_owned(),
        "sequence" => "a list".to_owned(),
        "map" => "a section".to_owned(),
        "enum" => "a tag".to_owned(),
        other => without_kind(other).trim_matches('`').to_owned(),
    };
    Some(format!("{path}expected {expected}, found {found}"))
}

/// ``integer `5` `` without the first word.
fn without_kind(found: &str) -> &str {
    let kinds = ["integer ", "boolean ", "floating point ", "string "];
    kinds
        .iter()
        .find_map(|kind| found.strip_prefix(kind))
        .unwrap_or(found)
}

/// YAML itself, of which the usual traps are explained.
fn syntax(message: &str) -> Option<String> {
    const HINTS: [(&str, &str); 7] = [
        (
            "while scanning an alias",
            "put quotes around a value that begins with *",
        ),
        (
            "unknown anchor",
            "put quotes around a value that begins with *",
        ),
        (
            "while parsing a flow",
            "put quotes around a value that begins with [ or {",
        ),
        (
            "while parsing a block",
            "check the indentation, and put quotes around a value that begins with [ or {",
        ),
        (
            "cannot start any token",
            "indent with spaces, not with tabs; put quotes around a value that begins with @, ` or %",
        ),
        (
            "mapping values are not allowed",
            "check the indentation; put quotes around a value that has a colon and a blank in it",
        ),
        ("more than one document", "keep one, without --- between"),
    ];
    let (_, hint) = HINTS.iter().find(|(sign, _)| message.contains(sign))?;
    let (problem, _) = message.split_once(", while ").unwrap_or((message, ""));
    Some(format!("{problem}; {hint}"))
}
