//! `Debugger`: shows in the log what passes, but never a body.

use log::debug;

use super::{Delivery, Pending, Processor, Staged};
use crate::failure::Failure;

/// Logs envelope, size and what earlier processors found, at level `debug`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Debugger;

impl Processor for Debugger {
    fn name(&self) -> &'static str {
        "Debugger"
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move {
            let envelope = &delivery.mail.envelope;
            for recipient in delivery.recipients() {
                debug!(
                    id = envelope.id.as_str(),
                    from:% = envelope.reverse_path,
                    to:% = recipient.forward_path,
                    size = delivery.mail.content.len();
                    "passes through the chain"
                );
            }
            if let Some(headers) = &delivery.headers {
                debug!(id = envelope.id.as_str(), subject:? = headers.subject, message_id:? = headers.message_id; "header");
            }
            Ok(Staged::Done)
        })
    }
}
