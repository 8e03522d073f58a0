//! What is written for one recipient of a message.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

/// A row, as long as its values may be; they are cut to the columns when it is inserted.
#[derive(Debug, Default)]
pub struct Row {
    /// What names this message for this recipient: 64 hexadecimal digits.
    pub key: String,
    /// When the message was received, in seconds since 1970.
    pub received: u64,
    /// The first address of To, else the recipient.
    pub to: String,
    /// Where a bounce would go.
    pub return_path: String,
    /// The subject, decoded.
    pub subject: String,
    /// The type of the content.
    pub content_type: String,
    /// The address as the client gave it.
    pub recipient: String,
    /// Message-ID.
    pub message_id: String,
    /// The first address of Reply-To.
    pub reply_to: String,
    /// The address of Sender.
    pub sender: String,
    /// The address of the client; none for a Unix socket or a pipe.
    pub client: Option<IpAddr>,
    /// Whether the client used TLS.
    pub is_tls: bool,
    /// What becomes of the message itself.
    pub message: Option<Message>,
}

/// A message that is written into its row, or is elsewhere.
pub struct Message {
    /// The form that it has.
    pub form: Form,
    /// Its octets.
    pub size: u64,
    /// Reads it, when it is sent.
    pub read: Box<dyn Fn() -> io::Result<Vec<u8>> + Send>,
    /// Whether it is nowhere else: a row without it is not written.
    pub is_sole: bool,
}

/// The form of a message in its row, which the column `body` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it was received.
    Plain,
    /// A zlib stream (RFC 1950), which go-guerrilla calls `gzip`.
    Zlib,
    /// A zlib stream, as `GuerrillaDbRedis` calls it.
    Gzencode,
    /// Not here: in Redis, under the key.
    Redis,
}

impl Message {
    /// One that is in memory.
    pub fn of(form: Form, octets: Vec<u8>) -> Self {
        Self {
            form,
            size: octets.len() as u64,
            read: Box::new(move || Ok(octets.clone())),
            is_sole: false,
        }
    }

    /// The same, which is nowhere else.
    #[must_use]
    pub fn sole(self) -> Self {
        Self {
            is_sole: true,
            ..self
        }
    }

    /// One that is in Redis.
    pub fn elsewhere() -> Self {
        Self::of(Form::Redis, Vec::new())
    }
}

impl Form {
    /// What the column `body` says of it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Zlib => "gzip",
            Self::Gzencode => "gzencode",
            Self::Redis => "redis",
        }
    }
}

impl Row {
    /// Its octets in a statement, about, without the message.
    pub(super) fn weight(&self) -> u64 {
        let texts = [
            &self.key,
            &self.to,
            &self.return_path,
            &self.return_path,
            &self.subject,
            &self.content_type,
            &self.recipient,
            &self.message_id,
            &self.reply_to,
            &self.sender,
        ];
        // Lengths, types and numbers take the rest.
        texts.iter().map(|text| text.len() as u64 + 9).sum::<u64>() + 128
    }
}

/// Whole seconds since 1970.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({:?}, {} octets)", self.form, self.size)
    }
}
