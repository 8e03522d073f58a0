//! Behind an MTA: Postfix and Exim hand mail over, by LMTP and through a pipe, with the settings
//! that `docs/mta.md` has.
//!
//! | file | what |
//! |---|---|
//! | `lmtp` | replies, retries, bounces, many at once, over Unix sockets and TCP |
//! | `pipe` | exit codes, and what an address may hold |
//! | `relay` | the MTA as a client that sends by SMTP |
//! | `secure` | the same and LMTP within TLS, and logins |
//! | `nodes` | one MTA, or several, before several nodes: what `docs/scale.md` has of LMTP |
//!
//! The rest are tools: `mta` is what both have in common, `postfix` and `exim` are one of each
//! with folders and ports of their own, `sample` reads the pages, `doors` is
//! the receiver that it has for a network, `tap` listens in.
//!
//! MTAs start as root: `sudo tests/run`. Exim comes from there, too: Debian does not let it be
//! installed beside Postfix, so its package is only unpacked.

mod doors;
mod exim;
mod lmtp;
mod mta;
mod nodes;
mod pipe;
mod postfix;
mod relay;
mod sample;
mod secure;
mod tap;

#[path = "../it/authority.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
mod authority;
#[path = "../interop/content.rs"]
mod content;
#[path = "../interop/maildir.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
mod maildir;
#[path = "../interop/program.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
mod program;
#[path = "../interop/receiver.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
mod receiver;
#[path = "../interop/service.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
mod service;
