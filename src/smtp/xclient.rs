//! XCLIENT and XFORWARD: a proxy or a content filter tells for whom it speaks.
//!
//! These are extensions of Postfix, described in its `XCLIENT_README` and `XFORWARD_README`. Values are
//! xtext (RFC 3461 section 4): `+2B` is a plus sign.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::BTreeMap;

use super::address::Domain;
use super::command::Greeting;
use super::reply::{self, Reply};

/// The attributes of XCLIENT, as EHLO tells them.
pub(super) const XCLIENT: &str = "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT";
/// The attributes of XFORWARD.
pub(super) const XFORWARD: &str = "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE";

/// Characters of a value (the READMEs say so of NAME and HELO).
const LONGEST: usize = 255;

/// One attribute in a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Attribute<T> {
    /// The command does not name it: what was known stays.
    #[default]
    Absent,
    /// Nobody knows it: `[UNAVAILABLE]` or `[TEMPUNAVAIL]`.
    Unavailable,
    /// This it is.
    Value(T),
}

/// Whom XCLIENT names as the client, in place of the peer of the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// NAME: what its address resolves to.
    pub name: Attribute<String>,
    /// ADDR.
    pub address: Attribute<IpAddr>,
    /// PORT.
    pub port: Attribute<u16>,
    /// PROTO: SMTP is HELO, ESMTP is EHLO.
    pub greeting: Attribute<Greeting>,
    /// HELO.
    pub helo: Attribute<Domain>,
    /// LOGIN: who it has proved to be.
    pub login: Attribute<String>,
    /// DESTADDR: where it connected to.
    pub server_address: Attribute<IpAddr>,
    /// DESTPORT.
    pub server_port: Attribute<u16>,
}

/// Where XFORWARD says that the next message comes from. It is told, and nothing is decided by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// NAME: what the client's address resolves to.
    pub name: Option<String>,
    /// ADDR.
    pub address: Option<IpAddr>,
    /// PORT.
    pub port: Option<u16>,
    /// PROTO, such as ESMTP.
    pub protocol: Option<String>,
    /// HELO.
    pub helo: Option<String>,
    /// IDENT: its name in the queue of the server before.
    pub id: Option<String>,
    /// SOURCE: LOCAL or REMOTE.
    pub source: Option<String>,
}

impl Origin {
    /// What was told, by name.
    pub fn told(&self) -> BTreeMap<String, String> {
        let all = [
            ("CLIENT", self.address.map(|it| it.to_string())),
            ("NAME", self.name.clone()),
            ("PORT", self.port.map(|it| it.to_string())),
            ("PROTOCOL", self.protocol.clone()),
            ("HELO", self.helo.clone()),
            ("ID", self.id.clone()),
            ("SOURCE", self.source.clone()),
        ];
        let told = all.map(|(name, value)| Some((name.to_owned(), value?)));
        told.into_iter().flatten().collect()
    }
}

impl<T> Attribute<T> {
    /// Changes what was known.
    pub fn put(self, known: &mut Option<T>) {
        match self {
            Self::Absent => {}
            Self::Unavailable => *known = None,
            Self::Value(value) => *known = Some(value),
        }
    }

