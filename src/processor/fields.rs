//! The fields of a header, as they lie in the content (RFC 5322 section 2.2).

use std::ops::Range;

use crate::content::end_of_name;

/// One field of a header, with its continuation lines and its line end.
pub(super) struct Field {
    pub(super) range: Range<usize>,
    colon: usize,
}

impl Field {
    pub(super) fn name<'a>(&self, content: &'a [u8]) -> &'a [u8] {
        content[self.range.start..self.colon].trim_ascii_end()
    }

    pub(super) fn value<'a>(&self, content: &'a [u8]) -> &'a [u8] {
        content[self.colon + 1..self.range.end].trim_ascii()
    }
}

/// The fields of a header, up to the empty line that ends it. Lines that belong to none are passed over.
pub(super) struct Fields<'a> {
    content: &'a [u8],
    at: usize,
    /// Whether more follows that is not looked at.
    cut: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn of(content: &'a [u8], cut: bool) -> Self {
        let at = 0;
        Self { content, at, cut }
    }

    fn line_end(&self, start: usize) -> usize {
        memchr::memchr(b'\n', &self.content[start..])
            .map_or(self.content.len(), |found| start + found + 1)
    }
}

impl Iterator for Fields<'_> {
    type Item = Field;

    fn next(&mut self) -> Option<Field> {
        loop {
            let start = self.at;
            let mut end = self.line_end(start);
            let line = &self.content[start..end];
            if line.trim_ascii_end().is_empty() {
                return None;
            }
            while matches!(self.content.get(end), Some(b' ' | b'\t')) {
                end = self.line_end(end);
            }
            if self.cut && end == self.content.len() {
                return None;
            }
            self.at = end;
            if let Some(colon) = end_of_name(line) {
                return Some(Field {
                    range: start..end,
                    colon: start + colon,
                });
            }
        }
    }
}
