//! SMTP and LMTP as a pure state machine: octets in, steps out.
//!
//! Nothing here opens a socket or a file, waits, or asks what time it is; the
//! driver does (`crate::server`). In the sources read in this order: [`address`], [`reply`],
//! `command`, `sasl`, `xclient`, `line`, `data`, and last the `Session` that joins them. Processors
//! and sources of users need the first two.

pub mod address;
#[doc(hidden)]
pub mod command;
mod data;
mod line;
mod profile;
pub mod reply;
#[doc(hidden)]
pub mod sasl;
mod session;
mod transaction;
#[doc(hidden)]
pub mod xclient;

#[doc(hidden)]
pub use profile::{Auth, Profile, Protocol, StartTls};
pub use reply::Reply;
#[doc(hidden)]
pub use session::{Attempt, Refusal, Session, Step};
#[doc(hidden)]
pub use transaction::Submission;
