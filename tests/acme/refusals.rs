//! A directory that refuses, and one that is asked no more than it should be.

use std::fs;

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
        let (at, rest) = line.split_once(".").expect("a time");
        let next = rest.split_once("next=").expect("when").1;
        assert!(minutes(next) >= minutes(at) + 14, "{line}");
        assert_eq!(starttls(&receiver), "454 4.7.0 TLS not available now");
        assert_eq!(pebble.requests("POST /order-plz"), 1);
    }
}

/// Minutes of a time such as 2026-11-21T15:59:22Z; over midnight as if the day were the same.
fn minutes(time: &str) -> u32 {
    let number = |place: usize| time[place..place + 2].parse::<u32>().expect("a number");
    number(8) * 24 * 60 + number(11) * 60 + number(14)
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
