//! One line → one command, or the reply that refuses it.
//!
//! Grammar: RFC 5321 section 4.1.1; parameters: RFC 1870 (SIZE), 6152 (BODY),
//! 3030 (BDAT, BINARYMIME), 6531 (SMTPUTF8).

use std::borrow::Cow;

use super::address::{Domain, ForwardPath, ReversePath};
use super::reply::{self, Reply};
use super::xclient::Identity;

/// A command with its argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// HELO, EHLO or LHLO with the client's name.
    Greet(Greeting, Domain),
    /// MAIL FROM.
    Mail(ReversePath, MailParameters),
    /// RCPT TO. Whether the address needs SMTPUTF8 is told beside it.
    Rcpt {
        /// The recipient.
        path: ForwardPath,
        /// Whether it was written with other than ASCII characters.
        utf8: bool,
    },
    /// DATA.
    Data,
    /// BDAT: so many octets of content follow (RFC 3030 section 2).
    Bdat {
        /// Octets in this chunk.
        size: u64,
        /// Whether it is the last one.
        last: bool,
    },
    /// RSET.
    Rset,
    /// NOOP, with or without an argument.
    Noop,
    /// HELP, with or without an argument.
    Help,
    /// VRFY.
    Vrfy,
    /// EXPN.
    Expn,
    /// QUIT.
    Quit,
    /// XCLIENT, with what it says where it can be read.
    Xclient(Result<Box<Identity>, Reply>),
    /// XFORWARD, with its argument.
    Xforward(String),
    /// The header of the PROXY protocol (version 1), where none belongs.
    Proxy,
    /// AUTH with the name of a mechanism and the initial response, as it was sent (RFC 4954).
    Auth(String, Option<String>),
    /// STARTTLS (RFC 3207 section 4).
    StartTls,
    /// ETRN and others that are known and not offered.
    NotOffered,
    /// The first line of an HTTP request: somebody's web client was sent here.
    Http,
}

/// How a client greets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// HELO (RFC 821): no extensions.
    Helo,
    /// EHLO (RFC 5321).
    Ehlo,
    /// LHLO (RFC 2033).
    Lhlo,
}

/// The parameters of MAIL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// SIZE: what the client thinks the message has, in octets.
    pub size: Option<u64>,
    /// BODY=BINARYMIME.
    pub binary: bool,
    /// SMTPUTF8.
    pub utf8: bool,
    /// AUTH= was said (RFC 4954 section 5). Who that is matters to relays only.
    pub auth: bool,
}

impl Command {
    /// Reads a line without its end. With `lenient`, a path may lack its angle
    /// brackets, as some devices send it.
    pub fn parse(line: &[u8], lenient: bool) -> Result<Self, Reply> {
        let text = str::from_utf8(line).map_err(|_| not_utf8(line))?;
        let text = text.trim_end_matches([' ', '\t']);
        let (verb, argument) = text.split_once(' ').unwrap_or((text, ""));
        match uppercase(verb, &mut [0; 8]) {
            "HELO" => greet(Greeting::Helo, argument),
            "EHLO" => greet(Greeting::Ehlo, argument),
            "LHLO" => greet(Greeting::Lhlo, argument),
            "MAIL" => mail(argument, lenient),
            "RCPT" => rcpt(argument, lenient),
            "DATA" => alone(Self::Data, argument),
            "BDAT" => bdat(argument),
            "RSET" => alone(Self::Rset, argument),
            "QUIT" => alone(Self::Quit, argument),
            "NOOP" => Ok(Self::Noop),
            "HELP" => Ok(Self::Help),
            "VRFY" if argument.is_empty() => Err(reply::BAD_PARAMETER),
            "VRFY" => Ok(Self::Vrfy),
            "EXPN" => Ok(Self::Expn),
            "XCLIENT" => Ok(Self::Xclient(Identity::parse(argument).map(Box::new))),
            "XFORWARD" => Ok(Self::Xforward(argument.to_owned())),
            "PROXY" => Ok(Self::Proxy),
            "AUTH" => auth(argument),
            "STARTTLS" => alone(Self::StartTls, argument),
            "TURN" | "ETRN" | "ATRN" | "SEND" | "SOML" | "SAML" => Ok(Self::NotOffered),
            "GET" | "POST" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "CONNECT" | "PATCH"
            | "TRACE" | "PRI" => Ok(Self::Http),
            _ => Err(reply::UNKNOWN_COMMAND),
        }
    }
}

