//! A directory that refuses, and one that is asked no more than it should be.

use std::fs;

use mail_parser::DateTime;

use crate::client::{starttls, verified};
use crate::pebble::{LONG, Manner, Pebble, receiver};
use crate::service::free_port;

/// A nonce that is refused is no failure (RFC 8555 section 6.5): no order is begun twice.
#[test]
fn refused_nonces_are_replaced() {
    let pebble = Pebble::started(Manner {
        refused_nonces: 50,
        ..LONG
    });
    let mut receiver = receiver(&pebble.tls_keys("mx.example.org, mail.example.org"));
    receiver.logged(&["a certificate was obtained"]);
    verified(&receiver, "mx.example.org", &pebble.root());
    assert_eq!(pebble.requests("Added order"), 1);
    assert!(pebble.requests("POST /order-plz") + pebble.requests("POST /authZ/") > 4);
    receiver.finish();
}

/// When a validation fails, the reason is told, and the directory is left alone: Let's Encrypt
/// allows five such failures in an hour.
#[test]
fn a_failed_validation_is_not_repeated_soon() {
    for by_http in [false, true] {
        let pebble = Pebble::started(LONG);
        let elsewhere = format!("listen: \"127.0.0.1:{}\"", free_port());
        let more = if by_http {
            format!("challenge: http-01, {elsewhere}")
        } else {
            elsewhere
        };
        let mut receiver = receiver(&pebble.keys(&more));
        let port = if by_http {
            "its port 80 must lead here"
        } else {
            "its port 443 must lead here"
        };
        let line = receiver.logged(&[
            "no certificate was obtained",
            "mx.example.org is not shown to be ours",
            port,
        ]);
        let at = line.split(' ').next().expect("a time");
        let (_, next) = line.split_once("next=").expect("when");
        assert!(seconds(next) >= seconds(at) + 14 * 60, "{line}");
        assert_eq!(starttls(&receiver), "454 4.7.0 TLS not available now");
        assert_eq!(pebble.requests("POST /order-plz"), 1);
    }
}

/// A time such as 2026-11-21T15:59:22Z in seconds since 1970.
fn seconds(time: &str) -> i64 {
    let time = DateTime::parse_rfc3339(time).expect("a time");
    time.to_timestamp()
}

/// The directory's own certificate is from no public CA.
#[test]
fn the_ca_of_the_directory_must_be_named() {
    let pebble = Pebble::started(LONG);
    let keys = pebble.tls_keys("mx.example.org");
    let ca = format!("directory_ca: {}, ", pebble.path("ca.pem").display());
    let mut receiver = receiver(&keys.replace(&ca, ""));
    receiver.logged(&["no certificate was obtained", "write directory_ca: FILE"]);
    assert_eq!(pebble.requests("GET /dir"), 0);
}

/// A folder that cannot be written to is noticed before anything is ordered.
#[test]
fn nothing_is_ordered_that_cannot_be_kept() {
    let pebble = Pebble::started(LONG);
    fs::write(pebble.path("cache"), "no folder").expect("a file");
    let mut receiver = receiver(&pebble.tls_keys("mx.example.org"));
    receiver.logged(&[
        "no certificate was obtained",
        "write another folder as cache",
    ]);
    assert_eq!(pebble.requests("calling handler"), 0);
}
