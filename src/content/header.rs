//! What a header looks like, for those who put fields before one.

/// Whether fields can be put right before the content. A first line that begins with a blank would become part of
/// the last of them, and one that is no field would hide in the header: before these an empty line is needed. The
/// "From " line of a mailbox file may stay where it is, and content that is empty has no header to spoil.
pub fn begins_with_header(content: &[u8]) -> bool {
    let line = content.split(|&b| b == b'\n').next().unwrap_or_default();
    let from_line = line.starts_with(b"From ") || line.starts_with(b">From ");
    line.is_empty() || line == b"\r" || from_line || end_of_name(line).is_some()
}

/// Where the name of a field ends: printable ASCII but no colon (RFC 5322 section 2.2), blanks before the colon being
/// tolerated (section 4.5). None for a line that is no field.
pub fn end_of_name(line: &[u8]) -> Option<usize> {
    let colon = line.iter().position(|&b| b == b':')?;
    let name = line[..colon].trim_ascii_end();
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some(colon)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_header_can_follow_fields() {
        for (content, can) in [
            (&b"Subject: t\r\n"[..], true),
            (b"Subject : t\r\n", true),
            (b"Subject: no end", true),
            (b"", true),
            (b"\r\nbody", true),
            (b"\nbody", true),
            (b"\r", true),
            (b"From me@here Fri\r\nSubject: t\r\n", true),
            (b">From me@here Fri\r\nSubject: t\r\n", true),
            (b"From\r\n", false),
            (b" folded: no\r\n", false),
            (b"\tfolded: no\r\n", false),
            (b"  \r\n", false),
            (b": x\r\n", false),
            (b"no header at all", false),
            (b"two words: no\r\n", false),
            (b"bin\0ary\xff: \r\n", false),
        ] {
            let shown = String::from_utf8_lossy(content);
            assert_eq!(begins_with_header(content), can, "{shown:?}");
        }
    }
}
