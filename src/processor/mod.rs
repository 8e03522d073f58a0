//! Processors: the links of the chain, one file each.
//!
//! For one of your own read [`Processor`], the [`Delivery`] that it is given, and what it returns:
//! [`Staged`] with a [`Commit`], or a [`Failure`].
//!
//! A message is first *staged* by every processor of the `save` chain in its
//! order: all that can fail is done, nothing is visible. Only when all have
//! staged are they asked, in the same order, to *commit*. If anything fails,
//! all are asked to *abort* and the client hears that processor's reply.
//!
//! `stage`, `commit` and `abort` run on the thread of a delivery and may block
//! it. `validate` runs where sockets are served: what blocks there belongs into
//! `smol::unblock`. `start` runs on the thread that asked for the start or the reload, which waits for
//! it as long as it takes; `shutdown` on one for work that blocks. Both may block.
//!
//! ```
//! use std::sync::Arc;
//!
//! use maiasaura::envelope::Recipient;
//! use maiasaura::failure::Failure;
//! use maiasaura::processor::{Delivery, Pending, Processor, Sender, Staged};
//! use maiasaura::smtp::reply;
//! use maiasaura::{Config, Daemon};
//!
//! /// Wants no mail without a sender, and none without a subject.
//! struct Picky;
//!
//! impl Processor for Picky {
//!     fn name(&self) -> &str {
//!         "Picky"
//!     }
//!
//!     fn validate<'a>(&'a self, _: &'a Recipient, sender: Sender<'a>) -> Pending<'a, Result<(), Failure>> {
//!         Box::pin(async move {
//!             match sender.reverse_path.to_string().is_empty() {
//!                 true => Err(Failure::new(reply::USER_UNKNOWN, "Picky takes no bounces")),
//!                 false => Ok(()),
//!             }
//!         })
//!     }
//!
//!     fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
//!         Box::pin(async move {
//!             let headers = delivery.headers.as_ref(); // HeadersParser stands before it
//!             match headers.and_then(|headers| headers.subject.as_deref()) {
//!                 Some(_) => Ok(Staged::Done),
//!                 None => Err(Failure::new(reply::LOCAL_FAULT, "Picky saw no subject")),
//!             }
//!         })
//!     }
//! }
//!
//! let mut config = Config::default();
//! config.validate.push("Picky".into());
//! config.save = ["HeadersParser", "Picky", "MailDir"].map(String::from).to_vec();
//! let daemon = Daemon::new(config).processor("Picky", || Ok(Arc::new(Picky)));
//! # daemon.service().map(drop)?;
//! # Ok::<(), maiasaura::StartError>(())
//! ```
//!
//! One that has something to commit returns [`Staged::Until`]; `examples/processor.rs` has such a
//! one, with a section of the configuration ([`Daemon::processor_with`](crate::Daemon::processor_with))
//! and with [`start`](Processor::start) and [`shutdown`](Processor::shutdown).

mod compressor;
mod debugger;
mod delivery;
#[cfg(feature = "fastcgi")]
mod fastcgi;
mod fields;
mod files;
mod hasher;
mod header;
mod headers_parser;
mod maildir;
#[cfg(feature = "mysql")]
mod mysql;
mod queued;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod stream;
mod text;
mod trace;
mod wildcard;

use std::future::Future;
use std::pin::Pin;

pub use delivery::{Delivery, Headers};

