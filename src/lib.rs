//! A Maildir-first local delivery agent.
pub mod smtp;