/// What is wrong with a line that is no UTF-8: its verb tells.
fn not_utf8(line: &[u8]) -> Reply {
    match line.get(..5).map(<[u8]>::to_ascii_uppercase).as_deref() {
        Some(b"HELO " | b"EHLO " | b"LHLO ") => reply::BAD_GREETING,
        Some(b"MAIL ") => reply::BAD_SENDER,
        Some(b"RCPT ") => reply::BAD_RECIPIENT,
        _ => reply::UNKNOWN_COMMAND,
    }
}

/// A verb in upper case; none that is longer than `room` is known.
fn uppercase<'a>(verb: &str, room: &'a mut [u8; 8]) -> &'a str {
    let Some(upper) = room.get_mut(..verb.len()) else {
        return "";
    };
    upper.copy_from_slice(verb.as_bytes());
    upper.make_ascii_uppercase();
    str::from_utf8(upper).unwrap_or_default()
}

fn alone(command: Command, argument: &str) -> Result<Command, Reply> {
    if argument.is_empty() {
        Ok(command)
    } else {
        Err(reply::NO_ARGUMENT_WANTED)
    }
}

fn greet(greeting: Greeting, name: &str) -> Result<Command, Reply> {
    match Domain::parse(name) {
        Ok(domain) if name.is_ascii() => Ok(Command::Greet(greeting, domain)),
        _ => Err(reply::BAD_GREETING),
    }
}

fn mail(argument: &str, lenient: bool) -> Result<Command, Reply> {
    let text = path_text(argument, "FROM:", lenient).ok_or(reply::BAD_SENDER)?;
    let (path, rest) = ReversePath::parse(&text).map_err(|_| reply::BAD_SENDER)?;
    let parameters = mail_parameters(parameters(rest).ok_or(reply::BAD_SENDER)?)?;
    if parameters.utf8 || text[..text.len() - rest.len()].is_ascii() {
        Ok(Command::Mail(path, parameters))
    } else {
        Err(reply::NEEDS_SMTPUTF8)
    }
}

fn rcpt(argument: &str, lenient: bool) -> Result<Command, Reply> {
    let text = path_text(argument, "TO:", lenient).ok_or(reply::BAD_RECIPIENT)?;
    let (path, rest) = ForwardPath::parse(&text).map_err(|_| reply::BAD_RECIPIENT)?;
    if parameters(rest)
        .ok_or(reply::BAD_RECIPIENT)?
        .next()
        .is_some()
    {
        return Err(reply::UNKNOWN_PARAMETER);
    }
    Ok(Command::Rcpt {
        path,
        utf8: !text.is_ascii(),
    })
}

/// What follows `FROM:` or `TO:`. A blank after the colon is common enough to be borne.
fn path_text<'a>(argument: &'a str, keyword: &str, lenient: bool) -> Option<Cow<'a, str>> {
    let start = argument.trim_start().get(..keyword.len())?;
    if !start.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let text = argument.trim_start()[keyword.len()..].trim_start_matches(' ');
    if lenient && !text.starts_with('<') {
        let (path, rest) = text.split_at(text.find(' ').unwrap_or(text.len()));
        return Some(Cow::Owned(format!("<{path}>{rest}")));
    }
    Some(Cow::Borrowed(text))
}

