//! TLS: certificates from PEM files, kept fresh and chosen by the name that a client asks for, and
//! what is offered with them. The connections are the server's.
//!
//! Read in this order: [`facts`](Facts), `pem`, `files`, `clients`, and last the [`Offer`] that
//! joins them.

mod armor;
mod clients;
mod facts;
mod files;
mod offer;
mod pem;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

pub use self::facts::{Facts, fingerprint};
pub use self::files::{Certificates, Files, Renewal};
pub use self::offer::{Demand, Offer, Settings, Version, provider};
pub use self::pem::{Identity, Pair, certificates};

/// What is wrong with a file, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it; then how to mend it.
    pub problem: String,
}

impl TlsError {
    /// This problem with this file.
    pub fn new(file: &Path, problem: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            problem: problem.into(),
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.problem)
    }
}

impl std::error::Error for TlsError {}
