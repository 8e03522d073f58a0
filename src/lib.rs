//! A Maildir-first local delivery agent.
pub mod envelope;
pub mod failure;
pub mod maildir;
pub mod recipients;
pub mod smtp;
