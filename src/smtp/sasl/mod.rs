//! Who the client is: the mechanisms of SASL (RFC 4422) that AUTH offers (RFC 4954).
//!
//! An [`Exchange`] is given what the client said and tells what to do next. It does no I/O, and
//! has neither time nor randomness of its own: nonces are given to it, and what is known of users
//! is asked of the driver.

mod encoding;
mod external;
mod login;
mod plain;
mod prepare;
pub mod scram;
#[cfg(test)]
mod tests;

use core::fmt;

pub use encoding::{decode, encode};
pub use prepare::prepare;
pub use scram::{Bindings, ITERATIONS, Keys};

use super::reply::{self, Reply};
use login::Login;
use scram::Scram;

/// Octets in the name of a user, at most (RFC 4616 section 2).
pub const NAME_LIMIT: usize = 255;

/// A way to prove who one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mechanism {
    /// SCRAM bound to the encrypted connection: nobody can be in between (RFC 7677).
    ScramSha256Plus,
    /// The password is not told (RFC 7677).
    ScramSha256,
    /// By the certificate of the client (RFC 4422 appendix A).
    External,
    /// Name and password in one message (RFC 4616).
    Plain,
    /// The same in two (draft-murchison-sasl-login-00).
    Login,
}

impl Mechanism {
    /// All of them, the best first.
    pub const ALL: [Self; 5] = [
        Self::ScramSha256Plus,
        Self::ScramSha256,
        Self::External,
        Self::Plain,
        Self::Login,
    ];

    /// Its registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::External => "EXTERNAL",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }

    /// The one of this name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// Whether it tells us the password.
    pub const fn tells_password(self) -> bool {
        matches!(self, Self::Plain | Self::Login)
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an exchange needs from outside.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Ours for this exchange: printable ASCII without commas, never used before, not to be
    /// guessed (RFC 5802 section 5.1).
    pub nonce: String,
    /// What the encrypted connection is known by.
    pub bindings: Bindings,
    /// Whether SCRAM-SHA-256-PLUS was offered.
    pub plus_offered: bool,
}

/// What to do next in an exchange.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// Send this and give the answer to [`Exchange::respond`].
    Challenge(Vec<u8>),
    /// The client is this user if that is the password: that ends the exchange.
    Password(Claim),
    /// Give the keys of this user to [`Exchange::keys`].
    Keys(String),
    /// The client is the user of its certificate: that ends the exchange. If it
    /// named one, only that one is right.
    Certificate(Option<String>),
    /// The client has proved to be this user.
    Proved(String),
    /// It has not.
    Failed(Fault),
}

/// A name and a password, prepared for comparison.
#[derive(PartialEq, Eq)]
pub struct Claim {
    /// Who the client says it is.
    pub login: String,
    /// Its password.
    pub password: String,
}

/// A password is shown nowhere.
impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

/// Why an exchange has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What the client said is not what the mechanism wants.
    Malformed(&'static str),
    /// It is, and proves nothing.
    Refused {
        /// Who the client said it is, if it said that.
        login: String,
        /// For the log.
        cause: &'static str,
    },
}

impl Fault {
    fn refused(login: impl Into<String>, cause: &'static str) -> Self {
        Self::Refused {
            login: login.into(),
            cause,
        }
    }

    /// What the client is told (RFC 4954 section 6).
    pub fn reply(&self) -> Reply {
        match self {
            Self::Malformed(_) => reply::BAD_RESPONSE,
            Self::Refused { .. } => reply::BAD_CREDENTIALS,
        }
    }
}

/// One try of a client to prove who it is.
#[derive(Debug)]
pub struct Exchange(State);

#[derive(Debug)]
enum State {
    Plain,
    Login(Login),
    External,
    Scram(Box<Scram>),
}

impl Exchange {
    /// An exchange in which nothing was said yet.
    pub fn new(mechanism: Mechanism, terms: Terms) -> Self {
        Self(match mechanism {
            Mechanism::Plain => State::Plain,
            Mechanism::Login => State::Login(Login::default()),
            Mechanism::External => State::External,
            Mechanism::ScramSha256 => State::Scram(Box::new(Scram::new(terms, false))),
            Mechanism::ScramSha256Plus => State::Scram(Box::new(Scram::new(terms, true))),
        })
    }

    /// Takes what the client said; nothing if it gave no initial response.
    pub fn respond(&mut self, response: Option<&[u8]>) -> Turn {
        let turn = match (&mut self.0, response) {
            (State::Login(login), response) => login.respond(response),
            // The client speaks first in all the others: an empty challenge asks it to.
            (_, None) => Ok(Turn::Challenge(Vec::new())),
            (State::Plain, Some(message)) => plain::read(message).map(Turn::Password),
            (State::External, Some(message)) => external::read(message).map(Turn::Certificate),
            (State::Scram(scram), Some(message)) => scram.respond(message),
        };
        turn.unwrap_or_else(Turn::Failed)
    }

    /// Answers [`Turn::Keys`].
    pub fn keys(&mut self, keys: Keys) -> Turn {
        match &mut self.0 {
            State::Scram(scram) => scram.begin(keys),
            _ => Turn::Failed(Fault::Malformed("no keys were asked for")),
        }
    }
}

/// The name of a user as it is compared.
fn name(text: &str) -> Result<String, Fault> {
    let malformed = Fault::Malformed("no name, or one that is too long");
    if text.is_empty() || text.len() > NAME_LIMIT {
        return Err(malformed);
    }
    match prepare(text) {
        Some(name) if name.is_empty() => Err(malformed),
        Some(name) => Ok(name),
        None => Err(Fault::refused("", "a name that SASLprep forbids")),
    }
}

/// A password as it is compared; `login` is whose it is said to be.
fn password(text: &str, login: &str) -> Result<String, Fault> {
    if text.is_empty() {
        return Err(Fault::Malformed("an empty password"));
    }
    prepare(text).ok_or_else(|| Fault::refused(login, "a password that SASLprep forbids"))
}

/// Nobody acts for another here: an authorization identity is the user's own or none.
fn authorized(wanted: &str, login: &str) -> Result<(), Fault> {
    if wanted.is_empty() || prepare(wanted).as_deref() == Some(login) {
        return Ok(());
    }
    Err(Fault::refused(login, "wants to act for somebody else"))
}
