//! The part of `maiasaura check` that is about TLS: what the certificates are, and what is wrong
//! with them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::say;
use crate::config::Config;
use crate::tls::{Demand, Facts, Offer, Pair, Settings, provider};

/// Everybody but the owner and the group.
const OTHERS: u32 = 0o007;
/// Days before its end in which a certificate should have been renewed.
const SOON: i64 = 14;

/// Says what is to be said about the certificates of all listeners, each once.
pub(super) fn faults(config: &Config) -> u32 {
    let mut faults = 0;
    let mut known: Vec<(Settings, String)> = Vec::new();
    for listener in &config.listeners {
        let Some(settings) = config.tls(listener) else {
            continue;
        };
        let hostname = config.profile(listener).hostname;
        let this = (settings, hostname);
        if known.contains(&this) {
            continue;
        }
        faults += faults_of(&this.0, &this.1);
        known.push(this);
    }
    faults
}

fn faults_of(settings: &Settings, hostname: &str) -> u32 {
    let mut faults = 0;
    for (index, pair) in settings.pairs.iter().enumerate() {
        let host = (index == 0).then_some(hostname);
        faults += u32::from(!is_sound(pair, host));
    }
    if faults == 0
        && let Demand::Request(ca) | Demand::Require(ca) = &settings.demand
    {
        match Offer::new(settings.clone()) {
            Ok(_) => say(&format!("ok    CA of clients {}", ca.display())),
            Err(error) => {
                say(&format!("FAULT CA of clients {error}"));
                faults += 1;
            }
        }
    }
    faults
}

/// Says what a certificate is; `host` is the name that it must be for.
fn is_sound(pair: &Pair, host: Option<&str>) -> bool {
    let facts = match pair.load(&provider()) {
        Ok(identity) => identity.facts,
        Err(error) => {
            say(&format!("FAULT certificate {error}"));
            return false;
        }
    };
    let file = pair.certificate.display();
    if !facts.is_current() {
        let (problem, mend) = match facts.days_left() {
            days if days < 0 => ("has expired", "renew it"),
            _ => ("does not hold yet", "look at the clock of this machine"),
        };
        say(&format!(
            "FAULT certificate {file}: {problem} ({}); {mend}",
            shown(&facts)
        ));
        return false;
    }
    let warning = if facts.days_left() < SOON {
        Some("it expires soon; renew it".to_owned())
    } else {
        host.filter(|host| !facts.covers(host)).map(|host| {
            format!("it is not for {host}, our hostname; clients that verify it will not connect")
        })
    };
    match warning {
        Some(warning) => say(&format!(
            "warn  certificate {file} ({}): {warning}",
            shown(&facts)
        )),
        None => say(&format!("ok    certificate {file} ({})", shown(&facts))),
    }
    if fs::metadata(&pair.key).is_ok_and(|key| key.permissions().mode() & OTHERS != 0) {
        let key = pair.key.display();
        say(&format!(
            "warn  key {key}: everybody on this machine can read it; mend it with: chmod o= {key}"
        ));
    }
    true
}

pub(super) fn shown(facts: &Facts) -> String {
    let names = match facts.names.as_slice() {
        [] => "no name (it has no subjectAltName)".to_owned(),
        names => names.join(" "),
    };
    format!(
        "{}, for {names}, {} days left",
        facts.subject,
        facts.days_left()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_without_names_is_for_nobody() {
        let facts = |names: &[&str]| Facts {
            subject: "localhost".into(),
            names: names.iter().map(|&name| name.to_owned()).collect(),
            not_before: 0,
            not_after: 0,
            fingerprint: String::new(),
            end_point: None,
        };
        for (names, said) in [
            (
                &[][..],
                "localhost, for no name (it has no subjectAltName), ",
            ),
            (&["a.test", "b.test"], "localhost, for a.test b.test, "),
        ] {
            let shown = shown(&facts(names));
            assert!(shown.starts_with(said), "{shown}");
        }
    }
}
