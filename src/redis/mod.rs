//! Redis: commands out, replies in.
//!
//! A [`Client`] is one Redis, or one Redis Cluster, and all who use it. Commands of those who come at the
//! same time go in one pipeline (`Group`), so that a round trip, and with
//! `appendfsync always` a sync of Redis, is shared by many messages. Nobody waits for company.
//!
//! ```no_run
//! # #[cfg(feature = "redis")] {
//! use maiasaura::redis::{Client, Endpoint, Settings, command};
//!
//! let settings = Settings::at(Endpoint::Tcp("127.0.0.1".into(), 6379));
//! let client = Client::new(settings).expect("an address is given");
//! let mut set = command("SETEX");
//! set.arg("key").arg(3600).arg(b"value");
//! client.run(vec![set])?; // blocks, for `Settings::timeout` at most
//! # }
//! # Ok::<(), maiasaura::redis::Fault>(())
//! ```
//!
//! What is asked may be done twice: a connection that breaks leaves it open whether Redis has done it.

mod client;
mod facts;
mod fault;
mod link;
mod nodes;
mod pulse;
mod settings;
mod slots;
#[cfg(test)]
mod tests;
mod wait;

pub use ::redis::{Cmd as Command, Value, cmd as command};
pub use client::Client;
pub use facts::Facts;
pub use fault::Fault;
pub use settings::{Endpoint, Settings, Tls};
pub use wait::Wait;
