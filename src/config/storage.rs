//! How Maildirs are written, and what processors are told.

use super::Level;
use super::scalars::{texts, words};
use super::units::{Time, file_mode};

/// How Maildirs are written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct MaildirConfig {
    /// The path of a Maildir: a template with `{host}`, `{user}`, and the captures of the host
    /// patterns (default: `maildirs/{host}/{user}`).
    pub path: String,
    /// What is on the disk before a message is acknowledged (default: full).
    pub durability: Durability,
    /// The line ends of stored messages (default: lf).
    pub eol: Eol,
    /// The mode of messages (default: 0600).
    #[serde(deserialize_with = "file_mode")]
    pub file_mode: u32,
    /// The mode of the folders that are made (default: 0700).
    #[serde(deserialize_with = "file_mode")]
    pub directory_mode: u32,
    /// Whether a missing root is an error rather than made (default: false).
    pub require_root: bool,
    /// How old a file in `tmp/` must be to be swept away (default: 36h).
    pub sweep_after: Time,
    /// Whether the copies of a message share a file where that is possible (default: false).
    pub single_instance: bool,
    /// How many Maildirs are kept open (default: 1000).
    pub cached_maildirs: usize,
}

words! {
    /// What is on the disk before a message is acknowledged.
    pub enum Durability {
        /// The message and its folder.
        #[default]
        Full = "full",
        /// A record of the message in a log, from which it is delivered a moment later.
        Journal = "journal",
        /// The message; a power cut can take away its name.
        File = "file",
        /// Perhaps nothing.
        None = "none",
    }
}

words! {
    /// The line ends of stored messages.
    pub enum Eol {
        /// LF, as the tools of this machine expect.
        #[default]
        Lf = "lf",
        /// CRLF, as received.
        Crlf = "crlf",
    }
}

impl Default for MaildirConfig {
    fn default() -> Self {
        Self {
            path: "maildirs/{host}/{user}".into(),
            durability: Durability::Full,
            eol: Eol::Lf,
            file_mode: 0o600,
            directory_mode: 0o700,
            require_root: false,
            sweep_after: Time::hours(36),
            single_instance: false,
            cached_maildirs: 1000,
        }
    }
}

/// What the processor Header is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct HeaderConfig {
    /// The host that `Delivered-To` names (default: that of the mailbox).
    pub delivered_to_host: Option<String>,
}

/// What the processor Debugger is told.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct DebuggerConfig {
    /// How important its lines are (default: debug).
    pub level: Level,
}

impl Default for DebuggerConfig {
    fn default() -> Self {
        Self {
            level: Level::Debug,
        }
    }
}

/// What the processor Compressor is told.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct CompressorConfig {
    /// From 0, not at all, to 9, best (default: 1).
    pub level: u32,
}

impl Default for CompressorConfig {
    fn default() -> Self {
        Self { level: 1 }
    }
}

/// What the processor Wildcard is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct WildcardConfig {
    /// Patterns of the hosts that it accepts, written as `recipients.hosts`.
    #[serde(deserialize_with = "texts")]
    pub hosts: Vec<String>,
}
