//! Certificates from Pebble, the directory that Let's Encrypt made for tests. `tests/run` installs
//! it; where it is missing that is a failure that names its package.

mod begin;
mod check;
mod client;
mod door;
#[cfg(feature = "metrics")]
mod figures;
#[cfg(feature = "metrics")]
mod pause;
mod pebble;
mod refusals;

#[path = "../interop/content.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
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
