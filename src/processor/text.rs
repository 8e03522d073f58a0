//! Content with the line ends of the file it goes into.

use std::io;

use super::Delivery;
use crate::maildir::{self, Stream};

/// What a file has of the content: slices where it is in memory in this form, else a stream.
pub(super) struct Text<'a> {
    pub(super) slices: Vec<&'a [u8]>,
    stream: Option<Streamed<'a>>,
    /// The octets, if every end of line were CRLF.
    pub(super) crlf_size: u64,
    /// Whether lines end in CRLF, else in LF.
    pub(super) crlf: bool,
}

/// Content that is read, or gets its line ends, while it is written.
#[derive(Debug)]
struct Streamed<'a> {
    delivery: &'a Delivery,
    octets: u64,
    crlf: bool,
}

impl<'a> Text<'a> {
    /// What is not left out of a message.
    ///
    /// # Errors
    ///
    /// Those of reading it from disk.
    pub(super) fn new(delivery: &'a Delivery, crlf: bool) -> io::Result<Self> {
        let slices = if crlf {
            delivery.octets()
        } else {
            delivery.text()
        };
        if let Some(slices) = slices {
            return Ok(Self {
                crlf_size: slices.iter().map(|slice| maildir::crlf_size(slice)).sum(),
                slices,
                stream: None,
                crlf,
            });
        }
        let tally = delivery.tally()?;
        let octets = if crlf {
            tally.octets()
        } else {
            tally.lf_size()
        };
        Ok(Self {
            slices: Vec::new(),
            stream: Some(Streamed {
                delivery,
                octets,
                crlf,
            }),
            crlf_size: tally.crlf_size(),
            crlf,
        })
    }

    /// What follows the slices.
    pub(super) fn stream(&self) -> Option<&dyn Stream> {
        let stream = self.stream.as_ref();
        stream.map(|stream| stream as &dyn Stream)
    }
}

impl Stream for Streamed<'_> {
    fn octets(&self) -> u64 {
        self.octets
    }

    fn each(&self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let content = self.delivery.content();
        if self.crlf {
            content.each(take)
        } else {
            content.with_lf().each(take)
        }
    }
}
