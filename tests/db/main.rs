//! With a real MariaDB: rows as they come to be there, everything that goes wrong with a database, and
//! `kill -9` of both. `tests/run` installs it; where it is missing that is a failure that names its
//! package.
//!
//! What go-guerrilla does wrong with databases has a test each, whose comment tells of it in one line;
//! `docs/go-guerrilla.md` lists them.

mod both;
mod checked;
mod encrypted;
mod guerrilla;
mod import;
mod kill;
mod mariadb;
mod promises;
mod queued;
mod reload;
mod rows;
mod schema;
mod taken_back;
mod trouble;
mod users;

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
