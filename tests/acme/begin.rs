//! From nothing to a certificate, to the next one, and through restarts.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::client::{leaf, starttls, verified};
use crate::pebble::{LONG, Manner, Pebble, receiver};

const NAMES: &str = "mx.example.org, mail.example.org";

/// The directory is down at first. Then there is a certificate for both names by both ways in, and
/// after two thirds of its time another.
#[test]
fn a_certificate_is_obtained_and_renewed() {
    for by_http in [false, true] {
        let mut pebble = Pebble::new(Manner {
            validity: 30,
            refused_nonces: 0,
        });
        let keys = if by_http {
            pebble.http_keys(NAMES)
        } else {
            pebble.tls_keys(NAMES)
        };
        let mut receiver = receiver(&keys);
        receiver.logged(&["no certificate was obtained", "Connection refused"]);
        assert_eq!(starttls(&receiver), "454 4.7.0 TLS not available now");
        pebble.start();
        receiver.logged(&[
            "a certificate was obtained",
            "mx.example.org,mail.example.org",
        ]);
        let root = pebble.root();
        let first = verified(&receiver, "mx.example.org", &root);
        assert_eq!(starttls(&receiver), "220 2.0.0 Ready to start TLS");
        receiver.logged(&[
            "a certificate was renewed",
            "mx.example.org,mail.example.org",
        ]);
        let second = verified(&receiver, "mail.example.org", &root);
        assert_ne!(first, second);
        let kept = fs::read_to_string(pebble.cached("certificate.pem")).expect("a file");
        assert!(kept.starts_with("-----BEGIN PRIVATE KEY-----"), "{kept}");
    }
}

/// What is kept is for nobody else, and is used again without the directory.
#[test]
fn a_restart_needs_no_directory() {
    let mut pebble = Pebble::started(LONG);
    let keys = pebble.tls_keys(NAMES);
    let mut first = receiver(&keys);
    first.logged(&["a certificate was obtained"]);
    let root = pebble.root();
    let shown = verified(&first, "mx.example.org", &root);
    first.finish();
    let mode = |file: &str| {
        let file = fs::metadata(pebble.cached(file)).expect("it is there");
        file.permissions().mode() & 0o7777
    };
    let modes = [mode("account.pem"), mode("certificate.pem"), mode("")];
    assert_eq!(modes, [0o600, 0o600, 0o700]);
    pebble.stop();
    let mut second = receiver(&keys);
    second.logged(&["INFO  certificate ", "days=89"]);
    assert_eq!(verified(&second, "mail.example.org", &root), shown);
    second.finish();
}

/// One that is almost over, or for other names, is used until there is a better one.
#[test]
fn the_old_one_is_used_until_the_new_one_is_there() {
    let mut pebble = Pebble::started(LONG);
    let mut before = receiver(&pebble.tls_keys("mx.example.org"));
    before.logged(&["a certificate was obtained"]);
    let root = pebble.root();
    let old = verified(&before, "mx.example.org", &root);
    before.finish();
    let account = fs::read(pebble.cached("account.pem")).expect("a file");
    pebble.stop();
    let mut after = receiver(&pebble.tls_keys(NAMES));
    after.logged(&[
        "no certificate was obtained, the old one is kept",
        "days=89",
    ]);
    assert_eq!(verified(&after, "mx.example.org", &root), old);
    // It begins anew, without the account, which is made again with the same key.
    pebble.start();
    after.logged(&["a certificate was renewed"]);
    let new = verified(&after, "mail.example.org", &pebble.root());
    assert_ne!(new, old);
    let kept = fs::read_to_string(pebble.cached("certificate.pem")).expect("a file");
    assert_eq!(leaf(&kept), new);
    assert_eq!(
        fs::read(pebble.cached("account.pem")).expect("a file"),
        account
    );
}

/// What is damaged in the cache is told, and replaced.
#[test]
fn a_damaged_certificate_is_replaced() {
    let pebble = Pebble::started(LONG);
    let keys = pebble.http_keys("mx.example.org");
    let mut before = receiver(&keys);
    before.logged(&["a certificate was obtained"]);
    before.finish();
    let file = pebble.cached("certificate.pem");
    let pem = fs::read(&file).expect("a file");
    fs::write(&file, &pem[..400]).expect("a file");
    let mut after = receiver(&keys);
    after.logged(&[
        "a certificate in the cache cannot be used",
        "certificate.pem",
    ]);
    after.logged(&["a certificate was obtained"]);
    verified(&after, "mx.example.org", &pebble.root());
}
