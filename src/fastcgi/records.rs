//! The records of the protocol (FastCGI specification, section 3.3): those that are sent are
//! written, those that PHP sends are checked as they come by.

use std::io;

/// Octets before the content of a record.
const HEADER: usize = 8;
/// Octets of the content of `BEGIN_REQUEST` and of `END_REQUEST`.
const FIXED: usize = 8;
/// Octets of content that one record can have and that need no padding.
pub(super) const CONTENT: usize = 0xfff8;

const VERSION: u8 = 1;
/// The only request of a connection.
const REQUEST: u16 = 1;
/// The role of what answers: 1, a responder; and no flags, as the connection is not kept.
const RESPONDER: [u8; FIXED] = [0, 1, 0, 0, 0, 0, 0, 0];
const BEGIN_REQUEST: u8 = 1;
const END_REQUEST: u8 = 3;
pub(super) const PARAMS: u8 = 4;
pub(super) const STDIN: u8 = 5;
pub(super) const STDOUT: u8 = 6;
pub(super) const STDERR: u8 = 7;

/// Writes the beginning of a request.
pub(super) fn begin(out: &mut Vec<u8>) {
    let at = open(out);
    out.extend_from_slice(&RESPONDER);
    close(out, at, BEGIN_REQUEST);
}

/// Writes a record with this content, [`CONTENT`] at most. One without ends its stream.
pub(super) fn write(out: &mut Vec<u8>, kind: u8, content: &[u8]) {
    let at = open(out);
    out.extend_from_slice(content);
    close(out, at, kind);
}

/// Makes room for the header of a record, whose content is to follow; returns where it begins.
pub(super) fn open(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[0; HEADER]);
    out.len() - HEADER
}

/// Ends the record that begins at `at`. Its padding makes the next one begin at a multiple of eight.
pub(super) fn close(out: &mut Vec<u8>, at: usize, kind: u8) {
    let length = out.len() - at - HEADER;
    debug_assert!(length <= CONTENT, "no record can have {length} octets");
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    let padding = length.wrapping_neg() & 7;
    let [request, content] = [REQUEST, length].map(u16::to_be_bytes);
    let header = [
        VERSION, kind, request[0], request[1], content[0], content[1],
    ];
    out[at..at + 6].copy_from_slice(&header);
    out[at + 6] = padding.to_be_bytes()[1];
    out.resize(out.len() + usize::from(padding), 0);
}

/// The statuses of END_REQUEST (section 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// What the application exited with.
    pub(super) application: u32,
    /// 0 if the request was served; 2 when the server is overloaded.
    pub(super) protocol: u8,
}

/// Follows the records of one answer, in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct Records {
    header: Vec<u8>,
    /// The content of END_REQUEST, as far as it is there.
    end: Vec<u8>,
    /// Octets of the content, and of the padding, that are still to come.
    content: usize,
    padding: usize,
    ended: Option<End>,
}

impl Records {
    /// What the last record said; none before it has come.
    pub(super) fn end(&self) -> Option<End> {
        self.ended
    }

    /// Looks at the next octets, and gives what PHP has written there to `take`, as STDOUT or STDERR. What
    /// follows the end of the answer does not belong to it.
    pub(super) fn follow(
        &mut self,
        octets: &[u8],
        mut take: impl FnMut(u8, &[u8]),
    ) -> io::Result<()> {
        let mut at = 0;
        while at < octets.len() && self.ended.is_none() {
            let rest = &octets[at..];
            if self.header.len() < HEADER {
                let taken = rest.len().min(HEADER - self.header.len());
                self.header.extend_from_slice(&rest[..taken]);
                at += taken;
                if self.header.len() == HEADER {
                    self.look()?;
                }
            } else if self.content > 0 {
                let taken = rest.len().min(self.content);
                match self.header[1] {
                    END_REQUEST => self.end.extend_from_slice(&rest[..taken]),
                    kind => take(kind, &rest[..taken]),
                }
                self.content -= taken;
                at += taken;
            } else {
                let taken = rest.len().min(self.padding);
                self.padding -= taken;
                at += taken;
            }
            self.finish();
        }
        Ok(())
    }

