//! The message on standard input.

use std::io::{self, Read};
use std::os::fd::OwnedFd;

use super::{Exit, Fault};
use crate::content::{Content, Draft, PIECE};
use crate::server::spool_failure;
use crate::smtp::reply;

/// The message as it would have come over SMTP: lines end in CRLF, and the
/// "From " line that a mailbox file or pipe(8) puts before it is gone. A large
/// one is spooled into the file that `open` provides.
pub(super) fn content(
    mut input: impl Read,
    limit: u64,
    open: impl Fn() -> io::Result<OwnedFd>,
) -> Result<Content, Fault> {
    let mut draft = Draft::default();
    let (mut piece, mut lines) = (Vec::new(), Vec::new());
    let (mut size, mut after_cr) = (0, false);
    loop {
        piece.clear();
        let read = input.by_ref().take(PIECE as u64).read_to_end(&mut piece);
        read.map_err(|error| Fault::new(Exit::IoErr, format!("cannot read the message: {error}")))?;
        if piece.is_empty() {
            break;
        }
        let start = if size == 0 { after_from(&piece) } else { 0 };
        size += piece.len() as u64;
        if size > limit {
            let message = format!("{}: more than {limit} octets", reply::TOO_BIG);
            return Err(Fault::new(Exit::DataErr, message));
        }
        lines.clear();
        append_crlf(&mut lines, &piece[start..], after_cr);
        after_cr = piece.ends_with(b"\r");
        keep(&mut draft, &lines, &open).map_err(unspooled)?;
    }
    draft.finish().map_err(unspooled)
}

/// A whole message as it would have come over SMTP.
#[cfg(feature = "fastcgi")]
pub(super) fn with_crlf(message: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    append_crlf(&mut lines, &message[after_from(message)..], false);
    lines
}

/// Where the message begins in its first piece.
fn after_from(piece: &[u8]) -> usize {
    let end = memchr::memchr(b'\n', piece).filter(|_| piece.starts_with(b"From "));
    end.map_or(0, |end| end + 1)
}

/// Appends a piece with every LF as CRLF, if it is not one already.
fn append_crlf(lines: &mut Vec<u8>, piece: &[u8], mut after_cr: bool) {
    for line in piece.split_inclusive(|&octet| octet == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) if !(text.ends_with(b"\r") || text.is_empty() && after_cr) => {
                lines.extend_from_slice(text);
                lines.extend_from_slice(b"\r\n");
            }
            _ => lines.extend_from_slice(line),
        }
        after_cr = false;
    }
}

fn keep(
    draft: &mut Draft,
    mut octets: &[u8],
    open: impl Fn() -> io::Result<OwnedFd>,
) -> io::Result<()> {
    loop {
        octets = draft.fill(octets, |_| true);
        if octets.is_empty() {
            return Ok(());
        }
        draft.spill(&open)?;
    }
}

fn unspooled(error: io::Error) -> Fault {
    let failure = spool_failure(error);
    Fault::new(Exit::from(&failure), failure.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_file() -> io::Result<OwnedFd> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn read(input: impl Read, limit: u64) -> Result<Vec<u8>, Fault> {
        let content = content(input, limit, || Ok(tempfile::tempfile()?.into()))?;
        let mut octets = Vec::new();
        let take = |piece: &[u8]| {
            octets.extend_from_slice(piece);
            Ok(())
        };
        content.pieces().each(take).unwrap();
        Ok(octets)
    }

    #[test]
    fn standard_input_becomes_mail_content() {
        for (input, expected) in [
            ("", ""),
            ("Subject: t\n\nbody\n", "Subject: t\r\n\r\nbody\r\n"),
            ("From s@c.test Fri Nov 20\nSubject: t\n", "Subject: t\r\n"),
            ("a\r\nb\nc", "a\r\nb\r\nc"),
            ("a\r\r\nb\rc\r", "a\r\r\nb\rc\r"),
            ("From here on", "From here on"),
        ] {
            assert_eq!(read(input.as_bytes(), 100).unwrap(), expected.as_bytes());
        }
        let too_big = read([b'x'; 11].as_slice(), 10);
        assert_eq!(too_big.unwrap_err().exit, Exit::DataErr);
    }

    /// A CRLF that is cut between two pieces is one, and "From " stands for itself later on.
    #[test]
    fn large_input_becomes_mail_content() {
        let line = b"From the second line on it is text\r\n";
        let mut input = vec![b'x'; PIECE - 1];
        while input.len() < 3 << 20 {
            input.extend_from_slice(&line[34..]);
            input.extend_from_slice(&line.repeat(1 + PIECE / line.len()));
            input.resize(input.len().next_multiple_of(PIECE) - 1, b'y');
        }
        assert!(read(input.as_slice(), 4 << 20).unwrap() == input);
        let lf = crate::maildir::to_lf(&input);
        assert!(read(&*lf, 4 << 20).unwrap() == input);
        let fault = content(input.as_slice(), 4 << 20, no_file).unwrap_err();
        assert_eq!(fault.exit, Exit::TempFail);
    }
}
