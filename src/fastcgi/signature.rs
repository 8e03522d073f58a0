//! Proof that a request comes from us: HMAC-SHA256 (RFC 2104) with a shared secret.
//!
//! `X-Signature: t=<seconds>,v1=<hex>` over `<seconds>.<key>.<mail_from>.<rcpt>`.
//! The body is not in it, as PHP does not see the body of a multipart form; the
//! key is, and names the content. PHP says
//! `hash_hmac('sha256', "$t.$key.$from.$rcpt", $secret)`.

use std::fmt::{self, Write as _};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Envelope;

/// What we and PHP know.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// These octets.
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(octets.into())
    }

    /// The value of the header field.
    pub(super) fn sign(&self, now: u64, envelope: &Envelope) -> String {
        let Envelope {
            key,
            mail_from,
            rcpt,
            ..
        } = envelope;
        let digest = self.digest(&format!("{now}.{key}.{mail_from}.{rcpt}"));
        format!("t={now},v1={digest}")
    }

    /// HMAC-SHA256 of a text, in hexadecimal digits.
    pub(super) fn digest(&self, text: &str) -> String {
        // A key of any length will do (RFC 2104 section 3).
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return String::new();
        };
        mac.update(text.as_bytes());
        let digest = mac.finalize().into_bytes();
        digest.iter().fold(String::new(), |mut text, octet| {
            let _ = write!(text, "{octet:02x}");
            text
        })
    }
}

/// Not for the log.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn the_digest_is_that_of_the_rfc() {
        assert_eq!(
            Secret::new("Jefe").digest("what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
