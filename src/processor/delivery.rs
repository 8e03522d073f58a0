//! What the processors of one delivery share.

use std::collections::HashMap;
use std::io;
use std::iter;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use memchr::memmem;

use super::{Files, Trace};
use crate::content::Pieces;
use crate::envelope::{Mail, Recipient};
use crate::maildir::{Location, Tally};

/// One message on its way through the chain to recipients that share one fate.
#[derive(Debug)]
pub struct Delivery {
    /// Envelope and content as received.
    pub mail: Arc<Mail>,
    /// Which of the envelope's recipients this delivery is for.
    chosen: Range<usize>,
    /// Fields of the header, set by `HeadersParser`.
    pub headers: Option<Headers>,
    /// One digest per recipient, set by `Hasher`: 64 hexadecimal digits.
    pub digests: Vec<String>,
    /// What is written before the content, set by `Header`.
    pub trace: Option<Trace>,
    /// Parts of the content that are left out, set by `Header`: in order, not overlapping.
    pub omitted: Vec<Range<usize>>,
    /// Trace fields and content as a zlib stream, set by `Compressor` for processors after it.
    pub compressed: Option<Vec<u8>>,
    /// What is written into Maildirs and becomes visible in one commit.
    pub files: Files,
    /// Where the copies will be, set by `MailDir`: for each Maildir the file in it.
    pub stored: HashMap<Location, PathBuf>,
}

/// The fields of a header that processors ask for, decoded (RFC 2047).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// `Subject`.
    pub subject: Option<String>,
    /// The first address of `From`.
    pub from: Option<String>,
    /// The first address of `To`.
    pub to: Option<String>,
    /// The first address of `Reply-To`.
    pub reply_to: Option<String>,
    /// The address of `Sender`.
    pub sender: Option<String>,
    /// `Message-ID` without its angle brackets.
    pub message_id: Option<String>,
    /// `Content-Type`, without its parameters.
    pub content_type: Option<String>,
}

impl Delivery {
    /// A delivery that no processor has seen.
    ///
    /// # Panics
    ///
    /// When there are fewer recipients than chosen.
    pub fn new(mail: Arc<Mail>, chosen: Range<usize>) -> Self {
        assert!(
            chosen.end <= mail.envelope.recipients.len(),
            "recipients that are not there"
        );
        Self {
            mail,
            chosen,
            headers: None,
            digests: Vec::new(),
            trace: None,
            omitted: Vec::new(),
            compressed: None,
            files: Files::default(),
            stored: HashMap::new(),
        }
    }

    /// Whom this delivery is for: all recipients of an SMTP message, one of an LMTP message.
    pub fn recipients(&self) -> &[Recipient] {
        &self.mail.envelope.recipients[self.chosen.clone()]
    }

    /// Their places among the envelope's recipients.
    pub fn indices(&self) -> Range<usize> {
        self.chosen.clone()
    }

    /// The content without what is to be left out, piece by piece.
    pub fn content(&self) -> Pieces<'_> {
        self.mail.content.parts(self.kept())
    }

    /// Trace fields and content as they are for a recipient, in memory and with CRLF line ends.
    ///
    /// # Errors
    ///
    /// Those of reading content from disk.
    #[cfg(feature = "redis")]
    pub(super) fn whole(&self, recipient: &Recipient) -> io::Result<Vec<u8>> {
        let trace = self.trace.as_ref().zip(recipient.destinations.first());
        let fields = trace.map(|(trace, first)| trace.fields(recipient, first));
        let mut whole = fields
            .unwrap_or_default()
            .replace('\n', "\r\n")
            .into_bytes();
        whole.reserve(self.mail.content.len());
        self.content().each(|piece| {
            whole.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(whole)
    }

    /// The content without what is to be left out, as slices: all of it, where it is in memory.
    pub(super) fn octets(&self) -> Option<Vec<&[u8]>> {
        let content = self.mail.content.octets()?;
        Some(self.kept().map(|kept| &content[kept]).collect())
    }

    /// The octets and line ends of what is not left out.
    pub(super) fn tally(&self) -> io::Result<Tally> {
        let content = &self.mail.content;
        self.omitted
            .iter()
            .try_fold(content.tally(), |kept, range| {
                let mut omitted = Tally::default();
                let pieces = content.parts(iter::once(range.clone()));
                pieces.each(|piece| {
                    omitted.add(piece);
                    Ok(())
                })?;
                Ok(kept.without(&omitted))
            })
    }

    /// As [`octets`](Self::octets), with LF line ends, where the content is small.
    pub(super) fn text(&self) -> Option<Vec<&[u8]>> {
        let (content, text) = (self.mail.content.octets()?, self.mail.content.text()?);
        // What is left out begins and ends between lines, so no CRLF is cut in two.
        let mut before = (0, 0);
        let mut place = move |at: usize| {
            let (from, mapped) = before;
            let line_ends = memmem::find_iter(&content[from..at], b"\r\n").count();
            before = (at, mapped + at - from - line_ends);
            before.1
        };
        let slice = |kept: Range<usize>| {
            let start = place(kept.start);
            if kept.end == content.len() {
                &text[start..]
            } else {
                &text[start..place(kept.end)]
            }
        };
        Some(self.kept().map(slice).collect())
    }

    /// Copies what the content has from `at` on into `buffer`, without what is left out, and returns
    /// how much; 0 at its end.
    #[cfg(feature = "fastcgi")]
    pub(super) fn read_at(&self, mut at: usize, buffer: &mut [u8]) -> io::Result<usize> {
        for kept in self.kept() {
            if at >= kept.len() {
                at -= kept.len();
                continue;
            }
            let start = kept.start + at;
            let wanted = start..kept.end.min(start + buffer.len());
            let mut pieces = self.mail.content.parts(iter::once(wanted));
            let piece = pieces.next_piece()?.unwrap_or_default();
            buffer[..piece.len()].copy_from_slice(piece);
            return Ok(piece.len());
        }
        Ok(0)
    }

    /// The parts of the content that are not left out and not empty.
    pub(super) fn kept(&self) -> impl Iterator<Item = Range<usize>> {
        let starts = std::iter::once(0).chain(self.omitted.iter().map(|range| range.end));
        let ends = self.omitted.iter().map(|range| range.start);
        let ends = ends.chain([self.mail.content.len()]);
        starts
            .zip(ends)
            .map(|(start, end)| start..end)
            .filter(|kept| !kept.is_empty())
    }
}