    /// A header is there.
    fn look(&mut self) -> io::Result<()> {
        let pair = |at: usize| u16::from_be_bytes([self.header[at], self.header[at + 1]]);
        let (kind, content) = (self.header[1], usize::from(pair(4)));
        let fault = match kind {
            _ if self.header[0] != VERSION => "what answers does not speak FastCGI",
            END_REQUEST | STDOUT | STDERR if pair(2) != REQUEST => "an answer to another request",
            END_REQUEST if content != FIXED => "a malformed end of the answer",
            END_REQUEST | STDOUT | STDERR => "",
            _ => "a record that is no answer",
        };
        if !fault.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, fault));
        }
        (self.content, self.padding) = (content, usize::from(self.header[6]));
        Ok(())
    }

    /// The record may be complete.
    fn finish(&mut self) {
        if self.header.len() < HEADER || self.content > 0 || self.padding > 0 {
            return;
        }
        if let [a, b, c, d, protocol, ..] = self.end[..] {
            let application = u32::from_be_bytes([a, b, c, d]);
            self.ended = Some(End {
                application,
                protocol,
            });
        }
        self.header.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, content: &[u8], padding: u8) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        let mut record = vec![1, kind, 0, 1, length[0], length[1], padding, 0];
        record.extend_from_slice(content);
        record.extend(vec![0; usize::from(padding)]);
        record
    }

    #[test]
    fn an_answer_is_followed_in_pieces_of_any_size() {
        let mut octets = record(STDOUT, b"hello", 3);
        octets.extend(record(STDERR, b"", 0));
        octets.extend(record(STDERR, b"oh", 6));
        octets.extend(record(STDOUT, b" there", 0));
        octets.extend(record(END_REQUEST, &[0, 0, 1, 2, 2, 0, 0, 0], 5));
        let length = octets.len();
        octets.extend(b"more");
        let end = End {
            application: 0x102,
            protocol: 2,
        };
        for size in 1..=octets.len() {
            let mut records = Records::default();
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            for piece in octets.chunks(size) {
                let take = |kind, octets: &[u8]| match kind {
                    STDOUT => stdout.extend_from_slice(octets),
                    _ => stderr.extend_from_slice(octets),
                };
                records.follow(piece, take).unwrap();
            }
            assert_eq!(
                (&stdout[..], &stderr[..]),
                (&b"hello there"[..], &b"oh"[..])
            );
            assert_eq!(records.end(), Some(end), "{size}");
            let mut records = Records::default();
            records.follow(&octets[..length - 1], |_, _| {}).unwrap();
            assert_eq!(records.end(), None);
        }
    }

    #[test]
    fn a_request_is_written_as_the_specification_has_it() {
        let mut out = Vec::new();
        begin(&mut out);
        write(&mut out, PARAMS, b"abc");
        write(&mut out, PARAMS, b"");
        write(&mut out, STDIN, b"12345678");
        let expected: [&[u8]; 6] = [
            &[1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
            &[1, 4, 0, 1, 0, 3, 5, 0],
            b"abc\0\0\0\0\0",
            &[1, 4, 0, 1, 0, 0, 0, 0],
            &[1, 5, 0, 1, 0, 8, 0, 0],
            b"12345678",
        ];
        assert_eq!(out, expected.concat());
        out.clear();
        write(&mut out, STDIN, &vec![b'x'; CONTENT]);
        assert_eq!((out[4], out[5], out[6]), (0xff, 0xf8, 0));
        assert_eq!(out.len(), HEADER + CONTENT);
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        let other = [1, STDOUT, 0, 2, 0, 0, 0, 0];
        for wrong in [
            b"HTTP/1.1 400 Bad Request\r\n".to_vec(),
            other.to_vec(),
            record(END_REQUEST, &[0; 7], 1),
            record(END_REQUEST, &[0; 16], 0),
            record(END_REQUEST, &[], 0),
            record(5, b"x", 0),
            record(11, &[0; 8], 0),
        ] {
            let error = Records::default().follow(&wrong, |_, _| {}).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{wrong:?}");
        }
    }
}
