//! The bridge with PHP-FPM at its other side, as people run it. `tests/run` installs it; where it
//! is missing that is a failure that names its package.

mod doctor;
mod examples;
mod faults;
mod forms;
mod fpm;
mod guide;
mod inline;
mod letter;
mod load;
mod maildiranasaurus;
mod owner;
mod place;
mod queued;
mod signature;

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
