//! Proof that a request comes from us: HMAC-SHA256 (RFC 2104) with a shared secret.
//!
//! `X-Signature: t=<seconds>,v2=<hex>` over eight lines, with LF between them: `v2`, the seconds since
//! 1970, the key, MAIL FROM, RCPT TO, the mailbox, the login, and the value of `Content-Digest`
//! (RFC 9530), which is sent as well: `sha-256=:<base64>:` of the body as it is sent. No value has a
//! line end in it, so that none passes for two. What is no line here is not proven: HELO, TLS, captures,
//! the client's address. Of `multipart/form-data` PHP does not see the body, and cannot check its digest.

use std::fmt::{self, Write as _};
use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::Envelope;
use super::parameters::in_one_line;

/// What the text begins with that is signed; another text has another name.
const VERSION: &str = "v2";
/// [`content_digest`] of no body.
pub(super) const OF_NOTHING: &str = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
/// Octets of a body that are read at once.
const BLOCK: usize = 64 << 10;

/// What a request is signed with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proof<'a> {
    pub(super) secret: &'a Secret,
    /// [`content_digest`] of the body.
    pub(super) digest: &'a str,
}

/// What we and PHP know.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// These octets.
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(octets.into())
    }

    /// The value of the header field; `digest` is that of the body.
    pub(super) fn sign(&self, now: u64, envelope: &Envelope, digest: &str) -> String {
        let time = now.to_string();
        let login = envelope.login.as_deref().unwrap_or_default();
        let lines = [
            VERSION,
            &time,
            &envelope.key,
            &envelope.mail_from,
            &envelope.rcpt,
            &envelope.mailbox,
            login,
            digest,
        ];
        let signed = self.digest(&lines.map(in_one_line).join("\n"));
        format!("t={time},{VERSION}={signed}")
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

/// The value of `Content-Digest` for what is read to the end.
pub(super) fn content_digest(mut body: impl Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK];
    loop {
        match body.read(&mut block) {
            Ok(0) => break,
            Ok(read) => hasher.update(&block[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(format!("sha-256=:{}:", STANDARD.encode(hasher.finalize())))
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

    /// RFC 9530, appendix B.1.
    #[test]
    fn the_digest_of_a_body_is_that_of_the_rfc() {
        let body = &b"{\"hello\": \"world\"}\n"[..];
        assert_eq!(
            content_digest(body).unwrap(),
            "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
        );
        assert_eq!(content_digest(io::empty()).unwrap(), OF_NOTHING);
    }

    /// RFC 4231, test case 2.
    #[test]
    fn the_digest_is_that_of_the_rfc() {
        assert_eq!(
            Secret::new("Jefe").digest("what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
