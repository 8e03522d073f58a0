//! What is kept of a password for SCRAM, and how it is written.

use core::fmt;

use pbkdf2::pbkdf2_hmac;
use sha2::{Digest as _, Sha256};

use super::super::{decode, encode};
use super::hmac;

/// Octets of a hash.
pub const HASH_SIZE: usize = 32;
/// How often the hash is taken for new keys. RFC 7677 asks for 4,096 at least; it is the client
/// that has to do it, at each login, and Cyrus SASL, which is in Postfix, refuses to do it more often.
pub const ITERATIONS: u32 = 65_536;
/// RFC 7677 section 4.
const FEWEST_ITERATIONS: u32 = 4096;
/// No client would.
const MOST_ITERATIONS: u32 = 10_000_000;
/// Before the values.
const NAME: &str = "SCRAM-SHA-256$";

/// The keys of a user (RFC 5802 section 3). Who knows them can pass for the server, not for the
/// user, but can guess the password at leisure.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// Unlike that of any other user.
    pub salt: Vec<u8>,
    /// How often the hash was taken.
    pub iterations: u32,
    /// `StoredKey`.
    pub stored_key: [u8; HASH_SIZE],
    /// `ServerKey`.
    pub server_key: [u8; HASH_SIZE],
}

impl Keys {
    /// The keys of a password that was prepared.
    pub fn new(password: &str, salt: Vec<u8>, iterations: u32) -> Self {
        let mut salted = [0; HASH_SIZE];
        pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, iterations, &mut salted);
        Self {
            salt,
            iterations,
            stored_key: Sha256::digest(hmac(&salted, b"Client Key")).into(),
            server_key: hmac(&salted, b"Server Key"),
        }
    }

    /// Reads `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`, the values in base64.
    pub fn parse(text: &str) -> Option<Self> {
        let (iterations, rest) = text.strip_prefix(NAME)?.split_once(':')?;
        let (salt, keys) = rest.split_once('$')?;
        let (stored_key, server_key) = keys.split_once(':')?;
        let key = |text: &str| decode(text.as_bytes())?.try_into().ok();
        let iterations = iterations.parse().ok()?;
        let salt = decode(salt.as_bytes())?;
        let is_sound = (FEWEST_ITERATIONS..=MOST_ITERATIONS).contains(&iterations);
        (is_sound && !salt.is_empty()).then_some(())?;
        Some(Self {
            salt,
            iterations,
            stored_key: key(stored_key)?,
            server_key: key(server_key)?,
        })
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (salt, iterations) = (encode(&self.salt), self.iterations);
        let (stored, server) = (encode(&self.stored_key), encode(&self.server_key));
        write!(f, "{NAME}{iterations}:{salt}${stored}:{server}")
    }
}

/// Keys are shown nowhere.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}
