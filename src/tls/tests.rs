//! What certificates say, and the files they are in.

use std::fs;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::{Facts, Pair, provider};

/// A CA, and a certificate for these names, in PEM with its key.
fn issued(names: &[&str]) -> [String; 3] {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let root = ca.self_signed(&ca_key).unwrap().pem();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(names).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    [leaf.pem(), root, key.serialize_pem()]
}

#[test]
fn names_are_compared_as_hosts_are() {
    let facts = Facts {
        subject: String::new(),
        names: ["mx.example.org", "*.two.test", "192.0.2.1", "2001:db8::1"]
            .map(String::from)
            .to_vec(),
        not_before: 0,
        not_after: 86_400,
        fingerprint: String::new(),
        end_point: None,
    };
    for (host, covered) in [
        ("mx.example.org", true),
        ("MX.Example.ORG", true),
        ("x.mx.example.org", false),
        ("example.org", false),
        ("a.two.test", true),
        ("b.a.two.test", false),
        ("two.test", false),
        (".two.test", false),
        ("192.0.2.1", true),
        ("[192.0.2.1]", true),
        ("2001:db8::1", true),
        ("", false),
    ] {
        assert_eq!(facts.covers(host), covered, "{host}");
    }
    assert!(!facts.is_current() && facts.days_left() < -10_000);
    assert_eq!(facts.expires(), "1970-01-02T00:00:00Z");
}

/// One file or two, and a chain in either direction.
#[test]
fn files_may_be_written_in_any_order() {
    let [leaf, root, key] = issued(&["mx.example.org", "192.0.2.1"]);
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = ["one.pem", "other.pem"].map(|name| folder.path().join(name));
    for (first, second) in [
        ([leaf.as_str(), ""], [key.as_str(), ""]),
        ([&leaf, &root], [&key, ""]),
        ([&root, &leaf], [&key, ""]),
        ([&leaf, &key], [&leaf, &key]),
        ([&key, &leaf], [&root, &key]),
        (["a remark\n", &leaf], ["\r\n", &key]),
    ] {
        fs::write(&one, first.concat()).unwrap();
        fs::write(&other, second.concat()).unwrap();
        let pair = Pair {
            certificate: one.clone(),
            key: other.clone(),
        };
        let identity = pair.load(&provider()).unwrap();
        assert_eq!(identity.facts.names, ["mx.example.org", "192.0.2.1"]);
        assert_eq!(identity.facts.fingerprint.len(), 64);
        let shown = Facts::of(&identity.key.cert[0]).unwrap();
        assert_eq!(shown, identity.facts);
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let [leaf, root, _] = issued(&["mx.example.org"]);
    let [_, _, key] = issued(&["mx.example.org"]);
    let missing = folder.path().join("missing.pem");
    let [one, other] = ["one.pem", "other.pem"].map(|name| folder.path().join(name));
    let cut = folder.path().join("cut.pem");
    fs::write(&cut, [&leaf[..], &root[..root.len() / 2]].concat()).unwrap();
    let scrap = folder.path().join("scrap.pem");
    let no_certificate = "-----BEGIN CERTIFICATE-----\nZm9v\n-----END CERTIFICATE-----\n";
    fs::write(&scrap, [&leaf[..], no_certificate].concat()).unwrap();
    fs::write(&one, leaf + &root).unwrap();
    fs::write(&other, key).unwrap();
    for (certificate, key, said) in [
        (
            &one,
            &missing,
            "missing.pem: cannot be read: No such file or directory (os error 2); write the path",
        ),
        (
            &one,
            &folder.path().to_owned(),
            ": cannot be read: Is a directory (os error 21); write the path of a file in it",
        ),
        (
            &one,
            &other,
            "other.pem: is not the key of the certificate in ",
        ),
        (&cut, &other, "cut.pem: is cut off: what begins in line"),
        (
            &scrap,
            &other,
            "scrap.pem: holds a certificate that is damaged",
        ),
    ] {
        let pair = Pair {
            certificate: certificate.clone(),
            key: key.clone(),
        };
        let error = pair.load(&Arc::clone(&provider())).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
