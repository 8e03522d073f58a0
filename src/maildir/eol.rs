//! Ends of lines.

use std::borrow::Cow;

use memchr::memchr_iter;

/// The content with every CRLF as LF. Every other octet is kept, a CR that stands alone as well.
pub fn to_lf(content: &[u8]) -> Cow<'_, [u8]> {
    let mut ends = ends_in_crlf(content).peekable();
    if ends.peek().is_none() {
        return Cow::Borrowed(content);
    }
    let mut lines = Vec::with_capacity(content.len());
    let mut start = 0;
    for lf in ends {
        // The LF itself goes with the next piece.
        lines.extend_from_slice(&content[start..lf - 1]);
        start = lf;
    }
    lines.extend_from_slice(&content[start..]);
    Cow::Owned(lines)
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
        }

        #[test]
        fn size_is_that_of_the_crlf_form(content in "[\r\n.x]{0,40}") {
            let lines = String::from_utf8(reference(content.as_bytes())).unwrap();
            prop_assert_eq!(crlf_size(content.as_bytes()), lines.replace('\n', "\r\n").len() as u64);
        }
    }
}
