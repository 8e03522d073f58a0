//! How a host pattern is written.

use super::trie::Token;
use crate::smtp::address::Domain;

/// Names that a path template knows already, so that no capture may have them.
pub(super) const RESERVED_NAMES: [&str; 4] = ["host", "domain", "user", "detail"];

/// A pattern, by what it takes to look for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One name or literal.
    Exact(Domain),
    /// `*.suffix`.
    Below(String),
    /// Anything else with `*`, `?` or `{name}` in it.
    Glob {
        tokens: Vec<Token>,
        /// The names of the captures, in order.
        names: Vec<String>,
    },
    /// `*` alone.
    Everything,
}

impl Form {
    /// How many characters of it stand for themselves: how specific it is.
    pub(super) fn literals(&self) -> usize {
        match self {
            Self::Exact(domain) => domain.to_string().len(),
            Self::Below(suffix) => suffix.len() + 1,
            Self::Glob { tokens, .. } => tokens
                .iter()
                .filter(|token| matches!(token, Token::Octet(_)))
                .count(),
            Self::Everything => 0,
        }
    }

    /// Whether it has a capture of that name.
    pub(super) fn captures(&self, name: &str) -> bool {
        matches!(self, Self::Glob { names, .. } if names.iter().any(|own| own == name))
    }
}

/// Compiles a pattern without spaces around it. An error says what is wrong
/// and how to mend it.
pub(super) fn parse(text: &str) -> Result<Form, String> {
    if text.is_empty() {
        return Err("is empty; write a host name, or \"*\" for every host".to_owned());
    }
    if text.contains(char::is_whitespace) {
        return Err("has a blank inside; write one pattern per entry".to_owned());
    }
    // go-guerrilla's `allowed_hosts: ["."]` switches its check off.
    if text == "." || text.bytes().all(|octet| octet == b'*') {
        return Ok(Form::Everything);
    }
    if text.starts_with('[') {
        return literal(text);
    }
    let ascii = text
        .split('.')
        .map(label)
        .collect::<Result<Vec<_>, _>>()?
        .join(".");
    let (tokens, names) = tokens(&ascii)?;
    if tokens.iter().all(|token| matches!(token, Token::Octet(_))) {
        return Domain::parse(&ascii)
            .map(Form::Exact)
            .map_err(|_| "is not a host name (RFC 1123 section 2.1)".to_owned());
    }
    match ascii.strip_prefix("*.") {
        Some(suffix) if !suffix.contains(['*', '?', '{']) => {
            Ok(Form::Below(suffix.to_ascii_lowercase()))
        }
        _ => Ok(Form::Glob { tokens, names }),
    }
}

/// `[192.0.2.1]`, `[IPv6:2001:db8::1]`, or `[2001:db8::1]` for the latter.
fn literal(text: &str) -> Result<Form, String> {
    let Some(address) = text[1..].strip_suffix(']') else {
        return Err("has a [ without its ]; write a literal as [192.0.2.1]".to_owned());
    };
    Domain::parse(text)
        .or_else(|_| Domain::parse(&format!("[IPv6:{address}]")))
        .map(Form::Exact)
        .map_err(|_| {
            "is not an address literal such as [192.0.2.1] or [IPv6:2001:db8::1]; \
             sets of characters are not known here"
                .to_owned()
        })
}

/// One label in ASCII: a U-label becomes its A-label.
fn label(label: &str) -> Result<String, String> {
    if label.is_empty() {
        return Err("has an empty label; take one of its dots away".to_owned());
    }
    if label.is_ascii() {
        return Ok(label.to_owned());
    }
    if label.contains(['*', '?', '{', '}']) {
        return Err(
            "has a wildcard in a label that is not ASCII; write that label in its xn-- form"
                .to_owned(),
        );
    }
    Domain::parse(label)
        .map(|domain| domain.to_string())
        .map_err(|_| format!("has a label that is no internationalised name: {label}"))
}

fn tokens(ascii: &str) -> Result<(Vec<Token>, Vec<String>), String> {
    let mut tokens = Vec::new();
    let mut names = Vec::new();
    let mut rest = ascii;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            // Two stars are one.
            '*' if tokens.last() == Some(&Token::Any) => {}
            '*' => tokens.push(Token::Any),
            '{' => {
                let (name, behind) = rest.split_once('}').ok_or("has a { without its }")?;
                names.push(capture_name(name, &names)?);
                tokens.push(Token::Capture);
                rest = behind;
            }
            _ => tokens.push(single(c)?),
        }
    }
    Ok((tokens, names))
}

/// A character that stands for itself, or `?`.
fn single(c: char) -> Result<Token, String> {
    match c {
        '?' => Ok(Token::One),
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' => {
            Ok(Token::Octet(c.to_ascii_lowercase() as u8))
        }
        '}' => Err("has a } without its {".to_owned()),
        '[' | ']' => Err("has a bracket inside; brackets hold an address literal, \
                          and sets of characters are not known here"
            .to_owned()),
        _ => Err(format!(
            "has {c:?}, which no host name has; letters, digits, hyphens, dots, \
             *, ? and {{name}} may be used"
        )),
    }
}

fn capture_name(name: &str, names: &[String]) -> Result<String, String> {
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !is_name {
        return Err(format!(
            "has a capture {{{name}}}; its name must be lower-case letters, digits and _, \
             and begin with a letter"
        ));
    }
    if RESERVED_NAMES.contains(&name) {
        return Err(format!(
            "has a capture {{{name}}}, a name with a meaning of its own; choose another"
        ));
    }
    if names.iter().any(|other| other == name) {
        return Err(format!(
            "has the capture {{{name}}} twice; give each a name of its own"
        ));
    }
    Ok(name.to_owned())
}
