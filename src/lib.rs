//! Mail comes in over SMTP, LMTP or a pipe, and goes, whole and durable, into the Maildir of every
//! recipient; on the way a chain of processors may look at it, add to it, refuse it, or hand it to
//! an application.
//!
//! # A receiver in ten lines
//!
//! ```
//! use maiasaura::{Config, Daemon};
//!
//! # let folder = tempfile::tempdir()?;
//! # let mail = folder.path().display();
//! let mut config = Config::default();
//! config.listen_on("127.0.0.1:0")?; // any free port
//! config.recipients.hosts = vec!["example.org".into()];
//! config.maildir.path = "/var/vmail/{host}/{user}".into();
//! # config.maildir.path = format!("{mail}/{{host}}/{{user}}");
//! let running = Daemon::new(config).start()?;
//! println!("listening on {}", running.addresses()[0]);
//! # {
//! #     use std::io::{BufRead as _, BufReader, Write as _};
//! #     let maiasaura::server::Address::Tcp(address) = running.addresses()[0] else { unreachable!() };
//! #     let mut client = std::net::TcpStream::connect(address)?;
//! #     let mut replies = BufReader::new(client.try_clone()?).lines();
//! #     for line in ["", "HELO me", "MAIL FROM:<>", "RCPT TO:<you@example.org>", "DATA", "\r\nhello\r\n.", "QUIT"] {
//! #         if !line.is_empty() {
//! #             write!(client, "{line}\r\n")?;
//! #         }
//! #         let reply = replies.next().expect("a reply")?;
//! #         assert!(reply.starts_with(['2', '3']), "{reply}");
//! #     }
//! #     assert_eq!(std::fs::read_dir(folder.path().join("example.org/you/new"))?.count(), 1);
//! # }
//! running.shutdown(); // what has begun is finished
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A `250` that a client hears means: its mail is in every Maildir, on the disk, with its name, and
//! still there after the power is cut.
//!
//! # What to read, in this order
//!
//! | you want to | read |
//! |---|---|
//! | start a receiver, change it while it runs, stop it | [`Daemon`], [`Running`], and the rest of [`daemon`] |
//! | say how it is to be | [`Config`], and the sections in [`config`] |
//! | look at mail, or refuse it: a processor of your own | [`processor`], then what it is given: [`envelope`], [`content`], and what it answers: [`failure`], [`smtp::reply`] |
//! | have mail handed to your application later, as often as it takes | [`spool`], [`Daemon::consumer`] |
//! | hear what happens, and know what works | [`events`], [`health`] |
//! | know which addresses are yours, and where their mail goes | [`recipients`] |
//!
//! That is all: what else is public is so for the program and its tests, is not shown here, and may
//! change.
//!
//! In `examples/` are `receiver.rs`, the smallest one; `processor.rs`, with a processor of its own;
//! `client.rs`, which sends a mail to them; and `maildiranasaurus`, a whole server with its
//! configuration and a guide. `cargo run --example receiver` runs the first.
//!
//! # The way of one message
//!
//! `server` accepts a connection and moves octets between it and a `smtp::Session`, which knows
//! the protocol and neither sockets nor time. For each recipient the `validate` chain is asked; at
//! the end of the content every [`Processor`](processor::Processor) of the `save` chain *stages*,
//! then all *commit*, or all *abort*. One of them is [`MailDir`](processor::MailDir), which writes
//! through `maildir`. `tls` has the certificates, `fastcgi` is the way to PHP.
//! `ARCHITECTURE.md` in the sources has the whole house, with the reasons.
//!
//! # Features
//!
//! `fastcgi` (on by default): PHP over FastCGI. `acme`: certificates from Let's Encrypt.
//! `auth-http`: the endpoint that nginx's mail proxy asks. `metrics`: figures for Prometheus. `redis`:
//! values and streams in Redis, workers, users. `mysql`: rows in MySQL, users. The sections of the
//! configuration are there without the features, and say what is missing.

// In the order of the table above.
pub mod config;
pub mod daemon;

pub mod processor;

pub mod content;
pub mod envelope;
pub mod failure;

pub mod spool;

pub mod events;
pub mod health;

pub mod recipients;

pub mod smtp;

// What only the program and the tests name.
#[cfg(feature = "acme")]
#[doc(hidden)]
pub mod acme;
#[cfg(feature = "auth-http")]
#[doc(hidden)]
pub mod auth_http;
#[doc(hidden)]
pub mod chain;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod credentials;
#[doc(hidden)]
pub mod disks;
#[cfg(feature = "fastcgi")]
#[doc(hidden)]
pub mod fastcgi;
#[doc(hidden)]
pub mod logbook;
#[doc(hidden)]
pub mod maildir;
#[cfg(feature = "metrics")]
#[doc(hidden)]
pub mod metrics;
#[cfg(feature = "mysql")]
#[doc(hidden)]
pub mod mysql;
#[doc(hidden)]
pub mod proxy;
#[cfg(feature = "redis")]
#[doc(hidden)]
pub mod redis;
#[doc(hidden)]
pub mod server;
#[cfg(feature = "redis")]
#[doc(hidden)]
pub mod stream;
#[doc(hidden)]
pub mod tls;
#[cfg(feature = "redis")]
#[doc(hidden)]
pub mod work;

mod answers;
mod group;
#[cfg(any(feature = "auth-http", feature = "metrics"))]
mod http;
mod locks;
mod stamp;

// One for all who answer later: processors, consumers, sources of users.
pub use processor::Pending;

pub use config::Config;
pub use daemon::{Daemon, Running, StartError};
#[doc(inline)]
pub use server::Address;
