//! What the bridge is told.

use std::path::PathBuf;
use std::time::Duration;

use super::{Endpoint, Secret};

/// How PHP is reached, and what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where PHP-FPM listens.
    pub endpoint: Endpoint,
    /// What is run for a message.
    pub save: Script,
    /// What is run for a recipient.
    pub validate: Script,
    /// In which form PHP is given a message.
    pub body: Body,
    /// Whether an answer of success has to say so in words.
    pub acknowledgement: Acknowledgement,
    /// For `X-Signature`.
    pub secret: Option<Secret>,
    /// Requests at once; others wait.
    pub connections: usize,
    /// Until there is a connection.
    pub connect_timeout: Duration,
    /// For saving a message, connecting included.
    pub timeout: Duration,
    /// For validating a recipient, connecting included.
    pub validate_timeout: Duration,
}

/// A script of PHP, as PHP-FPM sees the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Its file: a constant, nothing of a client is ever joined to it.
    pub file: PathBuf,
    /// The folder that URIs begin in.
    pub root: PathBuf,
    /// What is asked for, if that is not the script itself: the route of a framework.
    pub uri: Option<String>,
}

/// The form of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The message as it is, `message/rfc822`.
    Raw,
    /// Envelope, header, texts and attachments as JSON.
    Json,
    /// The same as a form with files.
    Multipart,
    /// The envelope as JSON, and where the message lies.
    Path,
    /// The form of go-guerrilla's processor.
    Guerrilla,
    /// As SendGrid Inbound Parse sends it.
    Sendgrid,
    /// As routes of Mailgun send it.
    Mailgun,
    /// As the inbound webhook of Postmark sends it.
    Postmark,
    /// As HTTP endpoints of Postal send it.
    Postal,
}

impl Body {
    /// Whether PHP takes it apart itself, within `post_max_size`.
    pub(super) fn is_form(self) -> bool {
        matches!(
            self,
            Self::Multipart | Self::Guerrilla | Self::Sendgrid | Self::Mailgun
        )
    }
}

/// When a 2xx counts. PHP answers 200 after errors too: when `display_errors` is
/// on, or when output was flushed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// With `X-Mail-Ack: <key>`, or a body that begins with `SAVED` or `OK`.
    Required,
    /// Always.
    Status,
}

impl Script {
    /// Its path below the root, with a slash before it.
    pub(super) fn name(&self) -> String {
        let below = self.file.strip_prefix(&self.root).unwrap_or(&self.file);
        let below = below.to_string_lossy();
        format!("/{}", below.trim_start_matches('/'))
    }
}
