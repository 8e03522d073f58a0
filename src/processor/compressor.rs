//! `Compressor`: a zlib stream of the message for the processors after it.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::{Delivery, Pending, Processor, Staged};
use crate::failure::Failure;

/// Compresses trace fields (those of the first copy) and content (RFC 1950) once, beside the content and not instead of
/// it: a `MailDir` after it writes the message as ever. The stream is kept in memory until the delivery is over, and not
/// counted against the limit of that.
#[derive(Clone, Copy, Debug)]
pub struct Compressor {
    level: Compression,
}

impl Compressor {
    /// Compresses at a level of 0 (not at all) to 9 (best).
    pub fn new(level: u32) -> Self {
        Self {
            level: Compression::new(level.min(9)),
        }
    }
}

impl Default for Compressor {
    fn default() -> Self {
        Self {
            level: Compression::fast(),
        }
    }
}

impl Processor for Compressor {
    fn name(&self) -> &'static str {
        "Compressor"
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move {
            let mut encoder = ZlibEncoder::new(Vec::new(), self.level);
            encoder.write_all(first_fields(delivery).as_bytes())?;
            delivery.content().each(|piece| encoder.write_all(piece))?;
            delivery.compressed = Some(encoder.finish()?);
            Ok(Staged::Done)
        })
    }
}

/// The trace fields of the first copy, with the line ends that the content has.
fn first_fields(delivery: &Delivery) -> String {
    let first = delivery.recipients().iter().find_map(|recipient| {
        let destination = recipient.destinations.first()?;
        Some(delivery.trace.as_ref()?.fields(recipient, destination))
    });
    first.unwrap_or_default().replace('\n', "\r\n")
}
