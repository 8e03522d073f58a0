//! Content coming in, by DATA (RFC 5321 section 4.1.1.4) or BDAT (RFC 3030 section 2).

use core::ops::Range;

use super::{Event, Session, State};
use crate::smtp::data::{Decoded, Decoder};
use crate::smtp::reply::{self, Reply};
use crate::smtp::transaction::{Progress, Transaction};

/// A chunk this many times the largest message is not read to its end.
const CHUNK_LIMIT: u64 = 16;

impl<R> Session<R> {
    pub(super) fn begin_data(&mut self) -> Reply {
        match self.ready_for_content() {
            Err(reply) => reply,
            Ok(transaction) if transaction.chunked => reply::BDAT_HAS_BEGUN,
            Ok(transaction) if transaction.parameters.binary => reply::BINARY_NEEDS_BDAT,
            Ok(_) => {
                self.state = State::Data(Decoder::default());
                reply::start_mail_input()
            }
        }
    }

    /// The chunk follows its command at once, so it is read even when it is
    /// refused (RFC 3030 section 2); only one that is beyond reason is not.
    pub(super) fn begin_chunk(&mut self, size: u64, last: bool) {
        let refusal = match self.ready_for_content() {
            Ok(transaction) => {
                transaction.chunked = true;
                None
            }
            Err(reply) => Some(reply),
        };
        self.read_chunk(size, last, refusal);
    }

    /// Reads a chunk that cannot be taken now.
    pub(super) fn refuse_chunk(&mut self, size: u64, last: bool, reply: Reply) {
        self.read_chunk(size, last, Some(reply));
    }

    fn read_chunk(&mut self, size: u64, last: bool, refusal: Option<Reply>) {
        if size / CHUNK_LIMIT > self.profile.message_size {
            self.dismiss(&reply::TOO_BIG.with_text("Chunk too big, closing"));
            return;
        }
        self.state = State::Chunk {
            size,
            remaining: size,
            last,
            refusal,
        };
    }

    fn ready_for_content(&mut self) -> Result<&mut Transaction<R>, Reply> {
        let transaction = self.transaction.as_mut().ok_or(reply::MAIL_FIRST)?;
        if !transaction.recipients.is_empty() {
            Ok(transaction)
        } else if transaction.attempts > 0 {
            Err(self.profile.no_valid_recipients())
        } else {
            Err(reply::RCPT_FIRST)
        }
    }

    pub(super) fn data(&mut self) -> Option<Event<R>> {
        let State::Data(decoder) = &mut self.state else {
            return None;
        };
        match decoder.decode(self.input.rest()) {
            Decoded::Content { used: 0, .. } => Some(self.wait()),
            Decoded::Content { content, used } => self.content(content, used),
            Decoded::End { used, doubtful } => {
                let spoiled = decoder.is_spoiled() && !self.profile.accept_bare_newlines;
                self.input.take(used);
                if spoiled {
                    self.refuse(reply::BAD_NEWLINES);
                }
                let event = self.finish();
                if spoiled && doubtful {
                    // Whoever sent this may hold what follows to be content still.
                    self.state = State::Closing;
                }
                Some(event)
            }
        }
    }

    pub(super) fn chunk(&mut self) -> Option<Event<R>> {
        let State::Chunk {
            size,
            remaining,
            last,
            refusal,
        } = &mut self.state
        else {
            return None;
        };
        if *remaining > 0 {
            let available = self.input.rest().len();
            let used = usize::try_from(*remaining)
                .unwrap_or(usize::MAX)
                .min(available);
            *remaining -= used as u64;
            let refused = refusal.is_some();
            return match used {
                0 => Some(self.wait()),
                _ if refused => {
                    self.input.take(used);
                    None
                }
                _ => self.content(0..used, used),
            };
        }
        let (empty, last, refusal) = (*size == 0, *last, refusal.take());
        self.state = State::Command;
        if let Some(reply) = refusal {
            self.answer(&reply);
            return None;
        }
        if last {
            Some(self.finish())
        } else {
            self.chunk_received(empty)
        }
    }

    /// The answer to a chunk that is not the last one. Without octets it brings
    /// the mail no nearer.
    fn chunk_received(&mut self, empty: bool) -> Option<Event<R>> {
        let refusal = self
            .transaction
            .as_ref()
            .and_then(|transaction| transaction.progress.refusal.clone());
        if let Some(reply) = refusal {
            self.transaction = None;
            self.vouching.origin = None;
            self.answer(&reply);
            self.it_was_content();
            return Some(Event::Discard);
        }
        if empty {
            return self.idle(&reply::CHUNK_OK, false);
        }
        self.answer(&reply::CHUNK_OK);
        None
    }

    /// Hands content on, unless it is refused or grows over the limit.
    fn content(&mut self, content: Range<usize>, used: usize) -> Option<Event<R>> {
        self.input.take(used);
        let limit = self.profile.message_size;
        let Progress { size, refusal } = &mut self.transaction.as_mut()?.progress;
        if refusal.is_some() || content.is_empty() {
            return None;
        }
        *size += content.len() as u64;
        if *size > limit {
            *refusal = Some(reply::TOO_BIG);
            return Some(Event::Discard);
        }
        let unused = used - content.end;
        Some(Event::Content(
            self.input.consumed_range(content.len(), unused),
        ))
    }

    /// All of the content is here: deliver it, or say why not.
    fn finish(&mut self) -> Event<R> {
        self.state = State::Command;
        let origin = self.vouching.origin.take();
        let Some((transaction, (greeting, name))) =
            self.transaction.take().zip(self.client.clone())
        else {
            return Event::Discard;
        };
        let recipients = transaction.recipients.len();
        if let Some(reply) = &transaction.progress.refusal {
            self.idle_commands += 1;
            self.note(reply);
            self.it_was_content();
            for _ in 0..self.profile.replies_after_data(recipients) {
                reply.write(&mut self.output);
            }
            return Event::Discard;
        }
        self.state = State::Delivering { recipients };
        Event::Deliver(transaction.submit(greeting, name, origin))
    }
}
