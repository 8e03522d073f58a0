//! `Debugger`: shows in the log what passes, but never a body.

use log::{Level, log, log_enabled};

use super::{Delivery, Field, Fields, Pending, Processor, Staged};
use crate::content::begins_with_header;
use crate::envelope;
use crate::failure::Failure;

/// Octets of a message that are searched for fields, at most.
const HEAD: usize = 64 << 10;
/// Fields that are shown, at most.
const FIELDS: usize = 100;
/// Octets of the value of a field that are shown, at most.
const VALUE: usize = 1000;

/// Logs the envelope, the fields of the header, and what earlier processors found, at level `debug`
/// unless another one is [asked for](Self::at).
///
/// What the log may tell of addresses (`log.addresses`) holds here too: where it is not all, a
/// field is shown without its value, as addresses, names and subjects stand in many of them.
#[derive(Clone, Copy, Debug)]
pub struct Debugger {
    level: Level,
}

impl Default for Debugger {
    fn default() -> Self {
        Self::at(Level::Debug)
    }
}

impl Debugger {
    /// One that logs at this level.
    pub fn at(level: Level) -> Self {
        Self { level }
    }
}

impl Processor for Debugger {
    fn name(&self) -> &'static str {
        "Debugger"
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move {
            if log_enabled!(self.level) {
                show(delivery, self.level)?;
            }
            Ok(Staged::Done)
        })
    }
}

fn show(delivery: &Delivery, level: Level) -> Result<(), Failure> {
    let envelope = &delivery.mail.envelope;
    let id = envelope.id.as_str();
    let content = &delivery.mail.content;
    log!(
        level,
        id = id,
        client = envelope.client.address.map(|address| address.to_string()),
        helo = envelope.client.helo,
        protocol = envelope.with(),
        tls = envelope.client.tls.as_ref().map(|tls| tls.version.as_str()),
        login = envelope.client.login,
        from:% = envelope.reverse_path,
        to = envelope::names(delivery.recipients().iter()),
        nrcpt = delivery.recipients().len(),
        size = content.len();
        "envelope"
    );
    let head = content.head(HEAD)?;
    let mut fields = header(&head, head.len() < content.len());
    for field in fields.by_ref().take(FIELDS) {
        let (name, value) = (shown(field.name(&head)), shown(field.value(&head)));
        log!(level, id = id, field = name, value = value; "field");
    }
    let more = fields.count();
    if more > 0 {
        log!(level, id = id, fields = more; "and more fields");
    }
    if let Some(headers) = &delivery.headers {
        log!(level, id = id, subject = headers.subject, message_id = headers.message_id; "parsed");
    }
    Ok(())
}

/// The fields up to the first line that belongs to none: what follows it may be a body.
fn header(head: &[u8], cut: bool) -> impl Iterator<Item = Field> {
    let mut end = from_line(head);
    let fields = Fields::of(head, cut).take_while(move |field| {
        let is_next = field.range.start == end;
        end = field.range.end;
        is_next
    });
    fields.take(if begins_with_header(head) {
        usize::MAX
    } else {
        0
    })
}

/// The octets of the line of a mailbox file that may stand before a header.
fn from_line(head: &[u8]) -> usize {
    let is_there = head.starts_with(b"From ") || head.starts_with(b">From ");
    let end = || memchr::memchr(b'\n', head).map_or(head.len(), |end| end + 1);
    if is_there { end() } else { 0 }
}

/// Unfolded, as text, and not too long.
fn shown(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(&octets[..octets.len().min(VALUE)]);
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let rest = if octets.len() > VALUE { " ..." } else { "" };
    words.join(" ") + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(content: &str, cut: bool) -> Vec<String> {
        let content = content.as_bytes();
        let fields = header(content, cut);
        fields.map(|field| shown(field.name(content))).collect()
    }

    #[test]
    fn the_body_is_never_shown() {
        for (content, expected) in [
            ("A: 1\r\nB: 2\r\n\r\nC: 3\r\n", &["A", "B"][..]),
            ("A: 1\r\n\r\n", &["A"]),
            ("From me\r\nA: 1\r\n\r\nC: 3\r\n", &["A"]),
            ("A: 1\r\nno field\r\nC: 3\r\n", &["A"]),
            ("A: 1\r\nFrom me\r\nC: 3\r\n", &["A"]),
            ("no header\r\nC: 3\r\n", &[]),
            (" folded\r\nC: 3\r\n", &[]),
            ("\r\nC: 3\r\n", &[]),
            ("", &[]),
        ] {
            assert_eq!(names(content, false), expected, "{content:?}");
        }
        assert_eq!(names("A: 1\r\nB: hal", true), ["A"]);
    }

    #[test]
    fn values_are_unfolded_and_cut() {
        assert_eq!(shown(b"one\r\n\ttwo  \xff"), "one two \u{fffd}");
        let long = shown(&[b'x'; VALUE + 1]);
        assert_eq!(long, "x".repeat(VALUE) + " ...");
    }
}
