//! Who takes letters.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::Letter;

/// A boxed future, so that a consumer can be a trait object: `Box::pin(async move { .. })`:
/// `maiasaura::Pending`.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An application that letters are handed to.
pub trait Consumer: Send + Sync {
    /// Hands one letter over; `attempt` is 1 the first time. It runs on a thread of its own, as many
    /// at once as there may be attempts, and may block it; then it has to end by itself. What waits
    /// too long is dropped half-way, and a panic is a failure that may pass; in both cases the letter
    /// is tried again, with the same keys.
    fn hand(&self, letter: Arc<Letter>, attempt: u32) -> Pending<'_, Answer>;
}

/// What an application says of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has the letter, and answers for it from now on.
    Delivered,
    /// Not now.
    Later {
        /// How long it asks to be left alone, as with `Retry-After`.
        after: Option<Duration>,
        /// For the log.
        why: String,
    },
    /// It will never take this letter.
    Never {
        /// For the log, and on top of the dead letter.
        why: String,
    },
}
