//! EXTERNAL (RFC 4422 appendix A): the certificate of the client tells who it is.

use super::{Fault, name};

/// The user that the client wants to be; none if it leaves that to its certificate.
pub(super) fn read(message: &[u8]) -> Result<Option<String>, Fault> {
    if message.is_empty() {
        return Ok(None);
    }
    let text = str::from_utf8(message).map_err(|_| Fault::Malformed("no UTF-8"))?;
    name(text).map(Some)
}
