//! What is written on a letter: its envelope, as one line of JSON.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::millis;
use crate::envelope::Envelope;

/// The version that is written. Fields that are added leave it as it is; a reader ignores those
/// that it does not know.
const VERSION: u32 = 1;

/// The envelope of a letter: a message for one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slip {
    version: u32,
    /// The letter's name: that of the message, and the number of the recipient if there are several.
    pub id: String,
    /// Who is to get it.
    pub consumer: String,
    /// When its mail data was complete, in milliseconds since 1970.
    pub received: u64,
    /// Our name where it came in.
    pub host: String,
    /// The address of the client; none for a Unix socket or a pipe.
    pub client: Option<IpAddr>,
    /// Its port.
    #[serde(default)]
    pub port: Option<u16>,
    /// Where the client connected to.
    #[serde(default)]
    pub server: Option<SocketAddr>,
    /// The version of TLS, such as `TLSv1.3`; none for a plain connection.
    #[serde(default)]
    pub tls: Option<String>,
    /// Who the client proved to be.
    #[serde(default)]
    pub login: Option<String>,
    /// Where the client has the message from, as far as it has told (XFORWARD), by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub origin: BTreeMap<String, String>,
    /// How the client called itself.
    pub helo: Option<String>,
    /// How it came in: the "with" word of its Received field, ESMTP say.
    pub transmission: String,
    /// Where a bounce would go; empty for nobody.
    pub mail_from: String,
    /// The recipient as the client gave it.
    pub rcpt: String,
    /// The mailboxes that it stands for.
    pub mailboxes: Vec<String>,
    /// What the captures of the host pattern matched, by name.
    pub captures: BTreeMap<String, String>,
    /// What names this message for this recipient, on every attempt and whenever it is sent again:
    /// 64 hexadecimal digits.
    pub key: String,
    /// Where its copies in Maildirs were put; a reader may have moved them.
    pub files: Vec<PathBuf>,
    /// Whether it was announced as BODY=BINARYMIME (RFC 3030).
    pub binary: bool,
    /// The octets of the content, trace fields included.
    pub size: u64,
}

impl Slip {
    /// The slip of a message for one of its recipients, by index.
    pub fn new(consumer: &str, envelope: &Envelope, index: usize, key: String) -> Self {
        let recipient = &envelope.recipients[index];
        let client = &envelope.client;
        let destinations = &recipient.destinations;
        let mailboxes = destinations.iter().map(|it| it.mailbox.to_string());
        let captures = destinations.iter().flat_map(|it| it.captures.clone());
        Self {
            version: VERSION,
            id: match envelope.recipients.len() {
                1 => envelope.id.clone(),
                _ => format!("{}-{}", envelope.id, index + 1),
            },
            consumer: consumer.to_owned(),
            received: millis(envelope.received),
            host: envelope.host.clone(),
            client: client.shown(),
            port: client.port,
            server: client.server,
            tls: client.tls.as_ref().map(|tls| tls.version.clone()),
            login: client.login.clone(),
            origin: client
                .origin
                .as_ref()
                .map(|it| it.told())
                .unwrap_or_default(),
            helo: client.helo.clone(),
            transmission: envelope.with(),
            mail_from: envelope.reverse_path.to_string(),
            rcpt: recipient.forward_path.to_string(),
            mailboxes: mailboxes.collect(),
            captures: captures.collect(),
            key,
            files: Vec::new(),
            binary: envelope.binary,
            size: 0,
        }
    }

    /// Reads such a line.
    pub fn read(json: &[u8]) -> io::Result<Self> {
        let slip: Self = serde_json::from_slice(json)?;
        if slip.version > VERSION {
            let message = format!("its version is {}, ours {VERSION}", slip.version);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(slip)
    }

    /// One line of JSON, without its end.
    pub fn json(&self) -> io::Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    /// Appends it to `line` as JSON, without a line end.
    pub(super) fn write(&self, line: &mut Vec<u8>) -> io::Result<()> {
        Ok(serde_json::to_writer(line, self)?)
    }
}
