//! What single values of the section cannot show.

use super::{Auth, Mechanism, Plaintext};
use crate::config::check::{Outcome, refuse};
use crate::config::{Config, Mode, Size};
use crate::credentials;
use crate::smtp::sasl;
use crate::tls::Demand;

pub(in crate::config) fn check(config: &Config) -> Outcome {
    let auth = &config.auth;
    let none = "no mechanism is named, so that nobody could log in; leave the key out for all";
    refuse(auth.mechanisms.is_empty(), "auth.mechanisms", none)?;
    for (index, listener) in config.listeners.iter().enumerate() {
        if listener.auth == Auth::Off {
            continue;
        }
        let key = format!("listeners[{index}].auth");
        users(config, &key)?;
        let is_plain = config.mode(listener) == Mode::Off && auth.plaintext == Plaintext::Never;
        let message = "nobody could log in, as this listener has no TLS; write tls: starttls, or \
                       auth: {plaintext: local} for clients of this machine";
        refuse(is_plain, key.clone(), message)?;
        let tls = config.tls(listener);
        let shows_certificate = tls.as_ref().is_some_and(|it| it.demand != Demand::Nothing);
        let is_usable = |it: &Mechanism| match it.0 {
            sasl::Mechanism::ScramSha256Plus => tls.is_some(),
            sasl::Mechanism::External => shows_certificate,
            _ => true,
        };
        let message = "nobody could log in with what auth.mechanisms names: EXTERNAL needs tls: {client_ca: \
                       FILE}, SCRAM-SHA-256-PLUS needs TLS; name others, too";
        refuse(!auth.mechanisms.iter().any(is_usable), key, message)?;
        if auth.mechanisms.iter().any(|it| it.0.tells_password()) {
            room(config)?;
        }
    }
    Ok(())
}

/// Refuses where nobody could log in with a password at `key`.
pub(in crate::config) fn passwords(config: &Config, key: &str) -> Outcome {
    users(config, key)?;
    let is_told = config
        .auth
        .mechanisms
        .iter()
        .any(|it| it.0.tells_password());
    let message = "nobody could log in, as nginx asks about passwords only; name PLAIN or LOGIN in \
                   auth.mechanisms, too";
    refuse(!is_told, key, message)?;
    room(config)
}

fn users(config: &Config, key: &str) -> Outcome {
    let message = "there are no users; write auth: {users: FILE}, and add them to it with \
                   maiasaura passwd NAME";
    refuse(config.auth.users.is_none(), key, message)
}

/// Whether a password can be checked in limits.memory.
fn room(config: &Config) -> Outcome {
    let least = Size(credentials::MEMORY);
    let message = format!(
        "there would be no room to check a single password; write at least {least}, or leave PLAIN \
         and LOGIN out of auth.mechanisms"
    );
    refuse(config.limits.memory < least, "limits.memory", message)
}
