//! One mail transaction: from MAIL to the end of the content (RFC 5321 section 3.3).

use super::address::{Domain, ReversePath};
use super::command::{Greeting, MailParameters};
use super::reply::Reply;
use super::xclient::Origin;

/// A message that is being submitted.
#[derive(Debug)]
pub(super) struct Transaction<R> {
    pub reverse_path: ReversePath,
    pub parameters: MailParameters,
    pub recipients: Vec<R>,
    /// RCPT commands, accepted or not.
    pub attempts: usize,
    /// Whether BDAT was used.
    pub chunked: bool,
    pub progress: Progress,
}

/// How far the content has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Octets so far.
    pub size: u64,
    /// Why it will not be taken.
    pub refusal: Option<Reply>,
}

/// A message whose content is complete.
#[derive(Debug)]
pub struct Submission<R> {
    /// How the client greeted.
    pub greeting: Greeting,
    /// Under which name.
    pub name: Domain,
    /// Where a bounce would go.
    pub reverse_path: ReversePath,
    /// What was said with MAIL.
    pub parameters: MailParameters,
    /// The accepted recipients, in order; at least one.
    pub recipients: Vec<R>,
    /// Where a content filter says that it comes from (XFORWARD).
    pub origin: Option<Box<Origin>>,
}

impl<R> Transaction<R> {
    pub fn new(reverse_path: ReversePath, parameters: MailParameters) -> Self {
        Self {
            reverse_path,
            parameters,
            recipients: Vec::new(),
            attempts: 0,
            chunked: false,
            progress: Progress::default(),
        }
    }

    pub fn submit(
        self,
        greeting: Greeting,
        name: Domain,
        origin: Option<Box<Origin>>,
    ) -> Submission<R> {
        Submission {
            greeting,
            name,
            reverse_path: self.reverse_path,
            parameters: self.parameters,
            recipients: self.recipients,
            origin,
        }
    }
}
