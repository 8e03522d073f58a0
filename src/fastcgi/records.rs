//! The records that PHP sends, checked as they come by (FastCGI specification,
//! section 3.3). The client library believes what it reads: it would panic on a
//! short END_REQUEST, and take an answer that breaks off for a whole one.

use std::io;

/// Octets before the content of a record.
const HEADER: usize = 8;
/// Octets of the content of END_REQUEST.
const END: usize = 8;

const VERSION: u8 = 1;
/// The only request of a connection.
const REQUEST: u16 = 1;
const END_REQUEST: u8 = 3;
const STDOUT: u8 = 6;
const STDERR: u8 = 7;

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

    /// Looks at the next octets, and returns how many of them belong to the
    /// answer: what follows its end does not.
    pub(super) fn follow(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut at = 0;
        while at < octets.len() && self.ended.is_none() {
            let rest = &octets[at..];
            if self.header.len() < HEADER {
                let taken = rest.len().min(HEADER - self.header.len());
                self.header.extend_from_slice(&rest[..taken]);
                at += taken;
                if self.header.len() == HEADER {
                    self.begin()?;
                }
            } else if self.content > 0 {
                let taken = rest.len().min(self.content);
                if self.header[1] == END_REQUEST {
                    self.end.extend_from_slice(&rest[..taken]);
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
        Ok(at)
    }

    /// A header is there.
    fn begin(&mut self) -> io::Result<()> {
        let pair = |at: usize| u16::from_be_bytes([self.header[at], self.header[at + 1]]);
        let (kind, content) = (self.header[1], usize::from(pair(4)));
        let fault = match kind {
            _ if self.header[0] != VERSION => "what answers does not speak FastCGI",
            END_REQUEST | STDOUT | STDERR if pair(2) != REQUEST => "an answer to another request",
            END_REQUEST if content != END => "a malformed end of the answer",
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
        octets.extend(record(END_REQUEST, &[0, 0, 1, 2, 2, 0, 0, 0], 5));
        let length = octets.len();
        octets.extend(b"more");
        let end = End {
            application: 0x102,
            protocol: 2,
        };
        for size in 1..=octets.len() {
            let mut records = Records::default();
            let pieces = octets.chunks(size);
            let followed: usize = pieces.map(|piece| records.follow(piece).unwrap()).sum();
            assert_eq!((followed, records.end()), (length, Some(end)), "{size}");
            let mut records = Records::default();
            records.follow(&octets[..length - 1]).unwrap();
            assert_eq!(records.end(), None);
        }
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
            let error = Records::default().follow(&wrong).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{wrong:?}");
        }
    }
}
