//! `Header`: prepends the trace fields, and stops mail that goes round in a loop.

use std::ops::Range;
use std::sync::Arc;

use super::{Delivery, Pending, Processor, Staged, Trace};
use crate::content::{begins_with_header, end_of_name};
use crate::envelope::Recipient;
use crate::failure::Failure;
use crate::smtp::reply;

/// Old Return-Path fields that are removed, at most. A message has one; who
/// sends a million shall not make every piece between them one to be written.
const RETURN_PATHS: usize = 100;

/// Octets of a message that are searched for these fields, at most. Those of a loop are among the first: on every
/// round they are written before all others.
const HEAD: usize = 256 << 10;

/// Writes trace fields (RFC 5321 section 4.4) and detects loops (section 6.3).
#[derive(Clone, Debug)]
pub struct Header {
    hops: usize,
}

impl Header {
    /// A message with more than `hops` Received fields is refused.
    pub fn new(hops: usize) -> Self {
        Self { hops }
    }

    fn trace(&self, delivery: &mut Delivery) -> Result<(), Failure> {
        let mail = Arc::clone(&delivery.mail);
        let head = mail.content.head(HEAD)?;
        let mut received = 0;
        for field in Fields::of(&head, head.len() < mail.content.len()) {
            let name = field.name(&head);
            if name.eq_ignore_ascii_case(b"Received") {
                received += 1;
            } else if name.eq_ignore_ascii_case(b"Return-Path") {
                if delivery.omitted.len() < RETURN_PATHS {
                    delivery.omitted.push(field.range);
                }
            } else if name.eq_ignore_ascii_case(b"Delivered-To")
                && is_ours(delivery.recipients(), field.value(&head))
            {
                let cause = "it was delivered here before";
                return Err(Failure::new(reply::MAIL_LOOP, cause));
            }
        }
        if received > self.hops {
            let cause = format!("{received} Received fields");
            return Err(Failure::new(reply::MAIL_LOOP, cause));
        }
        let separate = !begins_with_header(&head);
        delivery.trace = Some(Trace::new(&mail.envelope, separate));
        Ok(())
    }
}

/// Whether one of the mailboxes has this address.
fn is_ours(recipients: &[Recipient], address: &[u8]) -> bool {
    let mut destinations = recipients
        .iter()
        .flat_map(|recipient| &recipient.destinations);
    destinations.any(|ours| ours.mailbox.to_string().as_bytes() == address)
}

impl Processor for Header {
    fn name(&self) -> &'static str {
        "Header"
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move { self.trace(delivery).map(|()| Staged::Done) })
    }
}

/// One field of a header, with its continuation lines and its line end.
struct Field {
    range: Range<usize>,
    colon: usize,
}

impl Field {
    fn name<'a>(&self, content: &'a [u8]) -> &'a [u8] {
        content[self.range.start..self.colon].trim_ascii_end()
    }

    fn value<'a>(&self, content: &'a [u8]) -> &'a [u8] {
        content[self.colon + 1..self.range.end].trim_ascii()
    }
}

/// The fields of a header, up to the empty line that ends it.
struct Fields<'a> {
    content: &'a [u8],
    at: usize,
    /// Whether more follows that is not looked at.
    cut: bool,
}

impl<'a> Fields<'a> {
    fn of(content: &'a [u8], cut: bool) -> Self {
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

#[cfg(test)]
mod tests;
