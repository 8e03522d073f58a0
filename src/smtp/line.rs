//! Octets in, command lines out: CRLF only, and never longer than allowed.

use core::ops::Range;

use memchr::memchr2;

/// Octets in a command line, CRLF included (RFC 5321 section 4.5.3.1.4).
pub const COMMAND_LIMIT: usize = 512;
/// What the extensions add to MAIL and RCPT: SIZE, BODY, SMTPUTF8 and AUTH
/// (RFC 1870, 6152, 6531, 4954) ask for 26 + 17 + 10 + 500 octets.
pub const ENVELOPE_LIMIT: usize = COMMAND_LIMIT + 553;
/// Octets in a line of AUTH (RFC 4954 section 4).
pub const AUTH_LIMIT: usize = 12_288;

/// Octets of memory that a waiting session keeps.
const KEPT: usize = 512;

/// The next line, as far as it can be told.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// It has not come in whole yet.
    Partial,
    /// A whole line, without its end.
    Whole(&'a [u8]),
    /// A line over its limit has ended; its octets were thrown away. This was the limit.
    TooLong(usize),
    /// A CR without LF, or an LF without CR (RFC 5321 section 2.3.8 forbids both).
    BareNewline,
}

/// What was received and not used yet.
#[derive(Default)]
pub struct Input {
    octets: Vec<u8>,
    /// Where the unused octets begin.
    at: usize,
    /// The limit that the line that is coming in is over.
    overlong: Option<usize>,
}

/// There may be a password in it.
impl core::fmt::Debug for Input {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let octets = self.octets.len();
        write!(f, "Input({} of {octets} octets used)", self.at)
    }
}

impl Input {
    /// Appends what came from the wire.
    pub fn push(&mut self, octets: &[u8]) {
        if self.is_empty() {
            self.clear();
        } else if self.at > 0 {
            self.octets.drain(..self.at);
            self.at = 0;
        }
        self.octets.extend_from_slice(octets);
    }

    /// Whether everything was used.
    pub fn is_empty(&self) -> bool {
        self.at == self.octets.len()
    }

    /// The unused octets.
    pub fn rest(&self) -> &[u8] {
        &self.octets[self.at..]
    }

    /// Takes `count` of the unused octets and returns them.
    pub fn take(&mut self, count: usize) -> &[u8] {
        let start = self.at;
        self.at += count;
        &self.octets[start..self.at]
    }

    /// The octets taken so far, as long as none are pushed.
    pub fn consumed(&self) -> &[u8] {
        &self.octets[..self.at]
    }

    /// Where, among [`consumed`](Self::consumed), those `length` octets lie
    /// that end `back` octets before its end.
    pub fn consumed_range(&self, length: usize, back: usize) -> Range<usize> {
        let end = self.at - back;
        end - length..end
    }

    /// Forgets everything, and gives memory back that commands do not need: most
    /// of the life of a connection is waiting.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.octets.shrink_to(KEPT);
        self.at = 0;
    }

    /// Takes the next command line. With `lenient`, a bare LF ends it too.
    pub fn line(&mut self, lenient: bool) -> Line<'_> {
        self.next(limit, lenient)
    }

    /// Takes the next line of an exchange that AUTH has begun.
    pub fn response(&mut self, lenient: bool) -> Line<'_> {
        self.next(|_| AUTH_LIMIT, lenient)
    }

    fn next(&mut self, limit: fn(&[u8]) -> usize, lenient: bool) -> Line<'_> {
        let rest = &self.octets[self.at..];
        let limit = if self.overlong.is_some() {
            0
        } else {
            limit(rest)
        };
        let Some(found) = memchr2(b'\r', b'\n', rest) else {
            if rest.len() >= limit {
                self.overlong.get_or_insert(limit);
                self.clear();
            }
            return Line::Partial;
        };
        let length = match rest[found..] {
            [b'\r'] => return Line::Partial,
            [b'\r', b'\n', ..] => found + 2,
            [b'\n', ..] if lenient => found + 1,
            _ => return Line::BareNewline,
        };
        if length > limit {
            self.at += length;
            return Line::TooLong(self.overlong.take().unwrap_or(limit));
        }
        Line::Whole(&self.take(length)[..found])
    }
}

/// The limit of the line that begins with these octets.
fn limit(line: &[u8]) -> usize {
    let verb = |verb: &[u8]| {
        line.get(..verb.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(verb))
    };
    if verb(b"MAIL") || verb(b"RCPT") {
        ENVELOPE_LIMIT
    } else if verb(b"AUTH") {
        AUTH_LIMIT
    } else {
        COMMAND_LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(octets: &[u8], chunk: usize, lenient: bool) -> Vec<String> {
        let mut input = Input::default();
        let mut lines = Vec::new();
        for octets in octets.chunks(chunk) {
            input.push(octets);
            loop {
                match input.line(lenient) {
                    Line::Partial => break,
                    Line::Whole(line) => lines.push(String::from_utf8_lossy(line).into_owned()),
                    Line::TooLong(_) => lines.push("too long".into()),
                    Line::BareNewline => {
                        lines.push("bare".into());
                        return lines;
                    }
                }
            }
        }
        lines
    }

    #[test]
    fn any_chunking_gives_the_same_lines() {
        let mut octets = b"NOOP\r\n\r\nMAIL FROM:<".to_vec();
        octets.extend([b'x'; 1100]);
        octets.extend(b"\r\nQUIT\r\nNO\rOP\r\nRSET\r\n");
        for chunk in 1..octets.len() {
            assert_eq!(
                lines(&octets, chunk, false),
                ["NOOP", "", "too long", "QUIT", "bare"],
                "{chunk}"
            );
        }
    }

    #[test]
    fn limits_count_the_line_end() {
        for (verb, limit) in [
            ("NOOP ", COMMAND_LIMIT),
            ("mail ", ENVELOPE_LIMIT),
            ("Auth ", AUTH_LIMIT),
        ] {
            for chunk in [1, 7, usize::MAX / 2] {
                let text = format!("{verb}{}", "x".repeat(limit - 2 - verb.len()));
                assert_eq!(
                    lines(format!("{text}\r\n").as_bytes(), chunk, false),
                    [text.as_str()]
                );
                assert_eq!(
                    lines(format!("{text}x\r\nQUIT\r\n").as_bytes(), chunk, false),
                    ["too long", "QUIT"]
                );
            }
        }
    }

    #[test]
    fn an_endless_line_is_not_kept() {
        let mut input = Input::default();
        for _ in 0..1000 {
            input.push(&[b'x'; 10_000]);
            assert_eq!(input.line(false), Line::Partial);
            assert!(input.octets.capacity() <= 20_000);
        }
        input.push(b"\r\n");
        assert_eq!(input.line(false), Line::TooLong(COMMAND_LIMIT));
    }

    #[test]
    fn what_was_received_is_not_shown() {
        let mut input = Input::default();
        input.push(b"AUTH PLAIN AGFsaWNlAG9wZW4gc2VzYW1l\r\n");
        assert_eq!(format!("{input:?}"), "Input(0 of 37 octets used)");
    }

    #[test]
    fn bare_newlines() {
        assert_eq!(lines(b"NOOP\n", 9, false), ["bare"]);
        assert_eq!(lines(b"RSET\rQUIT\r\n", 99, false), ["bare"]);
        assert_eq!(lines(b"NOOP\nRSET\r\n", 99, true), ["NOOP", "RSET"]);
        assert_eq!(lines(b"RSET\rQUIT\r\n", 99, true), ["bare"]);
    }
}
