//! Hashes of passwords: argon2id (RFC 9106) as a PHC string.

use std::io;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params};

use super::random;

/// Octets of memory that a check of a hash takes that was made here.
pub const MEMORY: u64 = Params::DEFAULT_M_COST as u64 * 1024;
/// KiB of memory that one check may take.
const MOST_MEMORY: u32 = 256 * 1024;
/// Passes over it.
const MOST_PASSES: u32 = 100;

/// The hash of a password that was prepared, with the parameters that OWASP asks for: 19 MiB of
/// memory, two passes.
pub fn hash(password: &str) -> io::Result<String> {
    let salt: [u8; 16] = random()?;
    let hash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|error| io::Error::other(error.to_string()))?;
    Ok(hash.to_string())
}

/// A hash that was read from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hash {
    hash: PasswordHash,
    /// KiB.
    memory: u32,
}

impl Hash {
    /// Reads a PHC string of argon2id; else what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let hash = PasswordHash::new(text).map_err(|error| format!("no hash: {error}"))?;
        if hash.algorithm != Algorithm::Argon2id.ident() || hash.hash.is_none() {
            return Err("the hash is not one of argon2id".into());
        }
        let parameters =
            Params::try_from(&hash).map_err(|error| format!("a bad parameter: {error}"))?;
        let (memory, passes) = (parameters.m_cost(), parameters.t_cost());
        if memory > MOST_MEMORY || passes > MOST_PASSES || parameters.p_cost() > 16 {
            return Err(format!(
                "a check would take too much; m={MOST_MEMORY},t={MOST_PASSES},p=16 is the most"
            ));
        }
        Ok(Self { hash, memory })
    }

    /// Octets of memory that a check takes.
    pub(super) fn memory(&self) -> u64 {
        u64::from(self.memory) * 1024
    }

    /// Whether it is that of this password. Takes tens of milliseconds.
    pub(super) fn is_of(&self, password: &str) -> bool {
        let password = password.as_bytes();
        Argon2::default()
            .verify_password(password, &self.hash)
            .is_ok()
    }
}
