//! `${NAME}` in a configuration file: replaced before the file is read as YAML, so that a value
//! may become a number, and with care, so that it stays one value.

use super::environment::Environment;
use super::error::{Fault, Place};

/// Replaces `${NAME}` by what the environment says, except in comments; `$${` becomes `${`.
/// Every line stays on its line.
pub(super) fn expand(text: &str, environment: &Environment) -> Result<String, Fault> {
    // Long lists seldom have any.
    if !text.contains("${") {
        return Ok(text.to_owned());
    }
    let mut scanner = Scanner {
        text,
        rest: text,
        context: Context::Plain,
        before: '\n',
        previous: '\n',
        out: String::with_capacity(text.len()),
    };
    while let Some(next) = scanner.rest.chars().next() {
        if scanner.context == Context::Comment {
            scanner.step(next);
        } else if scanner.rest.starts_with("$${") {
            scanner.put("${", "$${".len());
        } else if scanner.rest.starts_with("${") {
            scanner.replace(environment)?;
        } else {
            scanner.step(next);
        }
    }
    Ok(scanner.out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Plain,
    SingleQuotes,
    DoubleQuotes,
    Comment,
}

/// Knows of YAML only where quotes and comments begin and end.
struct Scanner<'a> {
    text: &'a str,
    rest: &'a str,
    context: Context,
    /// The last character of this line that is not blank, or the end of the line before.
    before: char,
    /// The last character.
    previous: char,
    out: String,
}

impl Scanner<'_> {
    /// Takes one character as it is.
    fn step(&mut self, next: char) {
        let behind = &self.rest[next.len_utf8()..];
        let mut taken = next.len_utf8();
        self.context = match (self.context, next) {
            (Context::Plain, '"') if self.begins_value() => Context::DoubleQuotes,
            (Context::Plain, '\'') if self.begins_value() => Context::SingleQuotes,
            (Context::Plain, '#') if self.previous.is_whitespace() => Context::Comment,
            (Context::DoubleQuotes, '\\') => {
                taken += behind.chars().next().map_or(0, char::len_utf8);
                Context::DoubleQuotes
            }
            (Context::SingleQuotes, '\'') if behind.starts_with('\'') => {
                taken += 1;
                Context::SingleQuotes
            }
            (Context::DoubleQuotes, '"')
            | (Context::SingleQuotes, '\'')
            | (Context::Comment, '\n') => Context::Plain,
            (context, _) => context,
        };
        let piece = &self.rest[..taken];
        self.previous = next;
        if next == '\n' || !next.is_whitespace() {
            self.before = next;
        }
        self.out.push_str(piece);
        self.rest = &self.rest[taken..];
    }

    /// Whether a value begins here; a quote inside of one is nothing but a quote.
    fn begins_value(&self) -> bool {
        match self.before {
            '\n' | '[' | '{' | ',' | ':' => true,
            '-' | '?' => self.previous.is_whitespace(),
            _ => false,
        }
    }

    fn replace(&mut self, environment: &Environment) -> Result<(), Fault> {
        let line = self.rest.lines().next().unwrap_or_default();
        let Some((name, _)) = line["${".len()..].split_once('}') else {
            return Err(
                self.fault("${ has no } on its line; write ${NAME}, or $${ for a literal ${")
            );
        };
        if !is_name(name) {
            let message = format!(
                "${{{name}}} does not name a variable; write ${{NAME}}, or $${{ for a literal ${{"
            );
            return Err(self.fault(message));
        }
        let Some(value) = environment.get(name) else {
            let message = format!(
                "${{{name}}}: the environment has no variable {name}; \
                 set it, or write the value here"
            );
            return Err(self.fault(message));
        };
        let value = match self.context {
            Context::DoubleQuotes => Ok(in_double_quotes(value)),
            Context::SingleQuotes if !value.contains(is_special) => Ok(value.replace('\'', "''")),
            Context::SingleQuotes => {
                Err("holds a line end or control character; write it in double quotes")
            }
            _ if is_plain(value) => Ok(value.to_owned()),
            _ => Err("holds signs with a meaning in YAML; put double quotes around it"),
        };
        let value =
            value.map_err(|reason| self.fault(format!("${{{name}}}: the value {reason}")))?;
        self.put(&value, "${}".len() + name.len());
        Ok(())
    }

    /// Puts `value` in the place of the next octets.
    fn put(&mut self, value: &str, octets: usize) {
        self.out.push_str(value);
        self.rest = &self.rest[octets..];
        (self.before, self.previous) = ('}', '}');
    }

    fn fault(&self, message: impl Into<String>) -> Fault {
        let done = &self.text[..self.text.len() - self.rest.len()];
        Fault {
            place: Some(Place::after(done)),
            message: message.into(),
        }
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || octet == b'_')
}

/// Whether a value without quotes is one scalar that means itself.
fn is_plain(value: &str) -> bool {
    let begins_badly = value.starts_with([
        ' ', '-', '?', ':', '&', '*', '!', '|', '>', '%', '@', '`', '#',
    ]);
    let is_number = value
        .strip_prefix('-')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    (!begins_badly || is_number)
        && !value.contains(['[', ']', '{', '}', ',', '"', '\''])
        && !value.contains(": ")
        && !value.contains(" #")
        && !value.ends_with([':', ' '])
        && !value.contains(is_special)
}

fn in_double_quotes(value: &str) -> String {
    let escape = |c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if is_special(c) => format!("\\U{:08x}", u32::from(c)),
        c => c.to_string(),
    };
    value.chars().map(escape).collect()
}

/// Whether YAML does not take a character as it is, or takes it as the end of a line.
pub(super) fn is_special(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}
