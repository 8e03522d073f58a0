//! The spool: mail that an application gets later, and as often as it takes.
//!
//! Each [`Consumer`] has a [`Queue`], a folder like a Maildir. A letter in it is a line
//! with the envelope (its [`Slip`]), then the content: in a file, or behind others in a bundle. It
//! is staged as a copy for a Maildir is, and committed in one with these
//! ([`Store::commit`](crate::maildir::Store::commit)): both are there and durable, or neither is.
//!
//! ```text
//! .spool/NAME/new/      letters that wait, each in a file
//! .spool/NAME/bundles/  letters that wait, many in a file
//! .spool/NAME/state/    for a letter that was tried: how often, when again, and what went wrong
//! .spool/dead/          the Maildir of letters that nobody tries any more, for people
//! ```
//!
//! A [`Worker`] hands letters over. One stays there until the consumer has it: after a crash it
//! is handed over again, with the same key. So at worst a letter comes twice, never not at all.
//!
//! Files, marks in bundles and renames are all there is between the worker and others: who puts a letter there,
//! removes one, or says that it is to be tried now need not know whether a worker runs.

mod agenda;
mod breaker;
mod census;
mod consumer;
mod dead;
mod desk;
mod letter;
mod office;
mod place;
mod queue;
mod schedule;
mod section;
mod slip;
mod state;
#[cfg(test)]
mod tests;
mod watch;
mod worker;

use std::time::{SystemTime, UNIX_EPOCH};

pub use census::Census;
pub use consumer::{Answer, Consumer, Pending};
pub use dead::{DEAD, DeadLetters, Reason};
pub use letter::Letter;
pub use place::Place;
pub use queue::Queue;
pub use schedule::Schedule;
pub use slip::Slip;
pub use state::State;
pub use worker::{Settings, Worker};

/// Milliseconds since 1970.
fn now() -> u64 {
    millis(SystemTime::now())
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
