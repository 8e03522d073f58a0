//! A Maildir-first local delivery agent: mail comes in over SMTP, LMTP or a
//! pipe, and goes, whole and durable, into the Maildir of every recipient.
//!
//! ```no_run
//! use maiasaura::{Config, Daemon};
//!
//! let running = Daemon::new(Config::default()).start()?;
//! println!("listening on {}", running.addresses()[0]);
//! running.shutdown();
//! # Ok::<(), maiasaura::StartError>(())
//! ```
//!
//! The rooms, in the order in which a message passes them. Each uses only those
//! named after it in this list, and [`config`], [`daemon`] and [`cli`] above all:

#[cfg(feature = "auth-http")]
pub mod auth_http;

pub mod server;

#[cfg(feature = "redis")]
pub mod work;

pub mod chain;

pub mod processor;

#[cfg(feature = "acme")]
pub mod acme;
pub mod tls;

pub mod disks;
#[cfg(feature = "fastcgi")]
pub mod fastcgi;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "redis")]
pub mod redis;
pub mod spool;
#[cfg(feature = "redis")]
pub mod stream;

pub mod recipients;

pub mod envelope;

pub mod content;

pub mod failure;

pub mod credentials;
pub mod proxy;

pub mod smtp;

pub mod maildir;

mod answers;
mod group;
mod locks;

mod stamp;

pub mod config;

pub mod daemon;

pub mod cli;

pub use config::Config;
pub use daemon::{Daemon, Running, StartError};
