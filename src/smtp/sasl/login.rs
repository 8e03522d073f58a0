//! LOGIN (draft-murchison-sasl-login-00): obsolete, and what many devices speak.

use super::{Claim, Fault, Turn, name, password};

/// What the client has said so far.
#[derive(Debug, Default)]
pub(super) struct Login(Option<String>);

impl Login {
    /// Asks for the name, then for the password. The prompts are those that clients compare with.
    /// An initial response, which the draft does not know, is the name.
    pub(super) fn respond(&mut self, response: Option<&[u8]>) -> Result<Turn, Fault> {
        let Some(response) = response else {
            return Ok(Turn::Challenge(b"Username:".to_vec()));
        };
        let text = str::from_utf8(response).map_err(|_| Fault::Malformed("no UTF-8"))?;
        match self.0.take() {
            None => {
                self.0 = Some(name(text)?);
                Ok(Turn::Challenge(b"Password:".to_vec()))
            }
            Some(login) => {
                let password = password(text, &login)?;
                Ok(Turn::Password(Claim { login, password }))
            }
        }
    }
}
