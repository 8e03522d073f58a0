//! What happens to mail.

use std::sync::Arc;
use std::time::Duration;

use super::Peer;
use crate::envelope::{Client, Envelope, Recipient};
use crate::failure::{Failure, status};
use crate::smtp::Reply;
use crate::smtp::address::{ForwardPath, ReversePath};

/// A message of which all content was here, and what became of it.
#[derive(Clone, Debug)]
pub struct Message {
    /// Our name for it, which the log has, too.
    pub id: String,
    /// Where it came in; `local` for a program of this machine.
    pub listener: Arc<str>,
    /// Who sent it to us.
    pub client: Client,
    /// Where a bounce would go.
    pub reverse_path: ReversePath,
    /// The recipients with this outcome, as the client gave them.
    pub recipients: Vec<ForwardPath>,
    /// Octets of header and body, as received.
    pub size: usize,
    /// From the end of the content to the outcome.
    pub delay: Duration,
    /// Delivered, which for an application that gets its mail later means that it is in its queue;
    /// or what the client was told and why.
    pub outcome: Result<(), Failure>,
}

impl Message {
    /// What became of a message for some of its recipients.
    pub(crate) fn new(
        envelope: &Envelope,
        (listener, size): (Arc<str>, usize),
        recipients: &[&Recipient],
        delay: Duration,
        outcome: &Result<(), Failure>,
    ) -> Self {
        let paths = recipients.iter().map(|it| it.forward_path.clone());
        Self {
            id: envelope.id.clone(),
            listener,
            client: envelope.client.clone(),
            reverse_path: envelope.reverse_path.clone(),
            recipients: paths.collect(),
            size,
            delay,
            outcome: outcome.clone(),
        }
    }

    /// `delivered`, `deferred` (the client may try again) or `refused`, as the log has it.
    pub fn status(&self) -> &'static str {
        match &self.outcome {
            Ok(()) => "delivered",
            Err(failure) => status(&failure.reply),
        }
    }

    pub(super) fn topic(&self) -> &'static str {
        match self.status() {
            "delivered" => "message:delivered",
            "refused" => "message:refused",
            _ => "message:deferred",
        }
    }
}

/// Who or what was refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Whose it was.
    pub peer: Peer,
    /// What.
    pub of: Refused,
    /// What the client was told; nothing where it was not worth a word.
    pub reply: Option<Reply>,
    /// Why, where the reply does not say it.
    pub cause: Option<String>,
}

/// What was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The connection, before anything was said.
    Connection,
    /// A command: out of place, misspelt, one too many, or a limit is reached with it.
    Command,
    /// A recipient: there is none, or not now.
    Recipient {
        /// The argument of RCPT.
        path: ForwardPath,
        /// That of MAIL.
        reverse_path: ReversePath,
    },
    /// A message while its content came in, or because of what it was seen to be then: too large,
    /// with bare newlines, without room for it here.
    Content,
}

impl Refusal {
    pub(super) fn topic(&self) -> &'static str {
        match self.of {
            Refused::Connection => "refused:connection",
            Refused::Command => "refused:command",
            Refused::Recipient { .. } => "refused:recipient",
            Refused::Content => "refused:content",
        }
    }
}

/// An attempt to hand a letter over, and what it has come to.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The name of its queue, in lower case.
    pub queue: String,
    /// The id of the message that it is from.
    pub id: String,
    /// For whom it is.
    pub recipient: String,
    /// Attempts up to now.
    pub attempts: u32,
    /// What this one has come to.
    pub fate: LetterFate,
}

/// What an attempt to hand a letter over has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LetterFate {
    /// The application has it.
    HandedOver,
    /// It is tried again.
    Waits {
        /// After how long.
        after: Duration,
        /// What went wrong.
        why: String,
    },
    /// It is not tried any more: a dead letter.
    Dead {
        /// What went wrong.
        why: String,
    },
}

impl Letter {
    pub(super) fn topic(&self) -> &'static str {
        match self.fate {
            LetterFate::HandedOver => "letter:handed_over",
            LetterFate::Waits { .. } => "letter:waits",
            LetterFate::Dead { .. } => "letter:dead",
        }
    }
}
