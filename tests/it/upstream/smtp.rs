//! The protocol: sessions, commands, addresses, mail data.

use std::thread;
use std::time::Duration;

use super::{ALICE, BOB, MAIL, SENDER, delivers, sender};
use crate::client::{Client, mail_data};
use crate::house::{House, eventually};

/// Upstream: the greeting is without ESMTP, and with its version and the number of clients.
#[test]
fn the_greeting_says_esmtp_and_nothing_about_us() {
    let house = House::new("");
    let greeting = Client::connect(house.address()).reply();
    assert_eq!(greeting, "220 mx.example.org ESMTP");
}

/// Upstream: nobody looks whether a client waits for the greeting.
#[test]
fn who_speaks_first_is_refused() {
    let house = House::new("");
    // Early is what is there when the server comes to greet, which it may do faster.
    eventually("one of them was early", || {
        let mut client = Client::connect(house.address());
        client.send(b"EHLO client.example.net\r\n");
        let reply = client.reply();
        assert!(reply.starts_with("220 ") || reply.starts_with("554 5.5.1 "));
        reply.starts_with("554 ")
    });
}

/// Upstream: MAIL without a greeting, RCPT and DATA without MAIL are taken.
#[test]
fn commands_have_an_order() {
    let house = House::new("");
    let mut client = Client::connect(house.address());
    client.hears("220 ");
    for line in [
        format!("MAIL FROM:<{SENDER}>"),
        format!("RCPT TO:<{BOB}>"),
        "DATA".to_owned(),
    ] {
        client.wants(&line, "503 5.5.1 ");
    }
    client.wants("EHLO client.example.net", "250-");
    client.wants(&format!("RCPT TO:<{BOB}>"), "503 5.5.1 ");
    client.wants("DATA", "503 5.5.1 ");
}

/// Upstream: a bare LF ends a command.
#[test]
fn only_crlf_ends_a_command() {
    let house = House::new("");
    let mut client = house.client();
    client.send(b"NOOP\n");
    client.hears("500 5.5.2 ");
}

/// Upstream: `QUITxyz` quits, as verbs are compared as prefixes.
#[test]
fn verbs_are_whole_words() {
    let house = House::new("");
    let mut client = sender(&house);
    for line in [
        "QUITxyz",
        "NOOPx",
        "RSETx",
        "DATAx",
        "HELOx client.example.net",
        "EHLOx client.example.net",
        "HELPx",
    ] {
        client.wants(line, "500 5.5.1 ");
    }
    client.wants(&format!("RCPT TO:<{BOB}>"), "250 2.1.5 ");
}

/// Upstream: NOOP is answered 200, which is no code of SMTP.
#[test]
fn noop_is_answered_250() {
    House::new("").client().wants("NOOP", "250 2.0.0 ");
}

/// Upstream: HELP is a quote from a film, on lines of which only some have an enhanced code.
#[test]
fn help_helps() {
    let reply = House::new("").client().wants("HELP", "214 2.0.0 ");
    assert!(reply.contains("RFC 5321"), "{reply}");
    assert!(reply.lines().all(|line| line.starts_with("214")), "{reply}");
}

/// Upstream: parameters are parsed and never acted on, so that SIZE refuses nothing.
#[test]
fn parameters_have_effects() {
    let house = House::new("limits: {message_size: 100kB}");
    let mut client = house.client();
    for (parameter, reply) in [
        ("SIZE=100001", "552 5.3.4 "),
        ("BODY=9BIT", "501 5.5.4 "),
        ("FOO=1", "555 5.5.4 "),
        ("SIZE=100000 BODY=8BITMIME", "250 2.1.0 "),
    ] {
        client.wants(&format!("MAIL FROM:<{SENDER}> {parameter}"), reply);
    }
}

/// Upstream: SMTPUTF8 is taken, and the addresses it is for are refused with 501.
#[test]
fn smtputf8_is_offered_and_meant() {
    let house = House::new("");
    let mut client = house.client();
    client.wants("MAIL FROM:<j\u{fc}rgen@example.net> SMTPUTF8", "250 ");
    client.wants("RCPT TO:<gr\u{e5}@example.org>", "250 2.1.5 ");
}

/// Upstream: a message that is too large is 451, so that senders try for days, and the connection is closed.
#[test]
fn too_large_is_permanent_and_ends_no_session() {
    let house = House::new("limits: {message_size: 1kB}");
    let mut client = house.client();
    let large = b"and so on\r\n".repeat(1000);
    let reply = client.deliver(SENDER, &[BOB], &large);
    assert!(reply.starts_with("552 5.3.4 "), "{reply}");
    let reply = client.deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    assert_eq!(house.folder.mail_count(), 1);
}

