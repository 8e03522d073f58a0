//! What single values of the sections cannot show.

use std::path::PathBuf;

use super::{Asked, ListenerTlsConfig, Mode, PairConfig};
use crate::config::check::{Outcome, refuse};
use crate::config::{Config, ListenerConfig};
use crate::tls::Demand;

pub(in crate::config) fn check(config: &Config) -> Outcome {
    let all = &config.tls;
    named(
        "tls",
        all.certificate.as_ref(),
        all.key.as_ref(),
        &all.certificates,
    )?;
    if let Some(acme) = &all.acme {
        acme.check(&config.hostname())?;
        let is_double = all.certificate.is_some() || !all.certificates.is_empty();
        let message = "certificates are in files already; keep either these or acme";
        refuse(is_double, "tls.acme", message)?;
    }
    let is_vain = all.client_certificates == Asked::Require && all.client_ca.is_none();
    let message = "no CA is named that clients could be known by; write client_ca: FILE";
    refuse(is_vain, "tls.client_certificates", message)?;
    let has_certificate = |listener| config.has_certificate(listener);
    let is_vain = all.client_ca.is_some() && !config.listeners.iter().any(has_certificate);
    let message =
        "no listener has a certificate, so that no client could show one; write certificate: FILE";
    refuse(is_vain, "tls.client_ca", message)?;
    for (index, listener) in config.listeners.iter().enumerate() {
        of_listener(config, listener, &format!("listeners[{index}].tls"))?;
    }
    Ok(())
}

fn of_listener(config: &Config, listener: &ListenerConfig, key: &str) -> Outcome {
    let own = &listener.tls;
    named(
        key,
        own.certificate.as_ref(),
        own.key.as_ref(),
        &own.certificates,
    )?;
    let is_vain = own.mode == Some(Mode::Off) && *own != ListenerTlsConfig::off();
    let message = "with mode: off nothing else here is used; write another mode, or only tls: off";
    refuse(is_vain, format!("{key}.mode"), message)?;
    let settings = config.tls(listener);
    let message = format!(
        "{} needs a certificate; write tls: {{certificate: FILE, key: FILE}}",
        config.mode(listener)
    );
    let has_none = settings.is_some() && !config.has_certificate(listener);
    refuse(has_none, key, message)?;
    let is_vain = own.client_ca.is_some() && settings.is_none();
    let message =
        "there is no certificate, so that no client could show one; write certificate: FILE";
    refuse(is_vain, format!("{key}.client_ca"), message)?;
    let is_vain = settings.is_some_and(|it| it.demand == Demand::Nothing)
        && own.client_certificates == Some(Asked::Require);
    let message = "no CA is named that clients could be known by; write client_ca: FILE";
    refuse(is_vain, format!("{key}.client_certificates"), message)
}

/// A key is of no use without its certificate.
fn named(
    section: &str,
    certificate: Option<&PathBuf>,
    key: Option<&PathBuf>,
    more: &[PairConfig],
) -> Outcome {
    let alone = "a key is named and no certificate; write certificate: FILE";
    let is_alone = key.is_some() && certificate.is_none();
    refuse(is_alone, format!("{section}.key"), alone)?;
    for (index, pair) in more.iter().enumerate() {
        let none = "no certificate is named; write {certificate: FILE, key: FILE}";
        let key = format!("{section}.certificates[{index}]");
        refuse(pair.certificate.is_none(), key, none)?;
    }
    Ok(())
}
