//! Why a message or a recipient was not taken: one sentence for the client, one for the log.
//!
//! What may pass is a 4xx, so that the client tries again; an outage of ours is never a 5xx.
//!
//! ```
//! use std::io;
//!
//! use maiasaura::failure::Failure;
//! use maiasaura::smtp::reply;
//!
//! let failure = Failure::new(reply::USER_UNKNOWN, "no row for bob in the table of users");
//! assert_eq!(failure.reply.to_string(), "550 5.1.1 User unknown");
//!
//! let full = Failure::from(io::Error::from_raw_os_error(28)); // ENOSPC
//! assert!(full.reply.is_transient());
//! ```

use std::fmt;
use std::io;

use rustix::io::Errno;

use crate::smtp::reply::{self, Reply};

/// The client sees `reply`; only the log sees `cause`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the client is told.
    pub reply: Reply,
    /// What the operator needs to know and the client must not.
    pub cause: Option<String>,
}

impl Failure {
    /// A failure with its cause.
    pub fn new(reply: Reply, cause: impl fmt::Display) -> Self {
        Self {
            reply,
            cause: Some(cause.to_string()),
        }
    }
}

/// What a refusal with this reply is called: `deferred` where the client may try again.
pub fn status(reply: &Reply) -> &'static str {
    if reply.is_permanent() {
        "refused"
    } else {
        "deferred"
    }
}

impl From<Reply> for Failure {
    fn from(reply: Reply) -> Self {
        Self { reply, cause: None }
    }
}

/// The one table that turns an error of the operating system into a reply.
/// A storage fault is never permanent: the next attempt may find it mended.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let reply = match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOSPC | Errno::DQUOT | Errno::NOMEM | Errno::NFILE | Errno::MFILE) => {
                reply::STORAGE_FULL
            }
            Some(Errno::FBIG) => reply::TOO_BIG,
            Some(Errno::ACCESS | Errno::PERM | Errno::LOOP | Errno::NOTDIR | Errno::XDEV) => {
                reply::MAILBOX_UNAVAILABLE
            }
            _ if error.kind() == io::ErrorKind::QuotaExceeded => reply::MAILBOX_FULL,
            _ => reply::LOCAL_FAULT,
        };
        Self::new(reply, error)
    }
}

impl fmt::Display for Failure {
    /// For the log: the reply, and the cause in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => write!(f, "{} ({cause})", self.reply),
            None => self.reply.fmt(f),
        }
    }
}

impl std::error::Error for Failure {}
