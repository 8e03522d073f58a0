//! TLS and logins: an MTA that hands mail over through a network.

use crate::content::{awkward, to_lf};
use crate::doors::{AUTHORITIES, DOORS, Door, Doors, GOOD, PASSWORD, SENDER, Secure};
use crate::mta::{BOTH, Kind, Mta, Way};

fn start(kind: Kind, to: Secure) -> Box<dyn Mta> {
    kind.start(&Way::Secure(to))
}

/// One message arrives, one comes back with our reply, and both went through this door.
fn delivers(mta: &dyn Mta, doors: &mut Doors, door: Door) {
    let to = [GOOD, "nosuch@example.org"];
    mta.send(SENDER, &to, &awkward("secure"), &["BODY=8BITMIME"]);
    mta.until("both are there", || {
        let is_there = |mailbox| !doors.maildir(mailbox).files("new").is_empty();
        (is_there(GOOD) && is_there(SENDER)).then_some(())
    });
    mta.empty();
    let good = doors.maildir(GOOD).message();
    assert!(good.content().ends_with(&to_lf(&awkward("secure"))));
    let protocol = door.protocol();
    let with = format!(" with {protocol} (TLSv1.3 TLS_");
    let trace = good.trace().replace("\n\t", " ");
    assert!(trace.contains(&with), "{with} in\n{trace}");
    let bounce = doors.maildir(SENDER).message();
    let text = String::from_utf8_lossy(bounce.content()).into_owned();
    assert!(text.contains("User unknown"), "{text}");
    let (to, protocol) = (format!("to={GOOD}"), format!("protocol={protocol} "));
    let line = doors.logged(&["message", &to, &protocol, "tls=TLSv1.3", "status=delivered"]);
    assert_eq!(line.contains("login=relay"), door == Door::Login, "{line}");
}

/// With the settings of the page, which want a certificate of a CA and with the right name.
fn delivers_by_every_door(kind: Kind) {
    for door in DOORS {
        let mut doors = Doors::open();
        let mta = start(kind, doors.to(door));
        delivers(&*mta, &mut doors, door);
        let log = mta.log();
        let verified = match kind {
            Kind::Postfix => "Verified TLS connection established to localhost",
            // "Certificate verified".
            Kind::Exim => " CV=yes ",
        };
        assert!(log.contains(verified), "{door:?}\n{log}");
        drop(mta);
        doors.finish();
    }
}

#[test]
fn postfix_delivers_by_every_door() {
    delivers_by_every_door(Kind::Postfix);
}

#[test]
fn exim_delivers_by_every_door() {
    delivers_by_every_door(Kind::Exim);
}

/// The levels below `secure`: any certificate, and one of a CA.
#[test]
fn postfix_delivers_at_every_level() {
    for (level, authority, word) in [
        ("encrypt", "other.pem", "Untrusted TLS connection"),
        ("verify", "ca.pem", "Verified TLS connection"),
    ] {
        for door in DOORS {
            let mut doors = Doors::open();
            let to = doors
                .to(door)
                .with("level = secure", format!("level = {level}"))
                .with(AUTHORITIES, doors.authority(authority));
            let mta = start(Kind::Postfix, to);
            delivers(&*mta, &mut doors, door);
            let log = mta.log();
            assert!(log.contains(word), "{level} {door:?}\n{log}");
            drop(mta);
            doors.finish();
        }
    }
}

/// By every mechanism that Postfix has and we offer; left to itself it takes the strongest.
#[test]
fn postfix_logs_in_by_every_mechanism() {
    for (filter, mechanism) in [
        ("", "SCRAM-SHA-256"),
        ("plain", "PLAIN"),
        ("login", "LOGIN"),
    ] {
        let mut doors = Doors::open();
        let to = doors.to(Door::Login).with(
            "smtp_sasl_auth_enable = yes\n",
            format!("smtp_sasl_auth_enable = yes\nsmtp_sasl_mechanism_filter = {filter}\n"),
        );
        let mta = start(Kind::Postfix, to);
        delivers(&*mta, &mut doors, Door::Login);
        doors.logged(&["login ", "login=relay", &format!("mechanism={mechanism}")]);
    }
}

/// Mail waits at the MTA, and nothing of it was said, while this is so.
fn waits(kind: Kind, doors: &Doors, to: Secure, words: &[&str]) {
    let mta = start(kind, to);
    mta.send(SENDER, &[GOOD], &awkward("waits"), &[]);
    mta.waits(words);
    assert!(doors.maildir(GOOD).messages().is_empty());
}

/// A certificate of somebody else's, or for another name.
#[test]
fn mail_waits_while_the_certificate_is_wrong() {
    for (kind, untrusted, misnamed) in [
        (
            Kind::Postfix,
            "certificate signature failure",
            "hostname mismatch",
        ),
        (
            Kind::Exim,
            "certificate invalid",
            "(certificate verification failed)",
        ),
    ] {
        for door in [Door::StartTls, Door::Implicit, Door::Lmtp] {
            let doors = Doors::open();
            let to = doors.to(door);
            let to = to.with(AUTHORITIES, doors.authority("other.pem"));
            waits(kind, &doors, to, &[untrusted]);
            let doors = Doors::named("other.example.org");
            waits(kind, &doors, doors.to(door), &[misnamed]);
        }
    }
}

#[test]
fn mail_waits_while_the_password_is_wrong() {
    for kind in BOTH {
        let mut doors = Doors::open();
        let to = doors.to(Door::Login).with(PASSWORD, "close sesame");
        waits(kind, &doors, to, &["535 5.7.8"]);
        doors.logged(&["WARN", "login=relay", "535"]);
    }
}

/// Who is not encrypted, or has not logged in, is told so.
#[test]
fn nothing_is_taken_without_them() {
    for kind in BOTH {
        let doors = Doors::open();
        let refused = |way: &Way| {
            let mta = kind.start(way);
            mta.send(SENDER, &[GOOD], &awkward("refused"), &[]);
            mta.until("a refusal", || {
                mta.log().contains("530 5.7.0").then_some(())
            });
            assert!(doors.maildir(GOOD).messages().is_empty());
        };
        let in_plain_text = doors
            .to(Door::StartTls)
            .with("level = secure", "level = none")
            .with("hosts_require_tls", "hosts_avoid_tls");
        refused(&Way::Secure(in_plain_text));
        let without_login = doors.to(Door::StartTls);
        refused(&Way::Secure(without_login.at(doors.port(Door::Login))));
    }
}
