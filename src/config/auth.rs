//! Who may log in, and how.

pub(super) mod check;

use std::path::PathBuf;

use serde::de::{Deserialize, Deserializer};

use super::networks::networks;
use super::scalars::{Scalar, words};
use super::suggestion;
use crate::server::Networks;
use crate::smtp::{self, sasl};

/// Who may log in, and how.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct AuthConfig {
    /// The file of the users, which `maiasaura passwd` writes (default: none).
    pub users: Option<PathBuf>,
    /// What clients may use, the best first (default: all there are).
    pub mechanisms: Vec<Mechanism>,
    /// Logins on connections without TLS (default: never).
    pub plaintext: Plaintext,
    /// Who is never locked out, as many users are behind one address there (default: nobody).
    #[serde(deserialize_with = "networks")]
    pub exempt: Networks,
}

/// A mechanism of SASL by its registered name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mechanism(pub sasl::Mechanism);

words! {
    /// Whether there are logins without TLS.
    pub enum Plaintext {
        /// There are none.
        #[default]
        Never = "never",
        /// On Unix sockets and from this machine.
        Local = "local",
    }
}

words! {
    /// Whether clients of a listener can log in.
    pub enum Auth {
        /// They cannot.
        #[default]
        Off = "off",
        /// They can, and can send without.
        Offered = "offered",
        /// They must.
        Required = "required",
    }
}

impl From<Auth> for smtp::Auth {
    fn from(auth: Auth) -> Self {
        match auth {
            Auth::Off => Self::Absent,
            Auth::Offered => Self::Offered,
            Auth::Required => Self::Required,
        }
    }
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            users: None,
            mechanisms: sasl::Mechanism::ALL.map(Mechanism).to_vec(),
            plaintext: Plaintext::Never,
            exempt: Networks::default(),
        }
    }
}

impl<'de> Deserialize<'de> for Mechanism {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| {
            let names = sasl::Mechanism::ALL.map(sasl::Mechanism::name);
            let unknown = || suggestion::unknown("mechanism", text, &names);
            sasl::Mechanism::parse(text).map(Self).ok_or_else(unknown)
        };
        deserializer.deserialize_any(Scalar {
            expected: "the name of a mechanism",
            read,
        })
    }
}
