//! Certificates that are obtained by themselves.

use std::net::SocketAddr;

use super::{complaint, parse};
use crate::config::Mode;
use crate::server::Address;

#[test]
fn listeners_without_certificates_of_their_own_have_it() {
    let text = "hostname: mx.example.org\ntls: {acme: {}}\nlisteners: [{}, {address: 127.0.0.1:1, tls: implicit}, {address: 127.0.0.1:2, tls: {certificate: a}}, {address: unix:/x}, {address: 127.0.0.1:3, tls: off}]";
    let config = parse(text).unwrap();
    let found: Vec<_> = config
        .listeners
        .iter()
        .map(|it| (config.mode(it), config.uses_acme(it)))
        .collect();
    let modes = [
        (Mode::StartTls, true),
        (Mode::Implicit, true),
        (Mode::StartTls, false),
        (Mode::Off, true),
        (Mode::Off, true),
    ];
    assert_eq!(found, modes);
}

#[test]
fn what_is_left_out_has_a_default() {
    let config = parse("hostname: MX.Example.org\ntls: {acme: {}}").unwrap();
    let acme = config.acme().unwrap();
    assert_eq!(acme.domains, ["mx.example.org"]);
    assert!(acme.contact.is_empty() && acme.directory_ca.is_none());
    assert_eq!(
        acme.directory,
        "https://acme-v02.api.letsencrypt.org/directory"
    );
    let at = |text: &str| Address::Tcp(text.parse::<SocketAddr>().unwrap());
    let section = config.tls.acme.unwrap();
    let both = [(at("0.0.0.0:443"), true), (at("[::]:443"), false)];
    assert_eq!(section.addresses(), both);
    let config = parse("hostname: mx.example.org\ntls: {acme: {challenge: http-01, directory: staging, contact: [a@b.test, \"tel:@1\"], domains: [\"Bücher.example\", bücher.example, b.test]}}").unwrap();
    let acme = config.acme().unwrap();
    assert_eq!(acme.domains, ["xn--bcher-kva.example", "b.test"]);
    assert_eq!(acme.contact, ["mailto:a@b.test", "tel:@1"]);
    assert!(acme.directory.contains("acme-staging"));
    let section = config.tls.acme.unwrap();
    assert_eq!(section.addresses()[1].0, at("[::]:80"));
}

/// What is wrong in the section acme, and what is said about it.
#[rustfmt::skip]
const WRONG: &[(&str, &str)] = &[
    ("{domains: [mx.test, a b]}", "tls.acme.domains[1]: \"a b\" is not a host name; write one such as mx.example.org"),
    ("{domains: [\"*.example.org\"]}", "tls.acme.domains[0]: \"*.example.org\" cannot be proved by either challenge; write out the names that are needed"),
    ("{domains: 192.0.2.1}", "tls.acme.domains[0]: \"192.0.2.1\" is not a host name; write one such as mx.example.org"),
    ("{domains: [localhost]}", "tls.acme.domains[0]: \"localhost\" is not a name on the Internet, so nobody can tell that it is ours; write domains: [mx.example.org]"),
    ("{}", "tls.acme: \"box\" is not a name on the Internet, so nobody can tell that it is ours; write domains: [mx.example.org]"),
    ("{domains: a.test, contact: postmaster}", "tls.acme.contact[0]: \"postmaster\" is no address; write one such as mailto:postmaster@example.org"),
    ("{domains: a.test, directory: prod}", "tls.acme.directory: \"prod\" is no directory; write production or staging for Let's Encrypt, or the https:// URL of another one"),
    ("{domains: a.test, directory: \"http://ca.test/\"}", "tls.acme.directory: \"http://ca.test/\" is no directory; write production or staging for Let's Encrypt, or the https:// URL of another one"),
    ("{domains: a.test, challenge: dns-01}", "tls.acme.challenge: unknown word \"dns-01\"; known words: tls-alpn-01, http-01"),
    ("{domains: a.test, listen: unix:/x}", "tls.acme.listen: the directory connects by TCP; write an IP address and a port"),
    ("{domains: a.test, listen: [\"443\"]}", "tls.acme.listen[0]: \"443\" is not an address; write an IP address and a port, such as 127.0.0.1:25, or unix:/path, or systemd:NAME"),
    ("{domains: a.test, cache: \"\"}", "tls.acme.cache: an empty path leads nowhere; write that of a folder"),
    ("{domain: a.test}", "tls.acme: unknown key \"domain\"; did you mean \"domains\"? known keys: domains, contact, directory, directory_ca, cache, challenge, listen"),
];

#[test]
fn mistakes_are_explained() {
    for (section, said) in WRONG {
        let text = format!("hostname: box\ntls: {{acme: {section}}}");
        let complaint = complaint(&text, &[]);
        assert!(complaint.ends_with(&format!(": {said}")), "{complaint}");
    }
    let text = "hostname: a.test\ntls: {certificate: a, acme: {}}";
    let said = "tls.acme: certificates are in files already; keep either these or acme";
    assert!(complaint(text, &[]).ends_with(said));
}
