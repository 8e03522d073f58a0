//! `multipart/form-data` (RFC 7578): PHP makes `$_POST` and `$_FILES` of it.

use std::borrow::Cow;

use super::pieces::{Coding, Pieces};

/// Writes a form.
#[derive(Debug)]
pub(super) struct Form<'a> {
    pieces: Pieces<'a>,
    boundary: String,
}

impl<'a> Form<'a> {
    /// The boundary is made of the message's key, a digest of it: no message
    /// holds its own digest.
    pub(super) fn new(key: &str) -> Self {
        let digits: String = key
            .chars()
            .filter(char::is_ascii_hexdigit)
            .take(48)
            .collect();
        Self {
            pieces: Pieces::default(),
            boundary: format!("maiasaura-{digits}"),
        }
    }

    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    pub(super) fn field(&mut self, name: &str, value: impl Into<Cow<'a, str>>) {
        let start = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n",
            self.boundary,
            quoted(name)
        );
        let value = match value.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        self.part(start, value);
    }

    pub(super) fn file(
        &mut self,
        name: &str,
        file: &str,
        kind: &str,
        octets: impl Into<Cow<'a, [u8]>>,
    ) {
        let start = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\n\
             Content-Type: {}\r\n\r\n",
            self.boundary,
            quoted(name),
            quoted(file),
            quoted(kind)
        );
        self.part(start, octets.into());
    }

    fn part(&mut self, start: String, value: Cow<'a, [u8]>) {
        self.pieces.text(start);
        self.pieces.coded(value, Coding::Plain);
        self.pieces.text("\r\n");
    }

    pub(super) fn end(mut self) -> Pieces<'a> {
        let end = format!("--{}--\r\n", self.boundary);
        self.pieces.text(end);
        self.pieces
    }
}

/// As browsers do it (HTML, "multipart/form-data encoding algorithm"); PHP takes a
/// backslash for an escape.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("%22"),
            '\r' => quoted.push_str("%0D"),
            '\n' => quoted.push_str("%0A"),
            '\0' | '\\' => quoted.push('_'),
            other => quoted.push(other),
        }
    }
    quoted
}
