//! SMTP and LMTP as a pure state machine: octets in, [`Step`]s out.
//!
//! Nothing here opens a socket or a file, waits, or asks what time it is; the
//! driver does ([`crate::server`]). Read in this order: [`address`], [`reply`],
//! [`command`], [`sasl`], [`xclient`], and last the [`Session`] that joins them;
//! in the sources also `line` and `data`, before it.

pub mod address;
pub mod command;
mod data;
mod line;
mod profile;
pub mod reply;
pub mod sasl;
mod session;
mod transaction;
pub mod xclient;

pub use profile::{Auth, Profile, Protocol, StartTls};
pub use reply::Reply;
pub use session::{Attempt, Refusal, Session, Step};
pub use transaction::Submission;
