//! JSON (RFC 8259), written from the front to the back.

use std::borrow::Cow;
use std::fmt;

use super::pieces::{Coding, Pieces};

/// Writes a document. Keys come before values, and whoever opens closes.
#[derive(Debug, Default)]
pub(super) struct Json<'a> {
    pieces: Pieces<'a>,
    /// Whether a comma comes before the next key or entry.
    comma: bool,
}

impl<'a> Json<'a> {
    /// A document that is an object, whose members `write` adds.
    pub(super) fn object(write: impl FnOnce(&mut Self)) -> Pieces<'a> {
        let mut json = Self::default();
        json.group("{", "}", write);
        json.pieces
    }

    /// The same, as a text.
    pub(super) fn text(write: impl FnOnce(&mut Json<'static>)) -> String {
        into_text(Json::object(write))
    }

    /// A document that is a list.
    pub(super) fn list_text(write: impl FnOnce(&mut Json<'static>)) -> String {
        let mut json = Json::default();
        json.group("[", "]", write);
        into_text(json.pieces)
    }

    fn group(&mut self, open: &str, close: &str, write: impl FnOnce(&mut Self)) {
        self.pieces.text(open);
        self.comma = false;
        write(self);
        self.pieces.text(close);
        self.comma = true;
    }

    fn key(&mut self, key: &str) {
        self.entry();
        self.quoted(Cow::Owned(key.to_owned()));
        self.pieces.text(":");
    }

    fn entry(&mut self) {
        if self.comma {
            self.pieces.text(",");
        }
        self.comma = true;
    }

    fn quoted(&mut self, text: Cow<'a, str>) {
        self.pieces.text("\"");
        let octets = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        self.pieces.coded(octets, Coding::Json);
        self.pieces.text("\"");
    }

    pub(super) fn member(&mut self, key: &str, text: impl Into<Cow<'a, str>>) {
        self.key(key);
        self.quoted(text.into());
    }

    /// A text, or null.
    pub(super) fn optional(&mut self, key: &str, text: Option<impl Into<Cow<'a, str>>>) {
        match text {
            Some(text) => self.member(key, text),
            None => self.bare(key, "null"),
        }
    }

    /// A number, true, false or null.
    pub(super) fn bare(&mut self, key: &str, value: impl fmt::Display) {
        self.key(key);
        self.pieces.text(format!("{value}"));
    }

    pub(super) fn base64(&mut self, key: &str, octets: impl Into<Cow<'a, [u8]>>) {
        self.key(key);
        self.pieces.text("\"");
        self.pieces.coded(octets, Coding::Base64);
        self.pieces.text("\"");
    }

    pub(super) fn section(&mut self, key: &str, write: impl FnOnce(&mut Self)) {
        self.key(key);
        self.group("{", "}", write);
    }

    pub(super) fn list(&mut self, key: &str, write: impl FnOnce(&mut Self)) {
        self.key(key);
        self.group("[", "]", write);
    }

    /// An entry of a list.
    pub(super) fn entry_object(&mut self, write: impl FnOnce(&mut Self)) {
        self.entry();
        self.group("{", "}", write);
    }

    /// An entry of a list.
    pub(super) fn entry_text(&mut self, text: &str) {
        self.entry();
        self.quoted(Cow::Owned(text.to_owned()));
    }

    /// An entry of a list that is a list of texts.
    pub(super) fn entry_texts(&mut self, texts: &[&str]) {
        self.entry();
        self.group("[", "]", |json| {
            for text in texts {
                json.entry_text(text);
            }
        });
    }
}

fn into_text(mut pieces: Pieces<'static>) -> String {
    let mut text = String::new();
    // What is in memory can be read, and was text before.
    let _ = std::io::Read::read_to_string(&mut pieces, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_is_escaped() {
        let text = Json::text(|json| {
            json.member("a\"b", "line\r\n\ttab \\ \u{1} \u{e9}\u{2028}");
            json.optional("none", None::<String>);
            json.bare("n", 5);
            json.list("l", |json| {
                json.entry_object(|json| json.member("x", "y"));
                json.entry_texts(&["p", "q"]);
                json.entry_object(|_| {});
            });
            json.base64("b", &b"foo"[..]);
            json.section("s", |_| {});
        });
        let escaped = r#"{"a\"b":"line\u000D\u000A\u0009tab \\ \u0001 é"#;
        let rest = "\",\"none\":null,\"n\":5,\"l\":[{\"x\":\"y\"},[\"p\",\"q\"],{}],\"b\":\"Zm9v\",\"s\":{}}";
        assert_eq!(text, format!("{escaped}\u{2028}{rest}"));
    }
}
