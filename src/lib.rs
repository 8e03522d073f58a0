//! A Maildir-first local delivery agent.
pub mod maildir;
pub mod smtp;