/// Upstream: 101 recipients are taken where 100 are the limit.
#[test]
fn the_limit_of_recipients_is_exact() {
    let house = House::new("limits: {recipients: 100}");
    let mut client = sender(&house);
    for number in 0..100 {
        client.wants(&format!("RCPT TO:<u{number}@example.org>"), "250 2.1.5 ");
    }
    client.wants(&format!("RCPT TO:<{BOB}>"), "452 4.5.3 ");
}

/// Upstream: a local part may have 128 octets, with a reply that says 64, and labels of any length.
#[test]
fn the_limits_of_addresses_are_those_of_the_rfc() {
    let house = House::new("");
    let mut client = sender(&house);
    let (local, label) = ("l".repeat(64), "d".repeat(63));
    for (path, reply) in [
        (format!("{local}@example.org"), "250 2.1.5 "),
        (format!("{local}l@example.org"), "501 5.1.3 "),
        (format!("a@{label}.wild.example"), "250 2.1.5 "),
        (format!("a@{label}d.wild.example"), "501 5.1.3 "),
    ] {
        client.wants(&format!("RCPT TO:<{path}>"), reply);
    }
}

/// Upstream: the first character of a path is thrown away unseen: est@example.com gets the mail.
#[test]
fn a_path_begins_with_a_bracket() {
    let house = House::new("recipients: {hosts: [\"*\"]}");
    let mut client = house.client();
    client.wants("MAIL FROM:test@example.com>", "501 5.1.7 ");
    client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
    for path in [
        "test@example.com>",
        "xtest@example.com>",
        "test@example.com",
    ] {
        client.wants(&format!("RCPT TO:{path}"), "501 5.1.3 ");
    }
    client.wants("DATA", "503 5.5.1 ");
}

/// Upstream: what follows the bracket is ignored: <bob@example.org>r.
#[test]
fn a_path_ends_with_a_bracket() {
    let house = House::new("");
    let mut client = house.client();
    client.wants(&format!("MAIL FROM:<{SENDER}>r"), "501 ");
    client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
    for rest in ["r", "<x@example.org>", ">", "SIZE=1"] {
        client.wants(&format!("RCPT TO:<{BOB}>{rest}"), "501 5.1.3 ");
    }
}

/// Upstream: whoever begins with postmaster is the postmaster: postmasterfoo@grr.la too.
#[test]
fn postmaster_is_a_whole_word() {
    let house = House::new("recipients: {hosts: [example.org], users: [bob]}");
    let mut client = sender(&house);
    for (path, reply) in [
        ("postmasterfoo@example.org", "550 5.1.1 "),
        ("postmaster.foo@example.org", "550 5.1.1 "),
        ("postmasterfoo", "501 5.1.3 "),
        ("postmaster@example.com", "550 5.7.1 "),
        ("PostMaster@example.org", "250 2.1.5 "),
        ("PostMaster", "250 2.1.5 "),
    ] {
        client.wants(&format!("RCPT TO:<{path}>"), reply);
    }
}

/// Upstream: after MAIL FROM:<> a second MAIL is taken.
#[test]
fn a_bounce_is_a_transaction_too() {
    let house = House::new("");
    let mut client = house.client();
    client.wants("MAIL FROM:<>", "250 2.1.0 ");
    client.wants(&format!("MAIL FROM:<{SENDER}>"), "503 5.5.1 ");
    client.wants(&format!("RCPT TO:<{BOB}>"), "250 ");
    client.wants("DATA", "354 ");
    client.send(&mail_data(MAIL));
    client.hears("250 2.0.0 ");
    let mail = house.folder.mail("example.org/bob");
    assert_eq!(mail.field("Return-Path").as_deref(), Some("<>"));
}

/// Upstream: `?` alone makes no pattern, and an entry with an upper-case letter matches nothing (1.3).
#[test]
fn patterns_are_patterns_in_any_case() {
    let house = House::new("recipients: {hosts: [EXAMPLE.org, \"mail?.test\"]}");
    let mut client = sender(&house);
    for (host, reply) in [
        ("example.org", "250 2.1.5 "),
        ("MAIL1.test", "250 2.1.5 "),
        ("mail.test", "550 5.7.1 "),
        ("mail?.test", "501 5.1.3 "),
    ] {
        client.wants(&format!("RCPT TO:<bob@{host}>"), reply);
    }
}

/// Upstream: a host that is not served is 454 4.1.1, so that senders try for days.
#[test]
fn what_is_not_ours_is_refused_for_good() {
    let house = House::new("");
    sender(&house).wants("RCPT TO:<bob@example.com>", "550 5.7.1 ");
}

