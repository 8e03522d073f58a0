//! A Maildir-first local delivery agent.
pub mod chain;
pub mod config;
pub mod envelope;
pub mod failure;
pub mod maildir;
pub mod processor;
pub mod recipients;
pub mod server;
pub mod smtp;
