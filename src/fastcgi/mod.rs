//! The bridge to a PHP application: mail goes to PHP-FPM over FastCGI, without a
//! web server in between.
//!
//! [`Bridge::hand`] gives one [`Letter`] to PHP, once, and says what became of
//! it: an [`Answer`]. It keeps nothing and never tries again: who calls it
//! decides when.

mod letter;

use std::time::Duration;

pub use letter::{Content, Envelope, Letter, idempotency_key};

use crate::smtp::reply::Reply;

/// What became of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// PHP has it, and said so.
    Delivered,
    /// PHP has perhaps not got it: it is down, slow, broken, or asks for patience.
    /// Whoever tries again does so with the same key.
    Later {
        /// How long PHP asks to be left alone (`Retry-After`).
        after: Option<Duration>,
        /// What a client that waits is told; transient.
        reply: Reply,
        /// For the log.
        why: String,
    },
    /// PHP does not want it, now or ever.
    Never {
        /// What a client that waits is told; permanent.
        reply: Reply,
        /// For the log.
        why: String,
    },
}

/// The way to one PHP script. Cheap to share; as many letters may be handed over
/// at once as it was told connections.
#[derive(Debug)]
pub struct Bridge {}

impl Bridge {
    /// Hands a letter to PHP and waits for its answer, for as long as the
    /// configured deadline. `attempt` counts from 1. Whatever goes wrong is an
    /// answer: [`Answer::Later`] unless PHP itself has refused the letter.
    ///
    /// Blocks the thread while it reads a file; it belongs where blocking is
    /// allowed (`smol::unblock`, or a thread of its own with `smol::block_on`).
    pub async fn hand(&self, letter: Letter<'_>, attempt: u32) -> Answer {
        let _ = (letter, attempt);
        Answer::Later {
            after: None,
            reply: crate::smtp::reply::LOCAL_FAULT,
            why: "not connected".into(),
        }
    }
}