fn auth(argument: &str) -> Result<Command, Reply> {
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    let (mechanism, initial) = (words.next(), words.next());
    match (mechanism, words.next()) {
        (Some(mechanism), None) => {
            let initial = initial.map(str::to_owned);
            Ok(Command::Auth(mechanism.to_owned(), initial))
        }
        _ => Err(reply::BAD_PARAMETER),
    }
}

/// The words after a path; `None` if something is stuck to its closing bracket.
fn parameters(rest: &str) -> Option<impl Iterator<Item = &str>> {
    (rest.is_empty() || rest.starts_with(' '))
        .then(|| rest.split(' ').filter(|word| !word.is_empty()))
}

fn mail_parameters<'a>(words: impl Iterator<Item = &'a str>) -> Result<MailParameters, Reply> {
    let mut parameters = MailParameters::default();
    let mut seen = Vec::new();
    for word in words {
        let (keyword, value) = match word.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (word, None),
        };
        let keyword = keyword.to_ascii_uppercase();
        match (keyword.as_str(), value) {
            ("SIZE", Some(value)) => parameters.size = Some(number(value)?),
            ("BODY", Some(value)) => parameters.binary = body(value)?,
            ("SMTPUTF8", None) => parameters.utf8 = true,
            ("AUTH", Some(value)) => parameters.auth = submitter(value)?,
            ("SIZE" | "BODY" | "SMTPUTF8" | "AUTH", _) => return Err(reply::BAD_PARAMETER),
            _ => return Err(reply::UNKNOWN_PARAMETER),
        }
        if seen.contains(&keyword) {
            return Err(reply::BAD_PARAMETER);
        }
        seen.push(keyword);
    }
    Ok(parameters)
}

/// Whether the body is BINARYMIME; 7BIT and 8BITMIME need nothing of us.
fn body(value: &str) -> Result<bool, Reply> {
    match value.to_ascii_uppercase().as_str() {
        "7BIT" | "8BITMIME" => Ok(false),
        "BINARYMIME" => Ok(true),
        _ => Err(reply::BAD_PARAMETER),
    }
}

/// `<>` or a mailbox, written as xtext (RFC 3461 section 4): `+2B` is a `+`.
fn submitter(value: &str) -> Result<bool, Reply> {
    let mut octets = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'+' => hex(rest.next())? << 4 | hex(rest.next())?,
            b'!'..=b'~' => octet,
            _ => return Err(reply::BAD_PARAMETER),
        });
    }
    let text = String::from_utf8(octets).map_err(|_| reply::BAD_PARAMETER)?;
    if text == "<>" {
        return Ok(true);
    }
    match ForwardPath::parse(&format!("<{text}>")) {
        Ok((ForwardPath::Mailbox(_), "")) => Ok(true),
        _ => Err(reply::BAD_PARAMETER),
    }
}

/// RFC 3461 wants capitals.
fn hex(digit: Option<u8>) -> Result<u8, Reply> {
    match digit {
        Some(digit @ b'0'..=b'9') => Ok(digit - b'0'),
        Some(digit @ b'A'..=b'F') => Ok(digit - b'A' + 10),
        _ => Err(reply::BAD_PARAMETER),
    }
}

/// A size beyond all numbers is one that is too big, and not a mistake after
/// which the octets of the chunk would be taken for commands.
fn bdat(argument: &str) -> Result<Command, Reply> {
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    let size = words.next().unwrap_or_default();
    let size = number(size).or_else(|reply| {
        if is_number(size) {
            Ok(u64::MAX)
        } else {
            Err(reply)
        }
    })?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return Err(reply::BAD_PARAMETER),
    };
    if words.next().is_some() {
        Err(reply::BAD_PARAMETER)
    } else {
        Ok(Command::Bdat { size, last })
    }
}

/// Digits only, at most twenty of them (RFC 1870 section 3); `parse` alone would take a sign.
fn number(text: &str) -> Result<u64, Reply> {
    if is_number(text) {
        text.parse().map_err(|_| reply::BAD_PARAMETER)
    } else {
        Err(reply::BAD_PARAMETER)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests;
