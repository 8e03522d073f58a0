//! Addresses of the envelope: parsed once, printed canonically.
//!
//! Grammar: RFC 5321 section 4.1.2 and 4.1.3; RFC 6531 section 3.3 for UTF-8.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use icu_normalizer::ComposingNormalizerBorrowed;
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

/// Octets in a local-part (RFC 5321 section 4.5.3.1.1).
pub const LOCAL_PART_LIMIT: usize = 64;
/// Octets in a domain (section 4.5.3.1.2).
pub const DOMAIN_LIMIT: usize = 255;
/// Octets in a path, angle brackets included (section 4.5.3.1.3).
pub const PATH_LIMIT: usize = 256;
/// Octets in one label of a domain (RFC 1035 section 2.3.4).
pub const LABEL_LIMIT: usize = 63;

/// `local-part@domain`, the address of one person or place.
///
/// The local part is kept without quotes and escapes and in Unicode
/// normalisation form C; [`fmt::Display`] writes the quotes back where the
/// grammar needs them. Case is kept: who compares decides about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mailbox {
    local_part: String,
    domain: Domain,
}

/// What follows the `@`: a name in lower case and A-labels, or an address literal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Domain {
    /// A host name such as `mx.example.org`.
    Name(String),
    /// `[192.0.2.1]` or `[IPv6:2001:db8::1]`; an IPv4-mapped address is the IPv4 one.
    Literal(IpAddr),
}

/// Where a bounce would go: the argument of MAIL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: nobody; the message is itself a notification (RFC 5321 section 4.5.5).
    Null,
    /// The sender.
    Mailbox(Mailbox),
}

/// Whom the mail is for: the argument of RCPT.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ForwardPath {
    /// `<postmaster>` without a domain, always ours (RFC 5321 section 4.5.1).
    Postmaster,
    /// One recipient.
    Mailbox(Mailbox),
}

/// The text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address in the form of RFC 5321 section 4.1.2")]
pub struct AddressError;

type Parsed<'a, T> = Result<(T, &'a str), AddressError>;

impl Mailbox {
    /// Reads `local-part@domain`, all of it.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        match mailbox(text)? {
            (Some(mailbox), "") => Ok(mailbox),
            _ => Err(AddressError),
        }
    }

    /// The same domain with another local part, which must be one already
    /// (a part of an address that was parsed, for instance).
    #[must_use]
    pub fn with_local_part(&self, local_part: &str) -> Self {
        Self {
            local_part: local_part.to_owned(),
            domain: self.domain.clone(),
        }
    }

    /// The same local part at another domain.
    #[must_use]
    pub fn with_domain(&self, domain: Domain) -> Self {
        Self {
            local_part: self.local_part.clone(),
            domain,
        }
    }

    /// The local part without quotes and escapes.
    pub fn local_part(&self) -> &str {
        &self.local_part
    }

    /// The domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }
}

impl ReversePath {
    /// Reads `<>` or `<mailbox>` and returns what follows it.
    pub fn parse(text: &str) -> Parsed<'_, Self> {
        if let Some(rest) = text.strip_prefix("<>") {
            return Ok((Self::Null, rest));
        }
        match path(text)? {
            (Some(mailbox), rest) => Ok((Self::Mailbox(mailbox), rest)),
            (None, _) => Err(AddressError),
        }
    }
}

impl ForwardPath {
    /// Reads `<mailbox>` or `<postmaster>` and returns what follows it.
    pub fn parse(text: &str) -> Parsed<'_, Self> {
        match path(text)? {
            (Some(mailbox), rest) => Ok((Self::Mailbox(mailbox), rest)),
            (None, rest) => Ok((Self::Postmaster, rest)),
        }
    }
}

impl Domain {
    /// Reads a host name or an address literal, all of it.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        match text.strip_prefix('[') {
            Some(rest) => literal(rest.strip_suffix(']').ok_or(AddressError)?),
            None => name(text),
        }
    }
}

/// `"<" [source-route ":"] mailbox ">"`; `None` stands for a bare postmaster.
fn path(text: &str) -> Parsed<'_, Option<Mailbox>> {
    let inner = text.strip_prefix('<').ok_or(AddressError)?;
    let (mailbox, rest) = mailbox(skip_source_route(inner)?)?;
    let rest = rest.strip_prefix('>').ok_or(AddressError)?;
    if text.len() - rest.len() > PATH_LIMIT {
        return Err(AddressError);
    }
    Ok((mailbox, rest))
}

