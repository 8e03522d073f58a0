//! `Hasher`: a digest that names a message for a recipient, the same on every retry.

use std::borrow::Cow;
use std::io;

use super::{Delivery, Pending, Processor, Staged};
use crate::envelope::Recipient;
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
            delivery.digests = digests(delivery)?;
            Ok(Staged::Done)
        })
    }
}

/// One digest for each recipient: those that `Hasher` has made, or where it is not in the chain, the
/// same made now.
///
/// # Errors
///
/// Those of reading content from disk.
pub(super) fn keys(delivery: &Delivery) -> io::Result<Cow<'_, [String]>> {
    if delivery.digests.is_empty() {
        digests(delivery).map(Cow::Owned)
    } else {
        Ok(Cow::Borrowed(&delivery.digests))
    }
}

fn digests(delivery: &Delivery) -> io::Result<Vec<String>> {
    if let Some(keys) = delivery.mail.keys.get(delivery.indices()) {
        return Ok(keys.to_vec());
    }
    let mut message = blake3::Hasher::new();
    // The length keeps content and addresses apart.
    message.update(&(delivery.mail.content.len() as u64).to_le_bytes());
    delivery.mail.content.pieces().each(|piece| {
        message.update(piece);
        Ok(())
    })?;
    message.update(format!("<{}>", delivery.mail.envelope.reverse_path).as_bytes());
    let digest = |recipient: &Recipient| {
        let mut hasher = message.clone();
        hasher.update(format!("<{}>", recipient.forward_path).as_bytes());
        hasher.finalize().to_hex().to_string()
    };
    Ok(delivery.recipients().iter().map(digest).collect())
}
