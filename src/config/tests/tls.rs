//! Which listener is encrypted, how, and with what.

use super::parse;
use crate::config::Mode;
use crate::smtp::StartTls;
use crate::tls::{Demand, Version};

/// A configuration, and the modes of its listeners.
const MODES: &[(&str, &[Mode])] = &[
    ("{}", &[Mode::Off]),
    ("tls: {certificate: a}", &[Mode::StartTls]),
    ("tls: {certificates: [{certificate: a}]}", &[Mode::StartTls]),
    (
        "tls: {certificate: a}\nlisteners: [{tls: ~}, {address: unix:/x}, {address: unix:/y, tls: starttls}, {address: \"systemd:z\", tls: off}]",
        &[Mode::StartTls, Mode::Off, Mode::StartTls, Mode::Off],
    ),
    (
        "listeners: [{tls: {certificate: a}}, {address: 127.0.0.1:1, tls: {certificate: a, mode: required}}, {address: 127.0.0.1:2}]",
        &[Mode::StartTls, Mode::Required, Mode::Off],
    ),
];

#[test]
fn a_listener_is_encrypted_as_written_or_where_there_is_a_certificate() {
    for (text, modes) in MODES {
        let config = parse(text).unwrap();
        let found: Vec<Mode> = config.listeners.iter().map(|it| config.mode(it)).collect();
        assert_eq!(&found, modes, "{text}");
        for (listener, mode) in config.listeners.iter().zip(found) {
            assert_eq!(config.tls(listener).is_some(), mode != Mode::Off, "{text}");
        }
    }
}

#[test]
fn what_a_listener_leaves_out_is_that_of_all() {
    let text = "
tls: {certificate: a, key: b, certificates: [{certificate: c}], min_version: 1.3, client_ca: d, client_certificates: require}
listeners:
  - tls: implicit
  - {address: 127.0.0.1:1, tls: {mode: required, certificate: e, min_version: \"1.2\", client_certificates: request}}
";
    let config = parse(text).unwrap();
    let [one, other] = &config.listeners[..] else {
        panic!("two listeners");
    };
    let files = |listener| {
        let pairs = config.tls(listener).unwrap().pairs;
        let shown = pairs
            .iter()
            .map(|pair| format!("{} {}", pair.certificate.display(), pair.key.display()));
        shown.collect::<Vec<_>>()
    };
    assert_eq!(files(one), ["a b", "c c"]);
    assert_eq!(files(other), ["e e"]);
    let (one_tls, other_tls) = (config.tls(one).unwrap(), config.tls(other).unwrap());
    assert_eq!(one_tls.min_version, Version::Tls13);
    assert_eq!(other_tls.min_version, Version::Tls12);
    assert_eq!(one_tls.demand, Demand::Require("d".into()));
    assert_eq!(other_tls.demand, Demand::Request("d".into()));
    assert_eq!(config.profile(one).starttls, StartTls::Absent);
    assert_eq!(config.profile(other).starttls, StartTls::Required);
    assert_eq!(config.tls_key(0), "tls");
    assert_eq!(config.tls_key(1), "listeners[1].tls");
}
