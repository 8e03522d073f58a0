//! What can be said about recipients, and what can be wrong with it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::pattern::PatternError;
use crate::answers::Times;
use crate::maildir::{Owner, Quota};

/// Whose mail is taken, and where it goes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Patterns of the hosts that are ours; see [`HostPatterns`](super::HostPatterns).
    pub hosts: Vec<String>,
    /// Who has a mailbox there.
    pub users: Users,
    /// The mailbox of `<postmaster>`; `postmaster@<hostname>` when none is named.
    pub postmaster: Option<String>,
    /// What an address stands for. A key is an address, or a local part alone,
    /// which means that user at every host of ours. A target that is its own
    /// key is the mailbox itself: `bob: [bob, carol]`, each with its host, keeps a copy.
    pub aliases: BTreeMap<String, Vec<String>>,
    /// The mailbox of every user that is not known.
    pub catch_all: Option<String>,
    /// What `user+detail` means.
    pub subaddress: Subaddress,
    /// Whether `Bob` and `bob` are two users.
    pub case_sensitive: bool,
    /// The path of a Maildir: a template with `{host}` (or `{domain}`),
    /// `{user}`, `{detail}` and the captures of the host patterns.
    pub path: String,
    /// Our own name.
    pub hostname: String,
}

/// What `user+detail` means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subaddress {
    /// The characters of which the first divides the user from the detail; none: nothing is divided.
    pub delimiters: String,
    /// Where mail with a detail goes.
    pub folder: DetailFolder,
}

/// Where mail with a detail goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DetailFolder {
    /// Where all mail of that user goes.
    #[default]
    Ignore,
    /// Into the Maildir++ folder of that name where there is one.
    Existing,
    /// Into the Maildir++ folder of that name, which is made.
    Create,
}

/// Who has a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Users {
    /// Everybody.
    Any,
    /// Who has a Maildir already.
    Existing,
    /// These: `alice` at every host, or `alice@example.org` at that one.
    List(Vec<String>),
    /// These, with what is special about each.
    Map(BTreeMap<String, User>),
    /// Whom a source outside of the configuration knows.
    Asked(Question),
}

/// What a source of users is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Who is asked, such as `mysql`; empty for a source that the program brings along.
    pub of: String,
    /// What, in the language of that source.
    pub text: String,
}

/// How a source of users is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// How long it may take to answer.
    pub timeout: Duration,
    /// How long its answers are believed.
    pub times: Times,
}

/// What is special about one user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Whose files the Maildir consists of.
    pub owner: Option<Owner>,
    /// A path of its own, a template too.
    pub path: Option<String>,
    /// Its limit.
    pub quota: Option<Quota>,
}

/// A setting that cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {value:?} {message}")]
pub struct SettingError {
    /// Which setting, such as `recipients.hosts[3]`.
    pub key: String,
    /// What it says.
    pub value: String,
    /// What is wrong with that and how to mend it; goes on after the value.
    pub message: String,
}

impl SettingError {
    pub(super) fn new(
        key: impl Into<String>,
        value: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
            message: message.into(),
        }
    }
}

impl From<PatternError> for SettingError {
    fn from(error: PatternError) -> Self {
        Self::new(
            format!("recipients.hosts[{}]", error.index),
            error.pattern,
            error.message,
        )
    }
}
