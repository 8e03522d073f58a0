//! What travels through the chain: the envelope, its recipients, and the mail.
//!
//! "Mail object" of RFC 5321 section 2.3.1: an envelope and content.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::content::Content;
use crate::maildir::Location;
use crate::smtp::address::{ForwardPath, Mailbox, ReversePath};
use crate::smtp::xclient::Origin;

/// Who handed the mail to us, as far as it told and as the socket knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The peer of the connection; none for a Unix socket or a pipe.
    pub address: Option<IpAddr>,
    /// The peer's port.
    pub port: Option<u16>,
    /// Where it connected to.
    pub server: Option<SocketAddr>,
    /// The argument of EHLO, HELO or LHLO, checked to be a name or a literal.
    pub helo: Option<String>,
    /// Who has told us of this client, in place of the peer of the connection.
    pub proxy: Option<Proxy>,
    /// What its address resolves to, as a proxy has found out.
    pub name: Option<String>,
    /// How the connection is encrypted; none when it is plain.
    pub tls: Option<Tls>,
    /// Who it is, when it has proved that.
    pub login: Option<String>,
    /// Where it has the message from, if it is a content filter that tells (XFORWARD).
    pub origin: Option<Box<Origin>>,
}

impl Client {
    /// Its address, for those who must have one: 0.0.0.0 where a proxy knows none, which must not
    /// pass for this machine. None for a Unix socket or a pipe.
    pub fn shown(&self) -> Option<IpAddr> {
        let unknown = self.proxy.map(|_| Ipv4Addr::UNSPECIFIED.into());
        self.address.or(unknown)
    }

    /// Whether it is on this machine, and whoever has told of it, too.
    pub fn is_local(&self) -> bool {
        let is_here = |address: IpAddr| address.is_loopback();
        match self.proxy {
            None => self.address.is_none_or(is_here),
            Some(Proxy::Address(proxy)) if !is_here(proxy) => false,
            Some(_) => self.address.is_some_and(is_here),
        }
    }
}

/// A peer that has told us who the client is: with the PROXY protocol or with XCLIENT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// At this address.
    Address(IpAddr),
    /// On a Unix socket.
    Unix,
}

/// What is known of an encrypted connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Such as `TLSv1.3`.
    pub version: String,
    /// Such as `TLS_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// The name that the client asked for (SNI).
    pub server_name: Option<String>,
    /// The client's certificate, where it showed one that is trusted.
    pub certificate: Option<Certificate>,
}

/// A client's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whom it names: its common name, or the first other name.
    pub subject: String,
    /// SHA-256 of the certificate: 64 hexadecimal digits.
    pub fingerprint: String,
}

/// How the mail came in; see [`Envelope::with`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transmission {
    /// HELO was said.
    Smtp,
    /// EHLO was said.
    Esmtp,
    /// LHLO was said.
    Lmtp,
    /// EHLO, and MAIL with SMTPUTF8.
    Utf8Smtp,
    /// LHLO, and MAIL with SMTPUTF8.
    Utf8Lmtp,
    /// Handed over on standard input by a program of this machine.
    Local,
}

/// Everything about a message that is not its content.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Our name for this message: in the reply, the trace fields and the log.
    pub id: String,
    /// When its mail data was complete.
    pub received: SystemTime,
    /// Our name where it came in.
    pub host: String,
    /// Who sent it to us.
    pub client: Client,
    /// How.
    pub transmission: Transmission,
    /// Where a bounce would go.
    pub reverse_path: ReversePath,
    /// For whom it is, in the order of the RCPT commands; at least one.
    pub recipients: Vec<Recipient>,
    /// Whether it was announced as BODY=BINARYMIME (RFC 3030): no line ends may be touched.
    pub binary: bool,
}

/// One accepted RCPT command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The address as the client gave it.
    pub forward_path: ForwardPath,
    /// The mailboxes it stands for; several when it is an alias.
    pub destinations: Vec<Destination>,
}

/// One mailbox that a recipient leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The final recipient: what `Delivered-To` says.
    pub mailbox: Mailbox,
    /// Its Maildir.
    pub location: Location,
    /// What the captures of the host pattern matched, by name.
    pub captures: BTreeMap<String, String>,
    /// Who takes the mail where that Maildir must exist and does not.
    pub otherwise: Option<Box<Destination>>,
}

/// A message: envelope and content (RFC 5321 section 2.3.1).
#[derive(Debug)]
pub struct Mail {
    /// The envelope.
    pub envelope: Envelope,
    /// Header and body as received.
    pub content: Content,
    /// What names it for each recipient, where that was settled before it came here; else empty, and
    /// made of the message.
    pub keys: Vec<String>,
}

impl Mail {
    /// A message as received.
    pub fn new(envelope: Envelope, content: impl Into<Content>) -> Self {
        Self {
            envelope,
            content: content.into(),
            keys: Vec::new(),
        }
    }

    /// The same message, with a key for each recipient.
    #[must_use]
    pub fn with_keys(self, keys: Vec<String>) -> Self {
        Self { keys, ..self }
    }
}

/// Recipients that a line of the log names, at most.
const NAMED: usize = 20;

/// The first recipients, and how many more there are: for the log.
pub(crate) fn names<'a>(recipients: impl ExactSizeIterator<Item = &'a Recipient>) -> String {
    let more = recipients.len().saturating_sub(NAMED);
    let first = recipients.take(NAMED);
    let mut names: Vec<String> = first
        .map(|recipient| recipient.forward_path.to_string())
        .collect();
    if more > 0 {
        names.push(format!("... (+{more})"));
    }
    names.join(",")
}

impl Envelope {
    /// The "with" word of its Received field: with an S when the connection was encrypted, with an
    /// A when the client had proved who it is (RFC 3848, RFC 6531 section 4.3).
    pub fn with(&self) -> String {
        let is_plain = matches!(self.transmission, Transmission::Smtp | Transmission::Local);
        let mut word = self.transmission.to_string();
        if self.client.tls.is_some() && !is_plain {
            word.push('S');
        }
        if self.client.login.is_some() && !is_plain {
            word.push('A');
        }
        word
    }
}

/// Makes names for messages: unlike each other within this process, and as good
/// as surely unlike those of any other.
#[derive(Debug)]
pub struct Ids {
    seed: u64,
    count: AtomicU64,
}

impl Default for Ids {
    fn default() -> Self {
        // The standard library's hash keys are the randomness that is at hand everywhere.
        Self {
            seed: RandomState::new().hash_one(std::process::id()),
            count: AtomicU64::new(0),
        }
    }
}

impl Ids {
    /// The next name: time and a number, in base 32 without letters that look alike.
    pub fn next(&self, now: SystemTime) -> String {
        const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let micros = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_micros();
        let number = self
            .seed
            .wrapping_add(self.count.fetch_add(1, Ordering::Relaxed));
        let bits = (micros << 30) | u128::from(number & 0x3fff_ffff);
        (0..16)
            .rev()
            .map(|digit| char::from(DIGITS[(bits >> (5 * digit)) as usize & 31]))
            .collect()
    }
}

impl From<Option<IpAddr>> for Proxy {
    fn from(peer: Option<IpAddr>) -> Self {
        peer.map_or(Self::Unix, Self::Address)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

impl fmt::Display for Transmission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smtp => "SMTP",
            Self::Esmtp => "ESMTP",
            Self::Lmtp => "LMTP",
            Self::Utf8Smtp => "UTF8SMTP",
            Self::Utf8Lmtp => "UTF8LMTP",
            Self::Local => "local",
        })
    }
}
