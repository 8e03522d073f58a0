//! Redis, as people run it: values, streams, workers, and everything that goes wrong with them.
//! `tests/run` installs it; where it is missing that is a failure that names its package.

mod check;
mod cluster;
mod crashes;
mod embedded;
mod encrypted;
mod guide;
mod marks;
mod operators;
mod outages;
mod pair;
mod reload;
mod server;
mod streams;
mod takeovers;
mod upstream;
mod users;
mod values;

#[path = "../it/authority.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
mod authority;
#[path = "../it/client.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
mod client;
#[path = "../it/house.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
mod house;
#[path = "../it/process.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
mod process;
#[path = "../interop/service.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
mod service;
#[path = "../it/slow.rs"]
mod slow;
