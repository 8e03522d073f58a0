//! `Wildcard`: accepts recipients by a host list of its own, as go-guerrilla's
//! processor of that name does.

use super::{Delivery, Pending, Processor, Sender, Staged};
use crate::envelope::Recipient;
use crate::failure::Failure;
use crate::recipients::HostPatterns;
use crate::smtp::address::ForwardPath;
use crate::smtp::reply;

/// Refuses recipients whose host is not in a list of its own; in `save` it lets every message pass.
#[derive(Debug)]
pub struct Wildcard {
    hosts: HostPatterns,
}

impl Wildcard {
    /// Accepts recipients whose host matches.
    pub fn new(hosts: HostPatterns) -> Self {
        Self { hosts }
    }
}

impl Processor for Wildcard {
    fn name(&self) -> &'static str {
        "Wildcard"
    }

    fn validate<'a>(
        &'a self,
        recipient: &'a Recipient,
        _: Sender<'a>,
    ) -> Pending<'a, Result<(), Failure>> {
        Box::pin(async move {
            match &recipient.forward_path {
                ForwardPath::Postmaster => Ok(()),
                ForwardPath::Mailbox(mailbox) if self.hosts.find(mailbox.domain()).is_some() => {
                    Ok(())
                }
                ForwardPath::Mailbox(_) => Err(Failure::new(
                    reply::RELAYING_DENIED,
                    "no pattern of wildcard.hosts matches",
                )),
            }
        })
    }

    fn stage<'a>(&'a self, _: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async { Ok(Staged::Done) })
    }
}
