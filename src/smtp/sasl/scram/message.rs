//! What the client says (RFC 5802 section 7).

use super::super::{Fault, name};
use super::{HASH_SIZE, octets};

/// Whether the client binds the exchange to the connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// It cannot.
    None,
    /// It can, and thinks that we cannot.
    Missed,
    /// It does, with the binding of this name.
    Used(String),
}

/// `client-first-message`.
#[derive(Debug)]
pub(super) struct ClientFirst {
    pub binding: Binding,
    /// Whom the client wants to act for; empty for itself.
    pub authorization: String,
    pub login: String,
    pub nonce: String,
    /// `gs2-header`, with its last comma.
    pub header: String,
    /// `client-first-message-bare`.
    pub bare: String,
}

/// `client-final-message`.
#[derive(Debug)]
pub(super) struct ClientFinal {
    /// `cbind-input`.
    pub binding: Vec<u8>,
    pub nonce: String,
    pub proof: [u8; HASH_SIZE],
    /// `client-final-message-without-proof`.
    pub without_proof: String,
}

impl ClientFirst {
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let malformed = Fault::Malformed("no first message of SCRAM");
        let mut parts = text.splitn(3, ',');
        let (Some(flag), Some(wanted), Some(bare)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed);
        };
        let binding = match flag.split_once('=') {
            None if flag == "n" => Binding::None,
            None if flag == "y" => Binding::Missed,
            Some(("p", name)) if is_binding_name(name) => Binding::Used(name.to_owned()),
            _ => return Err(malformed),
        };
        let authorization = match wanted {
            "" => String::new(),
            _ => unescaped(wanted.strip_prefix("a=").ok_or(malformed.clone())?)?,
        };
        // An extension that must be understood would come before the name, as `m=`.
        let mut attributes = bare.split(',');
        let login = attributes.next().and_then(|it| it.strip_prefix("n="));
        let nonce = attributes.next().and_then(|it| it.strip_prefix("r="));
        let (Some(login), Some(nonce)) = (login, nonce) else {
            return Err(malformed);
        };
        if !is_nonce(nonce) || !attributes.all(is_attribute) {
            return Err(malformed);
        }
        Ok(Self {
            binding,
            authorization,
            login: name(&unescaped(login)?)?,
            nonce: nonce.to_owned(),
            header: text[..text.len() - bare.len()].to_owned(),
            bare: bare.to_owned(),
        })
    }
}

impl ClientFinal {
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let malformed = Fault::Malformed("no last message of SCRAM");
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(malformed.clone())?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|it| it.strip_prefix("c="));
        let nonce = attributes.next().and_then(|it| it.strip_prefix("r="));
        let (Some(binding), Some(nonce)) = (binding, nonce) else {
            return Err(malformed);
        };
        if !attributes.all(is_attribute) {
            return Err(malformed);
        }
        Ok(Self {
            binding: octets(binding)?,
            nonce: nonce.to_owned(),
            proof: octets(proof)?.try_into().map_err(|_| malformed)?,
            without_proof: without_proof.to_owned(),
        })
    }
}

/// `cb-name`.
fn is_binding_name(name: &str) -> bool {
    let is_fit = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'.' || octet == b'-';
    !name.is_empty() && name.bytes().all(is_fit)
}

/// `printable`, without the comma that a split has taken away.
fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic())
}

/// `attr-val`: one that we do not know is passed over.
fn is_attribute(text: &str) -> bool {
    let mut characters = text.chars();
    let name = characters.next().is_some_and(|it| it.is_ascii_alphabetic());
    name && characters.next() == Some('=') && characters.next().is_some() && !text.contains('\0')
}

/// `saslname`: a comma is `=2C` and `=` is `=3D`.
fn unescaped(text: &str) -> Result<String, Fault> {
    let mut pieces = text.split('=');
    let mut name = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (character, rest) = match piece.get(..2) {
            Some("2C") => (',', &piece[2..]),
            Some("3D") => ('=', &piece[2..]),
            _ => return Err(Fault::Malformed("a name that is not escaped")),
        };
        name.push(character);
        name.push_str(rest);
    }
    Ok(name)
}
