//! Faults and pauses, and when a certificate is due.

use std::time::Duration;

use rustls_acme::acme::AcmeError;

use super::fault::{Fault, Kind};
use super::pause::Pause;
use super::renewal::{is_for, renewal};
use super::{Challenge, Settings};
use crate::tls::Facts;

/// The first failures in a row, and how many attempts that makes in the first hour. Let's Encrypt
/// allows five failed validations of a name in an hour.
#[test]
fn pauses_become_longer_and_have_an_end() {
    let minutes = |minutes| Duration::from_mins(minutes);
    for (kind, first, longest, in_an_hour) in [
        (Kind::Unreachable, Duration::from_secs(2), minutes(60), 11),
        (Kind::Disk, Duration::from_secs(30), minutes(60), 7),
        (Kind::Refused, minutes(15), minutes(12 * 60), 3),
        (Kind::Limited, minutes(60), minutes(24 * 60), 2),
    ] {
        assert_eq!(kind.pause(1), first, "{kind:?}");
        let pauses = (1..200).map(|failures| kind.pause(failures));
        assert!(pauses.clone().is_sorted(), "{kind:?}");
        for failures in [100, u32::MAX] {
            assert_eq!(kind.pause(failures), longest, "{kind:?}");
        }
        let times = pauses.scan(Duration::ZERO, |at, pause| {
            *at += pause;
            Some(*at)
        });
        let attempts = 1 + times.take_while(|at| *at <= minutes(60)).count();
        assert_eq!(attempts, in_an_hour, "{kind:?}");
    }
}

#[test]
fn a_certificate_is_due_when_a_third_of_its_time_is_left() {
    let facts = |not_before, not_after, names: &[&str]| Facts {
        subject: String::new(),
        names: names.iter().map(ToString::to_string).collect(),
        not_before,
        not_after,
        fingerprint: String::new(),
        end_point: None,
    };
    for (not_before, not_after, due) in [
        (0, 90, 60),
        (100, 160, 140),
        (0, 0, 0),
        (90, 0, 30),
        (i64::MIN, i64::MAX, i64::MAX - i64::MAX / 3),
    ] {
        assert_eq!(renewal(&facts(not_before, not_after, &[])), due);
    }
    let domains = ["a.test".to_owned(), "b.test".to_owned()];
    for (names, fits) in [
        (&["a.test", "b.test"][..], true),
        (&["b.test", "a.test"], true),
        (&["a.test"], false),
        (&["a.test", "b.test", "c.test"], false),
        (&[], false),
    ] {
        assert_eq!(is_for(&facts(0, 1, names), &domains), fits, "{names:?}");
    }
}

#[test]
fn what_is_no_answer_of_acme_is_told() {
    let fault = Fault::of("the directory", &AcmeError::MissingHeader("Location"));
    assert_eq!(fault.kind, Kind::Unreachable);
    assert_eq!(
        fault.to_string(),
        "the directory: acme service response is missing Location header; is that the URL of an ACME directory?"
    );
}

/// What a directory answers, as the library has it, and what becomes of that.
#[rustfmt::skip]
const ANSWERS: &[(&str, Kind, &str)] = &[
    (r#"400 "{\"type\":\"urn:ietf:params:acme:error:badNonce\",\"detail\":\"JWS has an invalid nonce\"}""#, Kind::Nonce, "s: badNonce: JWS has an invalid nonce"),
    (r#"429 "{\n  \"type\": \"urn:ietf:params:acme:error:rateLimited\",\n  \"detail\": \"too many\"\n}""#, Kind::Limited, "s: rateLimited: too many"),
    (r#"403 "{\"type\":\"urn:ietf:params:acme:error:unauthorized\"}""#, Kind::Refused, "s: unauthorized"),
    (r#"500 "{\"type\":\"urn:ietf:params:acme:error:serverInternal\",\"detail\":\"down\"}""#, Kind::Unreachable, "s: serverInternal: down"),
    (r#"400 "{\"detail\":\"no type\"}""#, Kind::Unreachable, "s: no type"),
    (r#"429 "slow down""#, Kind::Limited, "s: HTTP status 429"),
    (r#"404 "<html>""#, Kind::Unreachable, "s: HTTP status 404"),
    ("502 \"", Kind::Unreachable, "s: HTTP status 502"),
    ("", Kind::Unreachable, "s: HTTP status "),
];

#[test]
fn answers_are_told_apart() {
    for (answer, kind, said) in ANSWERS {
        let fault = Fault::refused("s", answer);
        assert_eq!(
            (fault.kind, fault.said.as_str()),
            (*kind, *said),
            "{answer}"
        );
    }
}

#[test]
fn pauses_are_read_as_they_were_written() {
    let settings = |domain: &str, challenge| Settings {
        domains: vec![domain.into()],
        contact: Vec::new(),
        directory: "https://d.test/".into(),
        directory_ca: None,
        cache: "acme".into(),
        challenge,
    };
    let own = settings("a.test", Challenge::Http01);
    let pause = Pause::new(3, 1000, &own);
    let text = pause.to_string();
    assert_eq!(Pause::parse(&text, 0).as_ref(), Some(&pause));
    assert!(pause.is_for(&own));
    for other in [
        settings("b.test", Challenge::Http01),
        settings("a.test", Challenge::TlsAlpn01),
        Settings {
            contact: vec!["mailto:postmaster@a.test".into()],
            ..own.clone()
        },
        Settings {
            directory_ca: Some("ca.pem".into()),
            ..own.clone()
        },
    ] {
        assert!(!pause.is_for(&other));
    }
    // Longer than any, as after a clock that was wrong.
    assert_eq!(Pause::parse(&text, -100_000), None);
    for (old, new) in [
        ("failures 3", "failures 0"),
        ("failures 3", "failures -1"),
        ("next 1000", "next soon"),
        ("next 1000\n", ""),
        ("\nwanted", "wanted"),
    ] {
        let wrong = text.replacen(old, new, 1);
        assert_ne!(wrong, text);
        assert_eq!(Pause::parse(&wrong, 0), None, "{wrong}");
    }
    for wrong in [&text[..5], "", &format!("{text}more\n")] {
        assert_eq!(Pause::parse(wrong, 0), None, "{wrong}");
    }
}
