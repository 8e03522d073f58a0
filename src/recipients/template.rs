//! The path of a Maildir, as a template with captures.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::encoding;

/// `maildirs/{host}/{user}`: a fixed prefix, the root, and below it one file name per segment.
#[derive(Clone, Debug)]
pub(super) struct Template {
    text: String,
    root: Arc<Path>,
    segments: Vec<Vec<Piece>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Capture {
        name: String,
        /// What the text between this capture and the next one begins with.
        stop: Option<u8>,
    },
}

/// What the captures of a template stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    pub(super) host: &'a str,
    pub(super) user: &'a str,
    /// Empty when the address has none.
    pub(super) detail: &'a str,
    /// What the host pattern captured.
    pub(super) captures: &'a BTreeMap<String, String>,
}

const DETAIL: &str = "detail";

impl Template {
    /// Reads a template. An error says what is wrong and how to mend it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with('~') {
            return Err("begins with ~; write the home folder in full".to_owned());
        }
        if text.contains('\0') {
            return Err("holds a NUL octet, which no path may".to_owned());
        }
        let mut segments = Vec::new();
        for segment in text.split('/').filter(|name| !matches!(*name, "" | ".")) {
            if segment == ".." {
                return Err("goes up with ..; write the path without it".to_owned());
            }
            segments.push(pieces(segment)?);
        }
        let last = segments
            .len()
            .checked_sub(1)
            .ok_or("names no folder; write a path such as maildirs/{host}/{user}")?;
        // Without any capture all mail goes into one Maildir: the last segment.
        let fixed = segments
            .iter()
            .position(|pieces| has_capture(pieces))
            .unwrap_or(last);
        let below = segments.split_off(fixed);
        if below.iter().all(|pieces| is_detail(pieces)) {
            return Err(
                "has no folder for an address without a detail; add a segment such as {user}"
                    .to_owned(),
            );
        }
        Ok(Self {
            text: text.to_owned(),
            root: root(text.starts_with('/'), &segments),
            segments: below,
        })
    }

    /// The template as it was written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The fixed prefix.
    pub(super) fn root(&self) -> &Arc<Path> {
        &self.root
    }

    /// The names of its captures.
    pub(super) fn captures(&self) -> impl Iterator<Item = &str> {
        self.segments
            .iter()
            .flatten()
            .filter_map(|piece| match piece {
                Piece::Capture { name, .. } => Some(name.as_str()),
                Piece::Text(_) => None,
            })
    }

    /// The file names below the root, every value encoded. The segment of an
    /// absent detail is left out. An error is the name of a capture without a value.
    pub(super) fn render(&self, values: &Values<'_>) -> Result<Vec<String>, &str> {
        self.segments
            .iter()
            .filter(|pieces| !(values.detail.is_empty() && is_detail(pieces)))
            .map(|pieces| file_name(pieces, values))
            .collect()
    }
}

impl Values<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        match name {
            "host" | "domain" => Some(self.host),
            "user" => Some(self.user),
            DETAIL => Some(self.detail),
            _ => self.captures.get(name).map(String::as_str),
        }
    }
}

/// The folder below which Maildirs with this template for a path lie.
///
/// # Errors
///
/// What is wrong with the template, and how to mend it.
pub fn root_of(template: &str) -> Result<Arc<Path>, String> {
    Ok(Arc::clone(Template::parse(template)?.root()))
}

fn root(absolute: bool, segments: &[Vec<Piece>]) -> Arc<Path> {
    let names: Vec<&str> = segments
        .iter()
        .flatten()
        .filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Capture { .. } => None,
        })
        .collect();
    let prefix = match (absolute, names.is_empty()) {
        (true, _) => "/",
        (false, true) => ".",
        (false, false) => "",
    };
    Arc::from(Path::new(&(prefix.to_owned() + &names.join("/"))))
}

fn file_name<'a>(pieces: &'a [Piece], values: &Values<'_>) -> Result<String, &'a str> {
    let mut name = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => name.push_str(text),
            Piece::Capture {
                name: capture,
                stop,
            } => {
                let value = values.get(capture).filter(|value| !value.is_empty());
                name.push_str(&encoding::encode(value.ok_or(capture.as_str())?, *stop));
            }
        }
    }
    Ok(if has_capture(pieces) {
        encoding::file_name(name)
    } else {
        name
    })
}

fn has_capture(pieces: &[Piece]) -> bool {
    pieces
        .iter()
        .any(|piece| matches!(piece, Piece::Capture { .. }))
}

/// Whether a segment depends on the detail, which an address need not have.
fn is_detail(pieces: &[Piece]) -> bool {
    pieces
        .iter()
        .any(|piece| matches!(piece, Piece::Capture { name, .. } if name == DETAIL))
}

fn pieces(segment: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = segment;
    while !rest.is_empty() {
        let (text, behind) = match rest.split_once('{') {
            Some((text, behind)) => (text, Some(behind)),
            None => (rest, None),
        };
        if text.contains('}') {
            return Err("has a } without its {".to_owned());
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
        let Some(behind) = behind else { break };
        let (name, behind) = behind.split_once('}').ok_or("has a { without its }")?;
        pieces.push(Piece::Capture {
            name: name.to_owned(),
            stop: None,
        });
        rest = behind;
    }
    separate(&mut pieces)?;
    Ok(pieces)
}

/// Two captures in one file name must be told apart, or a-b of c and a of b-c
/// were one: the character between them is encoded in the first.
fn separate(pieces: &mut [Piece]) -> Result<(), String> {
    let count = pieces
        .iter()
        .filter(|piece| matches!(piece, Piece::Capture { .. }))
        .count();
    if count > 1 && is_detail(pieces) {
        return Err(
            "has {detail}, which may be absent, beside another capture; \
                    give it a segment of its own"
                .to_owned(),
        );
    }
    for at in 1..pieces.len() {
        let (before, after) = pieces.split_at_mut(at);
        let Some(Piece::Capture { stop, .. }) = before.last_mut() else {
            continue;
        };
        match after {
            [Piece::Text(text), _, ..] => {
                let first = text
                    .bytes()
                    .next()
                    .filter(|&octet| !octet.is_ascii_alphanumeric() && octet != b'%');
                *stop = Some(first.ok_or("has a letter, a digit or % between two captures; begin with a punctuation mark there")?);
            }
            [Piece::Capture { .. }, ..] => {
                return Err(
                    "has two captures without anything between them; put a / or a - there"
                        .to_owned(),
                );
            }
            _ => {}
        }
    }
    Ok(())
}
