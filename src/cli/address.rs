//! Addresses on the command line, with or without `<` and `>`.

use super::{Exit, Fault};
use crate::smtp::address::{ForwardPath, ReversePath};

/// What Postfix calls the sender of a bounce unless it is told otherwise.
const NOBODY: &str = "MAILER-DAEMON";

/// Reads the address of a recipient.
pub(super) fn forward_path(given: &str) -> Result<ForwardPath, Fault> {
    match ForwardPath::parse(&bracketed(given)) {
        Ok((path, "")) => Ok(path),
        _ => Err(no_address(given)),
    }
}

/// Reads the address of a sender, which may be none.
pub(super) fn reverse_path(given: &str) -> Result<ReversePath, Fault> {
    if given.eq_ignore_ascii_case(NOBODY) {
        return Ok(ReversePath::Null);
    }
    match ReversePath::parse(&bracketed(given)) {
        Ok((path, "")) => Ok(path),
        _ => Err(no_address(&format!("-f {given}"))),
    }
}

fn no_address(given: &str) -> Fault {
    let message = format!("{given}: not an address; write local-part@domain");
    Fault::new(Exit::Usage, message)
}

fn bracketed(address: &str) -> String {
    if address.starts_with('<') {
        address.to_owned()
    } else {
        format!("<{address}>")
    }
}
