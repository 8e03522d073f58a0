//! What the client is told, and what it may no longer do after that.

use super::{Session, State};
use crate::smtp::reply::{self, Reply};

/// Something that the session has refused by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the client was told, or would have been if it could read.
    pub reply: Reply,
    /// Whether it was the content of a message; else it was a command.
    pub is_content: bool,
}

impl<R> Session<R> {
    /// What was refused in the last step. What the driver was asked about is not among it, unless it
    /// was the content, with [`refuse`](Self::refuse).
    pub fn refused(&self) -> &[Refusal] {
        &self.refused
    }

    /// Says `reply`; counts it if the client broke the protocol, and has enough
    /// of that at the limit.
    pub(super) fn answer(&mut self, reply: &Reply) {
        if matches!(reply.code(), 500..=504 | 530 | 555) {
            self.faults += 1;
            if self.faults >= self.profile.errors {
                return self.dismiss(&reply::TOO_MANY_FAULTS);
            }
        }
        if reply.code() == 421 {
            return self.dismiss(reply);
        }
        self.say(reply);
    }

    /// Refuses to go on with this client.
    pub(super) fn dismiss(&mut self, reply: &Reply) {
        self.note(reply);
        self.end(reply);
    }

    /// Closes without a word: the peer is no client that could read one.
    pub(super) fn leave(&mut self, reply: &Reply) {
        self.note(reply);
        self.close();
    }

    pub(super) fn close(&mut self) {
        self.state = State::Closing;
        self.transaction = None;
        self.input.clear();
    }

    pub(super) fn say(&mut self, reply: &Reply) {
        if !reply.is_positive() {
            self.note(reply);
        }
        reply.write(&mut self.output);
    }

    pub(super) fn note(&mut self, refusal: &Reply) {
        self.refusals += 1;
        self.last_refusal = Some(refusal.clone());
        // As many at most as there is room for replies: these are forgotten with the next step.
        self.refused.push(Refusal {
            reply: refusal.clone(),
            is_content: false,
        });
    }

    /// What was refused last was the content of a message.
    pub(super) fn it_was_content(&mut self) {
        if let Some(refusal) = self.refused.last_mut() {
            refusal.is_content = true;
        }
    }
}
