//! How PHP is reached, and what it is given.

use std::path::PathBuf;

use serde::de::{Deserialize, Deserializer};

use super::Hidden;
use super::scalars::{Scalar, words};
use super::units::Time;

pub(super) mod check;
#[cfg(feature = "fastcgi")]
mod settings;

/// What the processor FastCGI is told.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct FastcgiConfig {
    /// Where PHP-FPM listens; needed.
    pub address: Option<PhpAddress>,
    /// The script that is given messages, as PHP-FPM sees the file system; needed.
    pub script: Option<PathBuf>,
    /// The folder that URIs begin in (default: that of the script).
    pub root: Option<PathBuf>,
    /// The route of a framework, such as /webhooks/mail (default: the script itself).
    pub uri: Option<String>,
    /// When a message is handed over (default: queued).
    pub delivery: Handover,
    /// The form of a message (default: raw).
    pub body: BodyForm,
    /// What counts as success (default: required).
    pub acknowledgement: Acknowledge,
    /// For `X-Signature` (default: none).
    pub secret: Option<Hidden>,
    /// The file that the secret is in (default: none).
    pub secret_file: Option<PathBuf>,
    /// Requests at once (default: 8).
    pub connections: usize,
    /// Until there is a connection (default: 5s).
    pub connect_timeout: Time,
    /// Until PHP has answered (default: 60s).
    pub timeout: Time,
    /// How PHP is asked about recipients.
    pub validate: FastcgiValidateConfig,
}

/// How PHP is asked about recipients.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct FastcgiValidateConfig {
    /// The script that is asked (default: the one for messages).
    pub script: Option<PathBuf>,
    /// The route of a framework (default: the one for messages).
    pub uri: Option<String>,
    /// Until PHP has answered (default: 10s).
    pub timeout: Time,
    /// How long a good recipient is believed to be one (default: 5m).
    pub positive: Time,
    /// How long a refused one (default: 1m).
    pub negative: Time,
    /// How much longer a good one, while PHP cannot say (default: 1h).
    pub stale_if_error: Time,
    /// Recipients that are remembered (default: 10000).
    pub entries: usize,
}

/// Where PHP-FPM listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhpAddress {
    /// `unix:/run/php/php-fpm.sock`, or just the path.
    Unix(PathBuf),
    /// `127.0.0.1:9000`, or with a name.
    Tcp(String),
}

words! {
    /// When a message is handed to PHP.
    pub enum Handover {
        /// From a queue, after the client was told that we have it.
        #[default]
        Queued = "queued",
        /// While the client waits; PHP's answer is its reply.
        Inline = "inline",
    }
}

words! {
    /// The form in which PHP gets a message.
    pub enum BodyForm {
        /// The message as it is.
        #[default]
        Raw = "raw",
        /// Taken apart, as JSON.
        Json = "json",
        /// Taken apart, as a form with files.
        Multipart = "multipart",
        /// Where it lies.
        Path = "path",
        /// The form of go-guerrilla's processor.
        Guerrilla = "guerrilla",
        /// As SendGrid sends it.
        Sendgrid = "sendgrid",
        /// As Mailgun sends it.
        Mailgun = "mailgun",
        /// As Postmark sends it.
        Postmark = "postmark",
        /// As Postal sends it.
        Postal = "postal",
    }
}

words! {
    /// Which answer of PHP counts as success.
    pub enum Acknowledge {
        /// A 2xx that says so.
        #[default]
        Required = "required",
        /// Every 2xx.
        Status = "status",
    }
}

impl Default for FastcgiConfig {
    fn default() -> Self {
        Self {
            address: None,
            script: None,
            root: None,
            uri: None,
            delivery: Handover::Queued,
            body: BodyForm::Raw,
            acknowledgement: Acknowledge::Required,
            secret: None,
            secret_file: None,
            connections: 8,
            connect_timeout: Time::seconds(5),
            timeout: Time::seconds(60),
            validate: FastcgiValidateConfig::default(),
        }
    }
}

impl Default for FastcgiValidateConfig {
    fn default() -> Self {
        Self {
            script: None,
            uri: None,
            timeout: Time::seconds(10),
            positive: Time::seconds(300),
            negative: Time::seconds(60),
            stale_if_error: Time::hours(1),
            entries: 10_000,
        }
    }
}

impl<'de> Deserialize<'de> for PhpAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "an address such as unix:/run/php/php-fpm.sock or 127.0.0.1:9000";
        deserializer.deserialize_any(Scalar {
            expected,
            read: address,
        })
    }
}

fn address(text: &str) -> Result<PhpAddress, String> {
    let path = text.strip_prefix("unix:").unwrap_or(text);
    if path.starts_with('/') {
        return Ok(PhpAddress::Unix(path.into()));
    }
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    let port = port.and_then(|(_, port)| port.parse::<u16>().ok());
    match port {
        Some(1..) => Ok(PhpAddress::Tcp(text.to_owned())),
        _ => Err(format!(
            "{text:?} is not an address of PHP-FPM; write one such as \
             unix:/run/php/php-fpm.sock or 127.0.0.1:9000"
        )),
    }
}
