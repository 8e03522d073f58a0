//! `Hasher`: a digest that names a message for a recipient, the same on every retry.

use super::{Delivery, Pending, Processor, Staged};
use crate::failure::Failure;

/// BLAKE3 over content, reverse-path and forward-path. The same message sent
/// again to the same recipient has the same digest, so that whoever stores by it
/// stores once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hasher;

impl Processor for Hasher {
    fn name(&self) -> &'static str {
        "Hasher"
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move {
            let mut message = blake3::Hasher::new();
            // The length keeps content and addresses apart.
            message.update(&(delivery.mail.content.len() as u64).to_le_bytes());
            delivery.mail.content.pieces().each(|piece| {
                message.update(piece);
                Ok(())
            })?;
            message.update(format!("<{}>", delivery.mail.envelope.reverse_path).as_bytes());
            delivery.digests = delivery
                .recipients()
                .iter()
                .map(|recipient| {
                    let mut hasher = message.clone();
                    hasher.update(format!("<{}>", recipient.forward_path).as_bytes());
                    hasher.finalize().to_hex().to_string()
                })
                .collect();
            Ok(Staged::Done)
        })
    }
}
