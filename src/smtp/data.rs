//! Mail data after DATA: transparency undone, its true end found.
//!
//! RFC 5321 section 4.5.2 (transparency), 4.1.1.4 and 2.3.8 (CRLF.CRLF and nothing else).

use core::ops::Range;

use memchr::memchr3;

/// Undoes dot stuffing and finds the end, whatever pieces the octets come in.
///
/// The end is the first CRLF "." CRLF; the CRLF that ended the DATA line counts
/// as its first half. A CR or LF on its own never ends anything: it makes the
/// data [spoiled](Self::is_spoiled), which is how two servers come to disagree
/// about where a message ends.
#[derive(Debug)]
pub struct Decoder {
    /// Whether the next octet is the first of a line.
    line_start: bool,
    /// Whether the last octet was a CR without LF.
    after_bare_cr: bool,
    /// Whether the CRLF before this line followed a bare CR.
    doubtful_line: bool,
    spoiled: bool,
}

/// What could be told about some octets.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// These of them are content; the first `used` are done with. Octets that
    /// may yet turn out to be the end are not used until it is known.
    Content {
        /// Which of the octets are content.
        content: Range<usize>,
        /// How many octets are done with.
        used: usize,
    },
    /// The data has ended, with the first `used` octets.
    End {
        /// How many octets are done with.
        used: usize,
        /// The end was CR CRLF "." CRLF: a relay that takes CR CRLF for no line
        /// end would have passed it on as content.
        doubtful: bool,
    },
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            line_start: true,
            after_bare_cr: false,
            doubtful_line: false,
            spoiled: false,
        }
    }
}

impl Decoder {
    /// Whether a bare CR, a bare LF or a NUL has been seen.
    pub fn is_spoiled(&self) -> bool {
        self.spoiled
    }

    /// Looks at the octets that are not used yet. Call again with what is left.
    pub fn decode(&mut self, octets: &[u8]) -> Decoded {
        let mut start = 0;
        let mut at = 0;
        loop {
            if self.line_start {
                match octets[at..] {
                    [] | [b'.'] | [b'.', b'\r'] => return content(start, at, at),
                    [b'.', b'\r', b'\n', ..] if at > start => return content(start, at, at),
                    [b'.', b'\r', b'\n', ..] => {
                        return Decoded::End {
                            used: at + 3,
                            doubtful: self.doubtful_line,
                        };
                    }
                    [b'.', ..] => {
                        self.line_start = false;
                        if at > start {
                            return content(start, at, at + 1);
                        }
                        at += 1;
                        start = at;
                    }
                    _ => self.line_start = false,
                }
            }
            let Some(found) = memchr3(b'\r', b'\n', 0, &octets[at..]) else {
                self.after_bare_cr &= at == octets.len();
                return content(start, octets.len(), octets.len());
            };
            if octets[at + found..] == [b'\r'] {
                self.after_bare_cr &= found == 0;
                return content(start, at + found, at + found);
            }
            at += found;
            at += self.newline(&octets[at..], found > 0);
        }
    }

    /// Judges a CR, LF or NUL and what follows it; returns how many octets that took.
    fn newline(&mut self, octets: &[u8], after_text: bool) -> usize {
        if octets.starts_with(b"\r\n") {
            self.line_start = true;
            self.doubtful_line = self.after_bare_cr && !after_text;
            self.after_bare_cr = false;
            return 2;
        }
        self.spoiled = true;
        self.after_bare_cr = octets[0] == b'\r';
        1
    }
}

fn content(start: usize, end: usize, used: usize) -> Decoded {
    Decoded::Content {
        content: start..end,
        used,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the definition says: content, octets used, spoiled, doubtful; `None` while there is no end.
    type Verdict = Option<(Vec<u8>, usize, bool, bool)>;

    /// The definition, written to be obvious rather than fast.
    fn reference(octets: &[u8]) -> Verdict {
        let mut all = b"\r\n".to_vec();
        all.extend_from_slice(octets);
        let end = all.windows(5).position(|window| window == b"\r\n.\r\n")?;
        let body = &all[..end + 2];
        let mut content = Vec::new();
        let mut spoiled = false;
        for (i, &octet) in body.iter().enumerate().skip(2) {
            let stuffed = octet == b'.' && body[..i].ends_with(b"\r\n");
            spoiled |= octet == 0;
            spoiled |= octet == b'\n' && body[i - 1] != b'\r';
            spoiled |= octet == b'\r' && body.get(i + 1) != Some(&b'\n');
            if !stuffed {
                content.push(octet);
            }
        }
        let doubtful = end > 2 && body[end - 1] == b'\r';
        Some((content, end + 3, spoiled, doubtful))
    }

    fn decode(octets: &[u8], chunk: usize) -> Verdict {
        let mut decoder = Decoder::default();
        let mut content = Vec::new();
        let (mut used, mut given) = (0, 0);
        loop {
            match decoder.decode(&octets[used..given]) {
                Decoded::End {
                    used: last,
                    doubtful,
                } => {
                    return Some((content, used + last, decoder.is_spoiled(), doubtful));
                }
                Decoded::Content {
                    content: range,
                    used: more,
                } => {
                    content.extend_from_slice(&octets[used..][range.clone()]);
                    used += more;
                    if more > 0 {
                        continue;
                    }
                    if given == octets.len() {
                        return None;
                    }
                    given = octets.len().min(given + chunk);
                }
            }
        }
    }

    /// Every message of up to nine octets over CR, LF, "." and "x", whole and octet by octet,
    /// with an end appended so that all of them have one.
    #[test]
    fn the_end_of_data_is_the_definition() {
        let mut octets = Vec::new();
        for length in 0..=9_u32 {
            for number in 0..4_usize.pow(length) {
                octets.clear();
                octets.extend((0..length).map(|i| b"\r\n.x"[number >> (2 * i) & 3]));
                let bare = reference(&octets);
                assert_eq!(decode(&octets, usize::MAX / 2), bare, "{octets:?}");
                octets.extend_from_slice(b"\r\n.\r\nQUIT\r\n");
                let expected = reference(&octets);
                assert!(expected.is_some());
                for chunk in [1, 2, 3, usize::MAX / 2] {
                    assert_eq!(decode(&octets, chunk), expected, "{octets:?} in {chunk}");
                }
            }
        }
    }

    #[test]
    fn a_nul_spoils() {
        let (content, _, spoiled, _) = decode(b"a\0b\r\n\0.\r\n\r\n.\r\n", 1).unwrap();
        assert_eq!(content, b"a\0b\r\n\0.\r\n\r\n");
        assert!(spoiled);
    }

    proptest::proptest! {
        #[test]
        fn any_octets_in_any_pieces(octets in proptest::collection::vec(0_u8..=255, 0..300), chunk in 1_usize..300) {
            let mut octets = octets;
            octets.extend_from_slice(b"\r\n.\r\n");
            proptest::prop_assert_eq!(decode(&octets, chunk), reference(&octets));
        }
    }
}