// Ours, which a configuration names.
#[doc(hidden)]
pub use compressor::Compressor;
#[doc(hidden)]
pub use debugger::Debugger;
#[cfg(feature = "fastcgi")]
#[doc(hidden)]
pub use fastcgi::{FastCgi, Postman};
#[doc(hidden)]
pub use files::Files;
#[doc(hidden)]
pub use hasher::Hasher;
#[doc(hidden)]
pub use header::Header;
#[doc(hidden)]
pub use headers_parser::HeadersParser;
#[doc(hidden)]
pub use maildir::{LineEnds, MailDir};
#[cfg(feature = "mysql")]
#[doc(hidden)]
pub use mysql::{Bodies, MySql, Scribe};
#[cfg(all(feature = "mysql", feature = "redis"))]
#[doc(hidden)]
pub use mysql::{Clerk, Depot, GuerrillaDbRedis};
#[doc(hidden)]
pub use queued::Queued;
#[cfg(feature = "redis")]
#[doc(hidden)]
pub use redis::{Redis, RedisPostman};
#[cfg(feature = "redis")]
#[doc(hidden)]
pub use stream::Stream;
#[doc(hidden)]
pub use trace::Trace;
#[doc(hidden)]
pub use wildcard::Wildcard;

use self::fields::{Field, Fields};
use self::hasher::keys;
#[cfg(feature = "mysql")]
use self::headers_parser::read_headers;
use self::text::Text;
#[doc(hidden)]
pub use crate::answers::Times;
use crate::envelope::{Client, Recipient};
use crate::failure::Failure;
use crate::smtp::address::ReversePath;

/// A boxed future, so that a processor can be a trait object: `Box::pin(async move { .. })`. That of a
/// [consumer](crate::spool::Consumer) and of a [source of users](crate::recipients::UserSource) is
/// the same type, `maiasaura::Pending`.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One link of the chain.
pub trait Processor: Send + Sync {
    /// Its name in the configuration and in the log.
    fn name(&self) -> &str;

    /// Whether mail for `recipient` will be taken. Asked at RCPT by the
    /// `validate` chain; a fault that may pass must be a transient reply.
    fn validate<'a>(
        &'a self,
        recipient: &'a Recipient,
        sender: Sender<'a>,
    ) -> Pending<'a, Result<(), Failure>> {
        let _ = (recipient, sender);
        Box::pin(async { Ok(()) })
    }

    /// Whether mail that went through it is kept somewhere. A `save` chain
    /// without such a processor is refused: it would acknowledge mail and lose it.
    fn stores(&self) -> bool {
        false
    }

    /// Does all that can fail and lets nothing of it be seen yet. What has to
    /// follow is returned; dropping it without a commit must leave no trace.
    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>>;

    /// Gets what it needs before the first message; called once. If it fails, the daemon does not
    /// start, or the reload is refused, and says why.
    ///
    /// A reload makes a processor anew, unless its constructor gives the same one again, and starts
    /// it while the one from before still serves: what only one can have, such as a lock or a port,
    /// is to be shared between them.
    ///
    /// It cannot ask for a reload itself: there is one already.
    fn start(&self) -> Pending<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }

    /// Lets go of what it holds; called once, after the last delivery of the last configuration that
    /// has it, or where what it was started for is refused. The processors of a configuration are shut
    /// down side by side, and each has 3 seconds for that, or `timeouts.shutdown` if that is shorter;
    /// then it is left to itself, and the end of the program cuts it off. The log has its name.
    fn shutdown(&self) -> Pending<'_, ()> {
        Box::pin(async {})
    }
}

/// Who asks, when a recipient is validated.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// The client, as far as it is known.
    pub client: &'a Client,
    /// The argument of MAIL.
    pub reverse_path: &'a ReversePath,
}

/// What a processor still has to do after it has staged.
pub enum Staged {
    /// Nothing: it only looked, or wrote into the [`Delivery`].
    Done,
    /// Something to commit.
    Until(Box<dyn Commit>),
}

/// The second half of a two-phase commit.
pub trait Commit: Send {
    /// Makes what was staged visible and durable. Should not fail.
    fn commit(&mut self) -> Pending<'_, Result<(), Failure>>;

    /// Undoes what was staged, and what was committed if a later processor's
    /// commit failed.
    fn abort(&mut self) -> Pending<'_, ()>;
}

#[cfg(test)]
mod tests;
