//! Ends of lines.

use std::borrow::Cow;

use memchr::{memchr_iter, memmem};

/// The content with every CRLF as LF. Every other octet is kept, a CR that stands alone as well.
pub fn to_lf(content: &[u8]) -> Cow<'_, [u8]> {
    if ends_in_crlf(content).next().is_none() {
        return Cow::Borrowed(content);
    }
    let mut lines = Vec::with_capacity(content.len());
    append_lf(&mut lines, content);
    Cow::Owned(lines)
}

/// Appends `content` with every CRLF as LF.
pub fn append_lf(lines: &mut Vec<u8>, content: &[u8]) {
    let mut start = 0;
    for lf in ends_in_crlf(content) {
        // The LF itself goes with the next piece.
        lines.extend_from_slice(&content[start..lf - 1]);
        start = lf;
    }
    lines.extend_from_slice(&content[start..]);
}

/// Turns every CRLF into LF where it is, without a second buffer.
pub fn make_lf(octets: &mut Vec<u8>) {
    let (mut end, mut start) = (0, 0);
    while let Some(found) = memmem::find(&octets[start..], b"\r\n") {
        let cr = start + found;
        octets.copy_within(start..cr, end);
        end += found;
        octets[end] = b'\n';
        end += 1;
        start = cr + 2;
    }
    octets.copy_within(start.., end);
    octets.truncate(end + octets.len() - start);
}

/// Counts content that comes in pieces; a CRLF may be split between two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    octets: u64,
    lf: u64,
    crlf: u64,
    after_cr: bool,
}

impl Tally {
    /// The count of octets that are one piece.
    pub fn of(octets: &[u8]) -> Self {
        let mut tally = Self::default();
        tally.add(octets);
        tally
    }

    /// Counts the next piece.
    pub fn add(&mut self, octets: &[u8]) {
        let Some(last) = octets.last() else {
            return;
        };
        let split = self.after_cr && octets[0] == b'\n';
        self.octets += octets.len() as u64;
        self.lf += memchr_iter(b'\n', octets).count() as u64;
        self.crlf += ends_in_crlf(octets).count() as u64 + u64::from(split);
        self.after_cr = *last == b'\r';
    }

    /// The count without a part that begins and ends between lines.
    #[must_use]
    pub fn without(self, part: &Self) -> Self {
        Self {
            octets: self.octets - part.octets,
            lf: self.lf - part.lf,
            crlf: self.crlf - part.crlf,
            after_cr: self.after_cr,
        }
    }

    /// The size in octets.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// The size if every CRLF were LF.
    pub fn lf_size(&self) -> u64 {
        self.octets - self.crlf
    }

    /// The size if every end of line were CRLF.
    pub fn crlf_size(&self) -> u64 {
        self.octets + self.lf - self.crlf
    }
}

/// The size in octets that `octets` would have if every end of line, LF or CRLF, were CRLF. A CRLF
/// that is split between two calls is counted twice.
pub fn crlf_size(octets: &[u8]) -> u64 {
    let ends = memchr_iter(b'\n', octets).count() - ends_in_crlf(octets).count();
    (octets.len() + ends) as u64
}

/// Where the LF of each CRLF is.
fn ends_in_crlf(octets: &[u8]) -> impl Iterator<Item = usize> + '_ {
    memchr_iter(b'\n', octets).filter(|&lf| lf > 0 && octets[lf - 1] == b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, octet by octet.
    fn reference(content: &[u8]) -> Vec<u8> {
        let mut octets = content.iter().copied().peekable();
        let mut lines = Vec::new();
        while let Some(octet) = octets.next() {
            if octet != b'\r' || octets.peek() != Some(&b'\n') {
                lines.push(octet);
            }
        }
        lines
    }

    #[test]
    fn table() {
        for (crlf, lf, size) in [
            ("", "", 0),
            ("a", "a", 1),
            ("\n", "\n", 2),
            ("\r\n", "\n", 2),
            ("\r", "\r", 1),
            ("a\r\nb\r\n", "a\nb\n", 6),
            ("a\nb\r\n", "a\nb\n", 6),
            ("\r\r\n", "\r\n", 3),
            ("\n\r", "\n\r", 3),
            ("\r\n\r\n.\r\n", "\n\n.\n", 7),
        ] {
            assert_eq!(to_lf(crlf.as_bytes()), lf.as_bytes(), "{crlf:?}");
            assert_eq!(crlf_size(crlf.as_bytes()), size, "{crlf:?}");
        }
    }

    #[test]
    fn nothing_is_copied_without_need() {
        assert!(matches!(to_lf(b"a\nb\rc"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn to_lf_is_as_defined(content in "[\r\n.x]{0,40}") {
            let content = content.as_bytes();
            prop_assert_eq!(to_lf(content).into_owned(), reference(content));
            let mut made = content.to_vec();
            make_lf(&mut made);
            prop_assert_eq!(made, reference(content));
        }

        #[test]
        fn size_is_that_of_the_crlf_form(content in "[\r\n.x]{0,40}") {
            let lines = String::from_utf8(reference(content.as_bytes())).unwrap();
            prop_assert_eq!(crlf_size(content.as_bytes()), lines.replace('\n', "\r\n").len() as u64);
        }

        #[test]
        fn a_tally_is_the_same_in_any_pieces(content in "[\r\n.x]{0,40}", size in 1_usize..40) {
            let content = content.as_bytes();
            let mut tally = Tally::default();
            content.chunks(size).for_each(|piece| tally.add(piece));
            prop_assert_eq!(tally, Tally::of(content));
            prop_assert_eq!(tally.octets(), content.len() as u64);
            prop_assert_eq!(tally.lf_size(), reference(content).len() as u64);
            prop_assert_eq!(tally.crlf_size(), crlf_size(content));
        }
    }
}