    fn read(text: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<Self> {
        match text.to_ascii_uppercase().as_str() {
            "[UNAVAILABLE]" | "[TEMPUNAVAIL]" => Some(Self::Unavailable),
            _ => read(text).map(Self::Value),
        }
    }

    fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// Which attributes an [`Identity`] has, in the order of its fields.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attributes([bool; 8]);

impl Attributes {
    pub(super) fn is_empty(self) -> bool {
        self.0 == [false; 8]
    }

    /// Whether both have one of them.
    pub(super) fn meet(self, other: Self) -> bool {
        self.0.iter().zip(other.0).any(|(one, other)| *one && other)
    }

    pub(super) fn add(&mut self, other: Self) {
        for (one, other) in self.0.iter_mut().zip(other.0) {
            *one |= other;
        }
    }
}

impl Identity {
    /// The attributes that it has.
    pub(super) fn attributes(&self) -> Attributes {
        Attributes([
            !self.name.is_absent(),
            !self.address.is_absent(),
            !self.port.is_absent(),
            !self.greeting.is_absent(),
            !self.helo.is_absent(),
            !self.login.is_absent(),
            !self.server_address.is_absent(),
            !self.server_port.is_absent(),
        ])
    }

    /// Reads the argument of XCLIENT. What is named twice is refused: which of the two would count?
    pub(super) fn parse(argument: &str) -> Result<Self, Reply> {
        let mut identity = Self::default();
        attributes(argument, |name, value| identity.set(name, value))?;
        Ok(identity)
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "NAME" => set(&mut self.name, value, host),
            "ADDR" => set(&mut self.address, value, address),
            "PORT" => set(&mut self.port, value, port),
            "PROTO" => set(&mut self.greeting, value, greeting),
            "HELO" => set(&mut self.helo, value, |text| Domain::parse(text).ok()),
            "LOGIN" => set(&mut self.login, value, |text| Some(text.to_owned())),
            "DESTADDR" => set(&mut self.server_address, value, address),
            "DESTPORT" => set(&mut self.server_port, value, port),
            _ => None,
        }
    }
}

impl Origin {
    /// Adds what the argument of XFORWARD tells to what was told before it.
    pub(super) fn add(&mut self, argument: &str) -> Result<(), Reply> {
        let mut told = self.clone();
        attributes(argument, |name, value| told.set(name, value))?;
        *self = told;
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        let text = |text: &str| Some(text.to_owned());
        match name {
            "NAME" => Attribute::read(value, text)?.put(&mut self.name),
            "ADDR" => Attribute::read(value, address)?.put(&mut self.address),
            "PORT" => Attribute::read(value, port)?.put(&mut self.port),
            "PROTO" => Attribute::read(value, text)?.put(&mut self.protocol),
            "HELO" => Attribute::read(value, text)?.put(&mut self.helo),
            "IDENT" => Attribute::read(value, text)?.put(&mut self.id),
            "SOURCE" => Attribute::read(value, source)?.put(&mut self.source),
            _ => return None,
        }
        Some(())
    }
}

/// Goes through `NAME=value NAME=value`; there is one at least.
fn attributes(argument: &str, mut set: impl FnMut(&str, &str) -> Option<()>) -> Result<(), Reply> {
    let mut words = argument
        .split(' ')
        .filter(|word| !word.is_empty())
        .peekable();
    words.peek().ok_or(reply::BAD_PARAMETER)?;
    for word in words {
        let (name, value) = word.split_once('=').ok_or(reply::BAD_PARAMETER)?;
        let value = decoded(value).ok_or(reply::BAD_PARAMETER)?;
        set(&name.to_ascii_uppercase(), &value).ok_or(reply::BAD_PARAMETER)?;
    }
    Ok(())
}

fn set<T>(
    attribute: &mut Attribute<T>,
    value: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Option<()> {
    let is_first = attribute.is_absent();
    *attribute = Attribute::read(value, read)?;
    is_first.then_some(())
}

/// Undoes xtext. Nothing that could begin a line, or hide in a log, comes out of it.
fn decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'+' {
            let (digits, after) = after.split_at_checked(2)?;
            let digits = str::from_utf8(digits).ok()?;
            let is_hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            octets.push(
                u8::from_str_radix(digits, 16)
                    .ok()
                    .filter(|_| is_hexadecimal)?,
            );
            rest = after;
        } else {
            octets.push(*first);
        }
    }
    let text = String::from_utf8(octets).ok()?;
    let is_plain = !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control);
    is_plain.then_some(text)
}

/// A name of the DNS. Unlike that of EHLO it may have an underscore, as names of machines do.
fn host(text: &str) -> Option<String> {
    let is_part = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    text.bytes().all(is_part).then(|| text.to_owned())
}

/// `192.0.2.1`, or `IPV6:2001:db8::1`.
fn address(text: &str) -> Option<IpAddr> {
    let address = match text.split_at_checked(5) {
        Some((prefix, address)) if prefix.eq_ignore_ascii_case("IPV6:") => {
            IpAddr::V6(address.parse::<Ipv6Addr>().ok()?)
        }
        _ => IpAddr::V4(text.parse::<Ipv4Addr>().ok()?),
    };
    Some(address.to_canonical())
}

fn port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

fn greeting(text: &str) -> Option<Greeting> {
    match text.to_ascii_uppercase().as_str() {
        "SMTP" => Some(Greeting::Helo),
        "ESMTP" => Some(Greeting::Ehlo),
        _ => None,
    }
}

fn source(text: &str) -> Option<String> {
    let source = text.to_ascii_uppercase();
    ["LOCAL", "REMOTE"]
        .contains(&source.as_str())
        .then_some(source)
}

#[cfg(test)]
mod tests;