/// Source routes are read and ignored (RFC 5321 section 4.1.1.3, appendix C).
fn skip_source_route(text: &str) -> Result<&str, AddressError> {
    if !text.starts_with('@') {
        return Ok(text);
    }
    let (route, rest) = text.split_once(':').ok_or(AddressError)?;
    for hop in route.split(',') {
        Domain::parse(hop.strip_prefix('@').ok_or(AddressError)?)?;
    }
    Ok(rest)
}

fn mailbox(text: &str) -> Parsed<'_, Option<Mailbox>> {
    let (local_part, rest) = match text.strip_prefix('"') {
        Some(quoted) => quoted_string(quoted)?,
        None => dot_string(text)?,
    };
    if text.len() - rest.len() > LOCAL_PART_LIMIT {
        return Err(AddressError);
    }
    let Some(rest) = rest.strip_prefix('@') else {
        let postmaster = local_part.eq_ignore_ascii_case("postmaster");
        return if postmaster {
            Ok((None, rest))
        } else {
            Err(AddressError)
        };
    };
    let end = rest.find('>').unwrap_or(rest.len());
    let domain = Domain::parse(&rest[..end])?;
    Ok((Some(Mailbox { local_part, domain }), &rest[end..]))
}

/// `Atom *("." Atom)`.
fn dot_string(text: &str) -> Parsed<'_, String> {
    let end = text.find(['@', '>']).unwrap_or(text.len());
    let local_part = &text[..end];
    if is_dot_string(local_part) {
        Ok((compose(local_part), &text[end..]))
    } else {
        Err(AddressError)
    }
}

fn is_dot_string(text: &str) -> bool {
    text.split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// What follows the opening quote, up to and with the closing one.
fn quoted_string(text: &str) -> Parsed<'_, String> {
    let mut content = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' if content.is_empty() => return Err(AddressError),
            '"' => return Ok((compose(&content), &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, escaped @ ' '..='~')) => content.push(escaped),
                _ => return Err(AddressError),
            },
            ' '..='~' => content.push(c),
            c if is_utf8_text(c) => content.push(c),
            _ => return Err(AddressError),
        }
    }
    Err(AddressError)
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_utf8_text(c)
}

/// UTF8-non-ascii of RFC 6531, less what could break a line of a log or a header.
fn is_utf8_text(c: char) -> bool {
    !c.is_ascii() && !c.is_control() && !c.is_whitespace()
}

/// Normalisation form C, so that one spelling of a name is one mailbox (RFC 6532 section 3.1).
fn compose(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    ComposingNormalizerBorrowed::new_nfc()
        .normalize(text)
        .into_owned()
}

fn literal(text: &str) -> Result<Domain, AddressError> {
    const TAG: &str = "IPv6:";
    let address = match text.get(..TAG.len()) {
        Some(tag) if tag.eq_ignore_ascii_case(TAG) => text[TAG.len()..]
            .parse::<Ipv6Addr>()
            .map(|address| IpAddr::V6(address).to_canonical())
            .ok(),
        _ => text.parse::<Ipv4Addr>().map(IpAddr::V4).ok(),
    };
    address.map(Domain::Literal).ok_or(AddressError)
}

fn name(text: &str) -> Result<Domain, AddressError> {
    if text.is_ascii() {
        return if is_host_name(text) {
            Ok(Domain::Name(text.to_ascii_lowercase()))
        } else {
            Err(AddressError)
        };
    }
    let ascii = Uts46::new()
        .to_ascii(
            text.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::Check,
            DnsLength::Verify,
        )
        .map_err(|_| AddressError)?;
    if is_host_name(&ascii) {
        Ok(Domain::Name(ascii.into_owned()))
    } else {
        Err(AddressError)
    }
}

/// Letters, digits and hyphens in labels (RFC 1123 section 2.1).
fn is_host_name(text: &str) -> bool {
    let ldh = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    text.len() <= DOMAIN_LIMIT
        && text.split('.').all(|label| {
            (1..=LABEL_LIMIT).contains(&label.len())
                && label.bytes().all(ldh)
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.local_part) {
            return write!(f, "{}@{}", self.local_part, self.domain);
        }
        f.write_str("\"")?;
        for c in self.local_part.chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        write!(f, "\"@{}", self.domain)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Literal(IpAddr::V4(address)) => write!(f, "[{address}]"),
            Self::Literal(IpAddr::V6(address)) => write!(f, "[IPv6:{address}]"),
        }
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Mailbox(mailbox) => mailbox.fmt(f),
        }
    }
}

impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("postmaster"),
            Self::Mailbox(mailbox) => mailbox.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