/// Upstream: LF.LF and LF.CRLF end a message, and what follows them is a message of somebody else.
#[test]
fn nothing_is_smuggled() {
    for (newlines, stored) in [("refuse", 0), ("accept", 1)] {
        for end in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r"] {
            let house = House::new(&format!("smtp: {{bare_newlines: {newlines}}}"));
            let smuggled = format!(
                "MAIL FROM:<boss@example.org>\r\nRCPT TO:<{ALICE}>\r\nDATA\r\nSubject: mine\r\n\r\n"
            );
            let content = format!("Subject: t\r\n\r\nbody{end}{smuggled}");
            let reply = house.client().deliver(SENDER, &[BOB], content.as_bytes());
            let expected = if stored == 1 {
                "250 2.0.0 "
            } else {
                "554 5.6.0 "
            };
            assert!(reply.starts_with(expected), "{end:?}: {reply}");
            assert_eq!(house.folder.mail_count(), stored, "{end:?}");
            assert!(
                house.folder.mails("example.org/alice").is_empty(),
                "{end:?}"
            );
        }
    }
}

/// Upstream: one id for all messages of a connection, and the same ones after a restart.
#[test]
fn every_message_has_an_id_of_its_own() {
    let mut ids = Vec::new();
    for _ in 0..2 {
        let house = House::new("");
        let mut client = house.client();
        for _ in 0..2 {
            let reply = client.deliver(SENDER, &[BOB], MAIL);
            let id = reply.strip_prefix("250 2.0.0 Ok: queued as ");
            ids.push(id.expect("it is stored").to_owned());
        }
        let mails = house.folder.mails("example.org/bob");
        let received = |mail: &crate::house::Stored| mail.field("Received").expect("it has one");
        for id in &ids[ids.len() - 2..] {
            let id = format!(" id {id}");
            assert!(mails.iter().any(|mail| received(mail).contains(&id)));
        }
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

/// Upstream: the whole of a message must come in within one timeout after 354.
#[test]
fn a_message_may_take_longer_than_its_pieces() {
    let house = House::new("timeouts: {data: 1s, command: 1s}");
    let mut client = house.client();
    client.begin(SENDER, &[BOB]);
    client.send(b"Subject: t\r\n\r\n");
    // Time is what is tested: a second and a half, in pieces that all come in time.
    for _ in 0..15 {
        thread::sleep(Duration::from_millis(100));
        client.send(&[b"x".repeat(98).as_slice(), b"\r\n"].concat());
    }
    client.send(b".\r\n");
    client.hears("250 2.0.0 ");
}

/// Upstream: a client that takes too long is cut off without a word.
#[test]
fn the_end_of_patience_is_said() {
    let house = House::new("timeouts: {command: 100ms}");
    let mut client = house.client();
    client.hears("421 4.4.2 ");
    client.is_left();
}

/// Upstream: with `max_clients` connected the next one hears nothing at all until somebody leaves.
#[test]
fn who_finds_no_room_is_told() {
    let house = House::new("limits: {connections: 1}");
    let mut first = house.client();
    let mut second = Client::connect(house.address());
    second.hears("421 4.7.0 ");
    second.is_left();
    first.wants("NOOP", "250 ");
}

/// Upstream: sender and recipients of a connection that broke off are those of the next one's DATA.
#[test]
fn nothing_of_a_connection_is_left_to_the_next() {
    let house = House::new("");
    for _ in 0..20 {
        let mut first = sender(&house);
        first.wants(&format!("RCPT TO:<{BOB}>"), "250 ");
        drop(first);
        let mut next = house.client();
        next.wants("DATA", "503 5.5.1 ");
        next.wants(&format!("RCPT TO:<{ALICE}>"), "503 5.5.1 ");
        next.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
        next.wants("DATA", "503 5.5.1 ");
    }
    delivers(&house, &[ALICE], MAIL);
    assert_eq!(house.folder.mail_count(), 1);
}

/// Upstream: `Received: from 127.0.0.1 ([127.0.0.1])`, without the name that the client gave.
#[test]
fn received_says_who_it_was_and_for_whom() {
    let house = House::new("");
    let mut client = Client::connect(house.address());
    client.hears("220 ");
    client.wants("HELO client.example.net", "250 ");
    let reply = client.deliver(SENDER, &[BOB], MAIL);
    let id = reply.rsplit(' ').next().expect("it has words");
    let received = house.folder.mail("example.org/bob").field("Received");
    let start = format!(
        "from client.example.net ([127.0.0.1]) by mx.example.org with SMTP id {id} for <{BOB}>; "
    );
    let received = received.expect("it has one").replace('\t', " ");
    assert!(received.starts_with(&start), "{received}");
}
