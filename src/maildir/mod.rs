//! Maildirs.
mod location;
pub use location::{Location, Owner, Quota};
