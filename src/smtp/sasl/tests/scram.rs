//! SCRAM: whole exchanges, and all that a client may say wrongly in one.

use proptest::prelude::*;

use super::super::scram::HASH_SIZE;
use super::super::*;
use super::client::Client;
use super::{NONCE, bound, cause, keys, terms, text};

/// RFC 7677 section 3, too.
const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";

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

/// What the client says first, and why that fails; with PLUS and without.
#[test]
fn first_messages_of_scram() {
    const OK: &str = "";
    const BAD: &str = "malformed";
    const UNBOUND: &str = "channel binding where the mechanism has none";
    for (first, without, with) in [
        ("n,,n=user,r=abc", OK, UNBOUND),
        ("n,a=user,n=user,r=abc", OK, UNBOUND),
        (
            "n,a=other,n=user,r=abc",
            "wants to act for somebody else",
            UNBOUND,
        ),
        (
            "y,,n=user,r=abc",
            "somebody has hidden SCRAM-SHA-256-PLUS from the client",
            UNBOUND,
        ),
        ("p=tls-exporter,,n=user,r=abc", UNBOUND, OK),
        ("p=tls-server-end-point,,n=user,r=abc", UNBOUND, OK),
        (
            "p=tls-unique,,n=user,r=abc",
            UNBOUND,
            "a channel binding that there is not",
        ),
        ("n,,n=us=2Cer=3D,r=abc", OK, UNBOUND),
        ("n,,n=user,r=abc,x=more", OK, UNBOUND),
        ("p=,,n=user,r=abc", BAD, BAD),
        ("p,,n=user,r=abc", BAD, BAD),
        ("x,,n=user,r=abc", BAD, BAD),
        ("n,,m=must,n=user,r=abc", BAD, BAD),
        ("n,,n=user,r=", BAD, BAD),
        ("n,,n=user,r=a b", BAD, BAD),
        ("n,,n=user,r=a\u{e4}", BAD, BAD),
        ("n,,n=,r=abc", BAD, BAD),
        ("n,,n=us=er,r=abc", BAD, BAD),
        ("n,,n=user=2c,r=abc", BAD, BAD),
        ("n,,n=user", BAD, BAD),
        ("n,,n=user,r=abc,", BAD, BAD),
        ("n,,r=abc,n=user", BAD, BAD),
        ("n,user,n=user,r=abc", BAD, BAD),
        ("n=user,r=abc", BAD, BAD),
        ("n,,", BAD, BAD),
        ("", BAD, BAD),
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

proptest! {
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
