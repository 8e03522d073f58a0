//! PLAIN (RFC 4616).

use super::{Claim, Fault, authorized, name, password};

/// `[authzid] NUL authcid NUL passwd`.
pub(super) fn read(message: &[u8]) -> Result<Claim, Fault> {
    let malformed = Fault::Malformed("no PLAIN message");
    let text = str::from_utf8(message).map_err(|_| malformed.clone())?;
    let mut parts = text.split('\0');
    let (Some(wanted), Some(login), Some(secret), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed);
    };
    let login = name(login)?;
    let password = password(secret, &login)?;
    authorized(wanted, &login)?;
    Ok(Claim { login, password })
}
