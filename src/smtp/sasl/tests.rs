use proptest::prelude::*;

use super::scram::HASH_SIZE;
use super::*;

mod client;

use client::Client;

/// RFC 7677 section 3.
const NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
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
fn scram_as_in_rfc_7677() {
    let mut exchange = Exchange::new(Mechanism::ScramSha256, terms());
    assert_eq!(text(&exchange.respond(None)), "");
    let first = format!("n,,n=user,r={CLIENT_NONCE}");
    let asked = exchange.respond(Some(first.as_bytes()));
    assert_eq!(asked, Turn::Keys("user".into()));
    let salted = exchange.keys(keys("pencil"));
    assert_eq!(
        text(&salted),
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
    let proof = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                 p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let signature = exchange.respond(Some(proof.as_bytes()));
    assert_eq!(
        text(&signature),
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    );
    assert_eq!(exchange.respond(Some(b"")), Turn::Proved("user".into()));
    assert_eq!(cause(&exchange.respond(Some(b""))), "malformed");
}

#[test]
fn keys_are_written_and_read_back() {
    let keys = keys("pencil");
    let written = keys.to_string();
    // As PostgreSQL writes them, which has the same test vector.
    assert!(
        written.starts_with("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"),
        "{written}"
    );
    assert_eq!(Keys::parse(&written), Some(keys));
    for (from, to) in [
        ("SCRAM-SHA-256$", "SCRAM-SHA-1$"),
        ("$4096:", "$4095:"),
        ("$4096:", "$4294967295:"),
        ("$4096:", "$x:"),
        ("W22ZaJ0SNY7soEsUEjb6gQ==", ""),
        ("W22Z", "W22*"),
        ("=:", ":"),
    ] {
        assert_eq!(
            Keys::parse(&written.replacen(from, to, 1)),
            None,
            "{from} {to}"
        );
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

/// What the client says first, and why that fails; with PLUS and without.
#[test]
fn first_messages_of_scram() {
    const OK: &str = "";
    for (first, without, with) in [
        (
            "n,,n=user,r=abc",
            OK,
            "channel binding where the mechanism has none",
        ),
        (
            "n,a=user,n=user,r=abc",
            OK,
            "channel binding where the mechanism has none",
        ),
        (
            "n,a=other,n=user,r=abc",
            "wants to act for somebody else",
            "channel binding where the mechanism has none",
        ),
        (
            "y,,n=user,r=abc",
            "somebody has hidden SCRAM-SHA-256-PLUS from the client",
            "channel binding where the mechanism has none",
        ),
        (
            "p=tls-exporter,,n=user,r=abc",
            "channel binding where the mechanism has none",
            OK,
        ),
        (
            "p=tls-server-end-point,,n=user,r=abc",
            "channel binding where the mechanism has none",
            OK,
        ),
        (
            "p=tls-unique,,n=user,r=abc",
            "channel binding where the mechanism has none",
            "a channel binding that there is not",
        ),
        (
            "n,,n=us=2Cer=3D,r=abc",
            OK,
            "channel binding where the mechanism has none",
        ),
        (
            "n,,n=user,r=abc,x=more",
            OK,
            "channel binding where the mechanism has none",
        ),
        ("p=,,n=user,r=abc", "malformed", "malformed"),
        ("p,,n=user,r=abc", "malformed", "malformed"),
        ("x,,n=user,r=abc", "malformed", "malformed"),
        ("n,,m=must,n=user,r=abc", "malformed", "malformed"),
        ("n,,n=user,r=", "malformed", "malformed"),
        ("n,,n=user,r=a b", "malformed", "malformed"),
        ("n,,n=user,r=a\u{e4}", "malformed", "malformed"),
        ("n,,n=,r=abc", "malformed", "malformed"),
        ("n,,n=us=er,r=abc", "malformed", "malformed"),
        ("n,,n=user=2c,r=abc", "malformed", "malformed"),
        ("n,,n=user", "malformed", "malformed"),
        ("n,,n=user,r=abc,", "malformed", "malformed"),
        ("n,,r=abc,n=user", "malformed", "malformed"),
        ("n,user,n=user,r=abc", "malformed", "malformed"),
        ("n=user,r=abc", "malformed", "malformed"),
        ("n,,", "malformed", "malformed"),
        ("", "malformed", "malformed"),
    ] {
        for (mechanism, expected) in [
            (Mechanism::ScramSha256, without),
            (Mechanism::ScramSha256Plus, with),
        ] {
            let turn = Exchange::new(mechanism, bound()).respond(Some(first.as_bytes()));
            match turn {
                Turn::Keys(_) => assert_eq!(expected, OK, "{mechanism} {first}"),
                turn => assert_eq!(cause(&turn), expected, "{mechanism} {first}"),
            }
        }
    }
    // Where PLUS was not offered, a client that can bind says so and is right.
    let turn = Exchange::new(Mechanism::ScramSha256, terms()).respond(Some(b"y,,n=user,r=abc"));
    assert_eq!(turn, Turn::Keys("user".into()));
}

/// A whole exchange with a client that may do something wrong.
fn converse(terms: Terms, client: &Client, change: impl Fn(String) -> String) -> Turn {
    let plus = client.header.starts_with('p');
    let mechanism = if plus {
        Mechanism::ScramSha256Plus
    } else {
        Mechanism::ScramSha256
    };
    let mut exchange = Exchange::new(mechanism, terms);
    let turn = exchange.respond(Some(client.first().as_bytes()));
    assert!(matches!(turn, Turn::Keys(_)), "{turn:?}");
    let said = text(&exchange.keys(keys("pencil")));
    let (last, signature) = client.last(&said);
    let turn = exchange.respond(Some(change(last).as_bytes()));
    if let Turn::Challenge(said) = &turn {
        assert_eq!(said, &format!("v={}", encode(&signature)).into_bytes());
        return exchange.respond(Some(b""));
    }
    turn
}

#[test]
fn scram_bound_to_the_connection() {
    let same = |last| last;
    for (header, binding, expected) in [
        ("p=tls-exporter,,", 7, Ok(())),
        ("p=tls-exporter,,", 8, Err("bound to another connection")),
        ("p=tls-server-end-point,,", 9, Ok(())),
        (
            "p=tls-server-end-point,,",
            7,
            Err("bound to another connection"),
        ),
    ] {
        let client = Client::new("user", "pencil", header, &[binding; 32]);
        let turn = converse(bound(), &client, same);
        match expected {
            Ok(()) => assert_eq!(turn, Turn::Proved("user".into()), "{header}"),
            Err(expected) => assert_eq!(cause(&turn), expected, "{header}"),
        }
    }
}

#[test]
fn last_messages_of_scram() {
    let client = Client::new("user", "pencil", "n,,", &[]);
    for (from, to, expected) in [
        ("c=biws", "c=eSws", "bound to another connection"),
        ("c=biws", "c=biw", "malformed"),
        ("c=biws", "d=biws", "malformed"),
        (NONCE, "other", "a nonce of another exchange"),
        ("r=", "r=x", "a nonce of another exchange"),
        (",p=", ",x=y,p=", "wrong password"),
        (",p=", ",xy,p=", "malformed"),
        (",p=", ",q=", "malformed"),
        (",p=", ",p=AAAA", "malformed"),
        (",p=", ",p=*", "malformed"),
    ] {
        let turn = converse(terms(), &client, |last| last.replacen(from, to, 1));
        assert_eq!(cause(&turn), expected, "{from} {to}");
    }
    let other = Client::new("user", "pencils", "n,,", &[]);
    assert_eq!(
        cause(&converse(terms(), &other, |last| last)),
        "wrong password"
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
    fn nothing_like_scram_panics_or_proves(
        first in "[nyp](=tls-exporter)?,(a=u)?,(n=u|[=,a\u{fc}2C3D\0]{0,6}),r=[a-z,=]{0,5}",
        last in "(c=biws|c=[a-zA-Z=]{0,9}),r=[a-z%,]{0,9},p=[A-Za-z0-9+/=]{0,50}",
    ) {
        let mut exchange = Exchange::new(Mechanism::ScramSha256, terms());
        if let Turn::Keys(_) = exchange.respond(Some(first.as_bytes())) {
            exchange.keys(Keys { salt: vec![1], iterations: 4096, stored_key: [1; HASH_SIZE], server_key: [2; HASH_SIZE] });
            let turn = exchange.respond(Some(last.as_bytes()));
            prop_assert!(matches!(turn, Turn::Failed(_)));
        }
    }

    #[test]
    fn what_is_encoded_is_decoded(octets in proptest::collection::vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(decode(encode(&octets).as_bytes()), Some(octets));
    }

    /// Whatever name and password: the one who has them gets in, with and without binding.
    #[test]
    fn who_knows_the_password_gets_in(name in "[a-zA-Z0-9=,@.+ -]{1,20}", password in "[ -~]{1,20}") {
        let client = Client::new(&name, &password, "p=tls-exporter,,", &[7; 32]);
        let mut exchange = Exchange::new(Mechanism::ScramSha256Plus, bound());
        let asked = exchange.respond(Some(client.first().as_bytes()));
        prop_assert_eq!(asked, Turn::Keys(name.clone()));
        let said = text(&exchange.keys(Keys::new(&password, vec![3; 16], 1)));
        let (last, _) = client.last(&said);
        exchange.respond(Some(last.as_bytes()));
        prop_assert_eq!(exchange.respond(Some(b"")), Turn::Proved(name));
    }
}
