//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677): client and server prove to each other
//! that they know the password, and nobody tells it.

mod keys;
mod message;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

pub use keys::{HASH_SIZE, ITERATIONS, Keys};

use super::{Fault, Terms, Turn, authorized, decode, encode};
use message::{Binding, ClientFinal, ClientFirst};

/// What an encrypted connection is known by, so that SCRAM can be bound to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bindings {
    /// `tls-exporter` (RFC 9266): 32 octets exported from TLS 1.3.
    pub exporter: Option<Vec<u8>>,
    /// `tls-server-end-point` (RFC 5929 section 4): the hash of our certificate.
    pub end_point: Option<Vec<u8>>,
}

impl Bindings {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.exporter.is_none() && self.end_point.is_none()
    }

    /// The data of the binding of this name.
    fn data(&self, name: &str) -> Option<&[u8]> {
        match name {
            "tls-exporter" => self.exporter.as_deref(),
            "tls-server-end-point" => self.end_point.as_deref(),
            _ => None,
        }
    }
}

/// The server's half of an exchange.
#[derive(Debug)]
pub(super) struct Scram {
    terms: Terms,
    plus: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The client has said nothing.
    Opening,
    /// It has said who it is.
    Named(ClientFirst),
    /// It was sent the salt.
    Salted {
        first: ClientFirst,
        /// `server-first-message`.
        said: String,
        keys: Keys,
    },
    /// It has proved to be this user, and was sent our proof.
    Proved(String),
    Over,
}

impl Scram {
    pub(super) fn new(terms: Terms, plus: bool) -> Self {
        Self {
            terms,
            plus,
            state: State::Opening,
        }
    }

    pub(super) fn respond(&mut self, message: &[u8]) -> Result<Turn, Fault> {
        match core::mem::replace(&mut self.state, State::Over) {
            State::Opening => {
                let first = ClientFirst::parse(text(message)?)?;
                self.check_binding(&first)?;
                authorized(&first.authorization, &first.login)?;
                let login = first.login.clone();
                self.state = State::Named(first);
                Ok(Turn::Keys(login))
            }
            State::Salted { first, said, keys } => {
                let last = ClientFinal::parse(text(message)?)?;
                self.check_final(&first, &last)?;
                let signature = verify(&first, &said, &last, &keys)
                    .ok_or_else(|| Fault::refused(&first.login, "wrong password"))?;
                self.state = State::Proved(first.login);
                Ok(Turn::Challenge(
                    format!("v={}", encode(&signature)).into_bytes(),
                ))
            }
            State::Proved(login) if message.is_empty() => Ok(Turn::Proved(login)),
            _ => Err(Fault::Malformed("not what SCRAM says now")),
        }
    }

    /// Answers the first message with salt and iterations.
    pub(super) fn begin(&mut self, keys: Keys) -> Turn {
        let State::Named(first) = core::mem::replace(&mut self.state, State::Over) else {
            return Turn::Failed(Fault::Malformed("no keys were asked for"));
        };
        let said = format!(
            "r={}{},s={},i={}",
            first.nonce,
            self.terms.nonce,
            encode(&keys.salt),
            keys.iterations
        );
        let challenge = said.clone().into_bytes();
        self.state = State::Salted { first, said, keys };
        Turn::Challenge(challenge)
    }

    /// RFC 5802 section 6: PLUS and binding go together, and a client that could bind and
    /// thinks we cannot has been lied to.
    fn check_binding(&self, first: &ClientFirst) -> Result<(), Fault> {
        let cause = match (&first.binding, self.plus) {
            (Binding::Used(name), true) if self.terms.bindings.data(name).is_some() => {
                return Ok(());
            }
            (Binding::Used(_), true) => "a channel binding that there is not",
            (Binding::Used(_), false) | (_, true) => "channel binding where the mechanism has none",
            (Binding::Missed, false) if self.terms.plus_offered => {
                "somebody has hidden SCRAM-SHA-256-PLUS from the client"
            }
            (Binding::Missed | Binding::None, false) => return Ok(()),
        };
        Err(Fault::refused(&first.login, cause))
    }

    /// The nonces are those of this exchange, and the header and the binding are what was said.
    fn check_final(&self, first: &ClientFirst, last: &ClientFinal) -> Result<(), Fault> {
        let nonce = last.nonce.strip_prefix(&*first.nonce);
        if nonce != Some(&*self.terms.nonce) {
            return Err(Fault::refused(&first.login, "a nonce of another exchange"));
        }
        let mut wanted = first.header.clone().into_bytes();
        if let Binding::Used(name) = &first.binding {
            wanted.extend(self.terms.bindings.data(name).unwrap_or_default());
        }
        if bool::from(wanted.ct_eq(&last.binding)) {
            Ok(())
        } else {
            let cause = "bound to another connection";
            Err(Fault::refused(&first.login, cause))
        }
    }
}

/// RFC 5802 section 3: our signature if the proof is right.
fn verify(
    first: &ClientFirst,
    said: &str,
    last: &ClientFinal,
    keys: &Keys,
) -> Option<[u8; HASH_SIZE]> {
    let told = format!("{},{said},{}", first.bare, last.without_proof);
    let mut client_key = hmac(&keys.stored_key, told.as_bytes());
    for (octet, proof) in client_key.iter_mut().zip(last.proof) {
        *octet ^= proof;
    }
    let stored_key: [u8; HASH_SIZE] = Sha256::digest(client_key).into();
    let is_right = bool::from(stored_key.ct_eq(&keys.stored_key));
    is_right.then(|| hmac(&keys.server_key, told.as_bytes()))
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; HASH_SIZE] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        unreachable!("a key of any length will do (RFC 2104 section 3)");
    };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn text(message: &[u8]) -> Result<&str, Fault> {
    str::from_utf8(message).map_err(|_| Fault::Malformed("no UTF-8"))
}

fn octets(text: &str) -> Result<Vec<u8>, Fault> {
    decode(text.as_bytes()).ok_or(Fault::Malformed("no base64 within SCRAM"))
}
