//! SMTP and LMTP.
pub mod address;
pub mod reply;
