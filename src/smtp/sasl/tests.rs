mod client;
mod scram;

use proptest::prelude::*;

use super::*;

/// RFC 7677 section 3.
const NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";

fn keys(password: &str) -> Keys {
    Keys::new(password, decode(SALT.as_bytes()).unwrap(), 4096)
}

fn terms() -> Terms {
    Terms {
        nonce: NONCE.into(),
        ..Terms::default()
    }
}

fn bound() -> Terms {
    Terms {
        bindings: Bindings {
            exporter: Some(vec![7; 32]),
            end_point: Some(vec![9; 32]),
        },
        plus_offered: true,
        ..terms()
    }
}

fn text(turn: &Turn) -> String {
    match turn {
        Turn::Challenge(text) => String::from_utf8(text.clone()).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn cause(turn: &Turn) -> &'static str {
    match turn {
        Turn::Failed(Fault::Malformed(_)) => "malformed",
        Turn::Failed(Fault::Refused { cause, .. }) => cause,
        other => panic!("{other:?}"),
    }
}

#[test]
fn plain_as_in_rfc_4616() {
    for (message, expected) in [
        ("\0tim\0tanstaaftanstaaf", Ok(("tim", "tanstaaftanstaaf"))),
        ("Kurt\0Kurt\0xipj3plmq", Ok(("Kurt", "xipj3plmq"))),
        (
            "Ursel\0Kurt\0xipj3plmq",
            Err("wants to act for somebody else"),
        ),
        // Appendix A, by way of SASLprep: U+2168 is IX, U+00AD is nothing.
        ("\0\u{2168}\0I\u{ad}X", Ok(("IX", "IX"))),
        ("\0j\u{f6}rg\0gr\u{fc}n", Ok(("j\u{f6}rg", "gr\u{fc}n"))),
        ("\0jo\u{308}rg\0x", Ok(("j\u{f6}rg", "x"))),
        (
            "\0tim\0with blanks and \"=,",
            Ok(("tim", "with blanks and \"=,")),
        ),
        ("", Err("malformed")),
        ("tim", Err("malformed")),
        ("\0tim", Err("malformed")),
        ("\0\0x", Err("malformed")),
        ("\0tim\0", Err("malformed")),
        ("\0tim\0x\0", Err("malformed")),
        ("\0tim\0x\0y", Err("malformed")),
        ("\0t\u{7}m\0x", Err("a name that SASLprep forbids")),
        ("\0tim\0x\u{7}", Err("a password that SASLprep forbids")),
        ("\0tim\0\u{1f600}", Err("a password that SASLprep forbids")),
        ("\0\u{ad}\0x", Err("malformed")),
    ] {
        let turn = Exchange::new(Mechanism::Plain, terms()).respond(Some(message.as_bytes()));
        match (turn, expected) {
            (Turn::Password(claim), Ok(expected)) => {
                assert_eq!((&*claim.login, &*claim.password), expected, "{message:?}");
            }
            (turn, Err(expected)) => assert_eq!(cause(&turn), expected, "{message:?}"),
            (turn, expected) => panic!("{message:?}: {turn:?}, not {expected:?}"),
        }
    }
    let long = format!("\0{}\0x", "x".repeat(NAME_LIMIT + 1));
    let turn = Exchange::new(Mechanism::Plain, terms()).respond(Some(long.as_bytes()));
    assert_eq!(cause(&turn), "malformed");
    let turn = Exchange::new(Mechanism::Plain, terms()).respond(Some(b"\0\xff\0x"));
    assert_eq!(cause(&turn), "malformed");
}

#[test]
fn login_asks_twice() {
    for initial in [None, Some(&b"tim"[..])] {
        let mut exchange = Exchange::new(Mechanism::Login, terms());
        let mut turn = exchange.respond(initial);
        if initial.is_none() {
            assert_eq!(text(&turn), "Username:");
            turn = exchange.respond(Some(b"tim"));
        }
        assert_eq!(text(&turn), "Password:");
        let claim = Claim {
            login: "tim".into(),
            password: "pass word".into(),
        };
        assert!(!format!("{claim:?}").contains("word"));
        assert_eq!(exchange.respond(Some(b"pass word")), Turn::Password(claim));
    }
    for (name, password, expected) in [
        (&b""[..], &b"x"[..], "malformed"),
        (b"tim", b"", "malformed"),
        (b"t\0m", b"x", "a name that SASLprep forbids"),
        (b"tim", b"x\0", "a password that SASLprep forbids"),
        (b"tim", b"\xff", "malformed"),
    ] {
        let mut exchange = Exchange::new(Mechanism::Login, terms());
        let mut turn = exchange.respond(Some(name));
        if let Turn::Challenge(_) = turn {
            turn = exchange.respond(Some(password));
        }
        assert_eq!(cause(&turn), expected, "{name:?} {password:?}");
    }
}

#[test]
fn external_names_nobody_or_somebody() {
    let external = |message| Exchange::new(Mechanism::External, terms()).respond(message);
    assert_eq!(text(&external(None)), "");
    assert_eq!(external(Some(b"")), Turn::Certificate(None));
    assert_eq!(
        external(Some(b"tim")),
        Turn::Certificate(Some("tim".into()))
    );
    assert_eq!(
        cause(&external(Some(b"t\0m"))),
        "a name that SASLprep forbids"
    );
}

#[test]
fn mechanisms_have_names() {
    for mechanism in Mechanism::ALL {
        assert_eq!(
            Mechanism::parse(&mechanism.name().to_lowercase()),
            Some(mechanism)
        );
    }
    assert_eq!(Mechanism::parse("CRAM-MD5"), None);
}

#[test]
fn base64_is_strict() {
    for (text, expected) in [
        ("", Some(&b""[..])),
        ("AGI=", Some(b"\0b")),
        ("AGI", None),
        ("AGJ=", None),
        ("AG I=", None),
        ("AGI==", None),
        ("AGI=\n", None),
        ("=", None),
        ("*", None),
        ("AG-_", None),
    ] {
        assert_eq!(decode(text.as_bytes()).as_deref(), expected, "{text:?}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(
        index in 0..Mechanism::ALL.len(),
        responses in proptest::collection::vec(
            proptest::option::of(proptest::collection::vec(any::<u8>(), 0..60)), 1..4),
    ) {
        let mut exchange = Exchange::new(Mechanism::ALL[index], bound());
        for response in responses {
            if let Turn::Keys(_) = exchange.respond(response.as_deref()) {
                exchange.keys(keys("x"));
            }
        }
    }

    #[test]
    fn what_is_encoded_is_decoded(octets in proptest::collection::vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(decode(encode(&octets).as_bytes()), Some(octets));
    }
}
