//! Maildirs: a message is written, made durable, and only then shown.

mod eol;
mod name;

pub use eol::{crlf_size, to_lf};
pub use name::Names;
