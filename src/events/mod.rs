//! What happens, told to programs that the daemon is part of.
//!
//! Whoever embeds the daemon may subscribe, with a closure or through a channel
//! ([`Daemon::observe`](crate::Daemon::observe), [`Running::subscribe`](crate::Running::subscribe)). The figures for Prometheus are one such observer.
//!
//! Events hold addresses in full: how much the *log* may tell of them (`log.addresses`) does not
//! hold here. Who passes them on has to see to that.

mod change;
mod mail;
mod telling;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use change::{ConfigChange, ListenerChange, ServerChange};
pub use mail::{Letter, LetterFate, Message, Refusal, Refused};
pub use telling::{Events, Subscriber, Subscription};

use crate::envelope::{Client, Proxy};
use crate::smtp::Reply;

/// Something that has happened. There will be more of them, so a `match` needs an arm for the rest.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A client has connected and has a place among `limits.connections`. A proxy may name another
    /// client after that.
    Connected(Peer),
    /// That connection has ended.
    Disconnected(Peer, Duration),
    /// The connection is encrypted from here on.
    Encrypted {
        /// Whose it is.
        peer: Peer,
        /// Such as `TLSv1.3`.
        version: String,
        /// Such as `TLS_AES_256_GCM_SHA384`.
        cipher: String,
    },
    /// A handshake of TLS has failed, and the connection ends.
    NotEncrypted {
        /// Whose it was.
        peer: Peer,
        /// What was wrong.
        cause: String,
    },
    /// A client has proved who it is.
    LoggedIn {
        /// Which one.
        peer: Peer,
        /// Its name.
        login: String,
        /// Such as `SCRAM-SHA-256`.
        mechanism: Option<&'static str>,
    },
    /// A client has tried to, and failed.
    NotLoggedIn {
        /// Which one.
        peer: Peer,
        /// The name that it claimed; empty where it did not come so far.
        login: String,
        /// Such as `SCRAM-SHA-256`.
        mechanism: Option<&'static str>,
        /// What it was told.
        reply: Reply,
        /// Why.
        cause: String,
    },
    /// Somebody or something was refused, a message with all its content excepted: that is
    /// [`Message`](Self::Message).
    Refused(Refusal),
    /// A message with all its content was delivered, or not. Where the recipients of one LMTP
    /// message fare differently there is one of these for each outcome, with the same id.
    Message(Box<Message>),
    /// An application was handed a letter that had waited for it in the spool.
    Letter(Letter),
    /// A part of the daemon, or something that it depends on, works again.
    Well {
        /// Its name, such as `disk /var/mail`.
        part: Arc<str>,
    },
    /// It does not work, or with difficulty.
    Ill {
        /// Its name.
        part: Arc<str>,
        /// What is wrong.
        cause: String,
        /// Whether mail is taken all the same.
        takes_mail: bool,
    },
    /// Something in the configuration has changed, and is in force.
    ConfigChange(ConfigChange),
    /// Something about a listener has changed, and is in force.
    ServerChange(ServerChange),
}

/// The other end of a connection, and which listener it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address of the listener, as the log has it; `auth_http` for a question of nginx, `local`
    /// for a program of this machine.
    pub listener: Arc<str>,
    /// The client's address, as far as it is known.
    pub address: Option<IpAddr>,
    /// Who has told that this is the client.
    pub proxy: Option<Proxy>,
}

impl Peer {
    /// A client of a listener.
    pub fn new(listener: Arc<str>, client: &Client) -> Self {
        Self {
            listener,
            address: client.address,
            proxy: client.proxy,
        }
    }
}

impl Event {
    /// Its name, such as `message:delivered` or `config_change:allowed_hosts`. Those of changes are
    /// go-guerrilla's.
    pub fn topic(&self) -> &'static str {
        match self {
            Self::Connected(_) => "connection:opened",
            Self::Disconnected(..) => "connection:closed",
            Self::Encrypted { .. } => "tls:encrypted",
            Self::NotEncrypted { .. } => "tls:failed",
            Self::LoggedIn { .. } => "login:accepted",
            Self::NotLoggedIn { .. } => "login:refused",
            Self::Refused(refusal) => refusal.topic(),
            Self::Message(message) => message.topic(),
            Self::Letter(letter) => letter.topic(),
            Self::Well { .. } => "part:well",
            Self::Ill { .. } => "part:ill",
            Self::ConfigChange(change) => change.topic(),
            Self::ServerChange(change) => change.topic(),
        }
    }

    /// What a client was told, if the event is that it was refused something.
    pub fn refusal(&self) -> Option<&Reply> {
        match self {
            Self::NotLoggedIn { reply, .. } => Some(reply),
            Self::Refused(refusal) => refusal.reply.as_ref(),
            Self::Message(message) => message.outcome.as_ref().err().map(|failure| &failure.reply),
            _ => None,
        }
    }
}
