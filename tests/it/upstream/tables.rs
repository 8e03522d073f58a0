//! The tables of upstream's own tests, for our server: what is said, what upstream answers, and
//! what we answer. Where the two differ, the reason stands above the rows.

use super::{BOB, SENDER};
use crate::client::Client;
use crate::house::House;

/// A line, and the first octets of two replies.
type Row = (&'static str, &'static str, &'static str);

/// Says each line after these, in a session that is set back before each.
fn play(table: &[Row], before: &[&str]) {
    let house = House::new(
        "recipients: {hosts: [grr.la, \"[1.1.1.1]\", \"*.test\"]}\nlimits: {errors: 1000}",
    );
    let mut client = house.client();
    for (line, theirs, ours) in table {
        client.wants("RSET", "250 ");
        for line in before {
            client.wants(line, "250 ");
        }
        let reply = client.say(line);
        assert!(
            reply.starts_with(ours),
            "{line} (upstream {theirs}): {reply}"
        );
    }
}

/// An address that is none has a code of its own: 5.1.7 for senders.
#[test]
fn reverse_paths() {
    let table = [
        ("MAIL FROM:<test@grr.la>", "250 2.1.0", "250 2.1.0"),
        ("MAIL FROM:<>", "250 2.1.0", "250 2.1.0"),
        ("MAIL FROM:", "501 5.5.4", "501 5.1.7"),
        ("MAIL FROM:<", "501 5.5.4", "501 5.1.7"),
        ("MAIL FROM:x", "501 5.5.4", "501 5.1.7"),
        ("MAIL FROM:<<>>", "501 5.5.4", "501 5.1.7"),
        ("MAIL FROM:<justatest>", "501 5.5.4", "501 5.1.7"),
        (
            "MAIL FROM:<a@b.test> BODY=8BITMIME",
            "250 2.1.0",
            "250 2.1.0",
        ),
        ("MAIL FROM:<> BODY=8BITMIME", "250 2.1.0", "250 2.1.0"),
        // What was not offered is refused (RFC 5321 section 4.1.1.11).
        ("MAIL FROM:<a@b.test> SI--ZE=1", "250 2.1.0", "555 5.5.4"),
        ("MAIL FROM:<a@b.test> SI--ZE-=1", "501 5.5.4", "555 5.5.4"),
    ];
    play(&table, &[]);
}

#[test]
fn a_second_mail() {
    let table = [("MAIL FROM:<b@grr.la>", "503 5.5.1", "503 5.5.1")];
    play(&table, &["MAIL FROM:<a@grr.la>"]);
    let table = [("MAIL FROM:<b@grr.la>", "250 2.1.0", "250 2.1.0")];
    play(&table, &["MAIL FROM:<a@grr.la>", "HELO client.test"]);
    play(&table, &["MAIL FROM:<a@grr.la>", "RSET"]);
}

/// A host that is not ours is refused for good.
#[test]
fn forward_paths() {
    let table = [
        ("RCPT TO:<test@grr.la>", "250 2.1.5", "250 2.1.5"),
        ("RCPT TO:<test@GRR.LA>", "250 2.1.5", "250 2.1.5"),
        ("RCPT TO:<test@grr.la", "501 5.5.4", "501 5.1.3"),
        ("RCPT TO:<>", "501 5.5.4", "501 5.1.3"),
        ("RCPT TO:<a@foreign.example>", "454 4.1.1", "550 5.7.1"),
        ("RCPT TO:<Postmaster>", "250 2.1.5", "250 2.1.5"),
        ("RCPT TO:<pOSTmAsTeR@grr.la>", "250 2.1.5", "250 2.1.5"),
        ("RCPT TO:<\"Postmaster\">", "250 2.1.5", "250 2.1.5"),
        (
            "RCPT TO:<postmaster@foreign.example>",
            "454 4.1.1",
            "550 5.7.1",
        ),
        // Local parts of RFC 3696 section 3, and its errors.
        ("RCPT TO:<\"Abc\\@def\"@a.test>", "250 2.1.5", "250 2.1.5"),
        ("RCPT TO:<\"Fred Bloggs\"@a.test>", "250 2.1.5", "250 2.1.5"),
        (
            "RCPT TO:<\"Joe.\\\\Blow\"@a.test>",
            "250 2.1.5",
            "250 2.1.5",
        ),
        ("RCPT TO:<user+mailbox@a.test>", "250 2.1.5", "250 2.1.5"),
        (
            "RCPT TO:<customer/department=shipping@a.test>",
            "250 2.1.5",
            "250 2.1.5",
        ),
        ("RCPT TO:<$A12345@a.test>", "250 2.1.5", "250 2.1.5"),
        ("RCPT TO:<!def!xyz%abc@a.test>", "250 2.1.5", "250 2.1.5"),
        ("RCPT TO:<_somename@a.test>", "250 2.1.5", "250 2.1.5"),
        ("RCPT TO:<Abc\\@def@a.test>", "501 5.5.4", "501 5.1.3"),
        ("RCPT TO:<Fred\\ Bloggs@a.test>", "501 5.5.4", "501 5.1.3"),
        ("RCPT TO:<Joe.\\\\Blow@a.test>", "501 5.5.4", "501 5.1.3"),
        // Dots, source routes, domains.
        ("RCPT TO:<.a@a.test>", "501 5.5.4", "501 5.1.3"),
        ("RCPT TO:<a.@a.test>", "501 5.5.4", "501 5.1.3"),
        ("RCPT TO:<a..b@a.test>", "501 5.5.4", "501 5.1.3"),
        (
            "RCPT TO:<@h1.test,@h2.test:a@a.test>",
            "250 2.1.5",
            "250 2.1.5",
        ),
        (
            "RCPT TO:<@h1.test,h2.test:a@a.test>",
            "501 5.5.4",
            "501 5.1.3",
        ),
        ("RCPT TO:<a@wrong-.test>", "501 5.5.4", "501 5.1.3"),
        ("RCPT TO:<a@-wrong.test>", "501 5.5.4", "501 5.1.3"),
        ("RCPT TO:<a@wrong.test.>", "501 5.5.4", "501 5.1.3"),
        ("RCPT TO:<a@a^m.test>", "501 5.5.4", "501 5.1.3"),
        ("RCPT TO:<a@a--b.test>", "250 2.1.5", "250 2.1.5"),
        // Literals.
        ("RCPT TO:<a@[1.1.1.1]>", "250 2.1.5", "250 2.1.5"),
        (
            "RCPT TO:<a@[IPv6:::ffff:101:101]>",
            "250 2.1.5",
            "250 2.1.5",
        ),
        (
            "RCPT TO:<a@[ipv6:::FFFF:101:101]>",
            "250 2.1.5",
            "250 2.1.5",
        ),
        ("RCPT TO:<a@[1.1.1.2]>", "454 4.1.1", "550 5.7.1"),
        ("RCPT TO:<a@1.1.1.1>", "454 4.1.1", "550 5.7.1"),
        ("RCPT TO:<a@[1.1.1.256]>", "501 5.5.4", "501 5.1.3"),
        ("RCPT TO:<a@[1.1.1]>", "501 5.5.4", "501 5.1.3"),
        ("RCPT TO:<a@[IPv6:1::2::3]>", "501 5.5.4", "501 5.1.3"),
    ];
    play(&table, &["MAIL FROM:<s@example.net>"]);
}

/// A bad name is a fault of the argument (501), not of the mailbox (550).
#[test]
fn greetings() {
    let table = [
        ("HELO localtester", "250", "250 mx.example.org"),
        ("EHLO localtester", "250-", "250-mx.example.org\n250-"),
        ("EHLO [1.1.1.1]", "250-", "250-"),
        ("EHLO [IPv6:::1]", "250-", "250-"),
        ("HELO", "550 5.5.2", "501 5.5.4"),
        ("EHLO", "550 5.5.2", "501 5.5.4"),
        ("HELO exam_ple.test", "550 5.5.2", "501 5.5.4"),
        ("EHLO exam_ple.test", "550 5.5.2", "501 5.5.4"),
        ("HELO <script>alert(1)</script>", "550 5.5.2", "501 5.5.4"),
        // Literals were for EHLO only (RFC 2821); now HELO has them as well (RFC 5321 section 4.1.4).
        ("HELO [1.1.1.1]", "550 5.5.2", "250 mx.example.org"),
    ];
    play(&table, &[]);
}

/// Commands that nobody knows are 500; that DATA came too early, is said before who is missing.
#[test]
fn other_commands() {
    let table = [
        ("DATA", "503 5.5.1", "503 5.5.1"),
        ("VRFY test@grr.la", "252 2.5.0", "252 2.5.0"),
        ("RSET", "250 2.1.0", "250 2.0.0"),
        ("NOOP", "200 2.0.0", "250 2.0.0"),
        ("HELP", "214", "214 2.0.0"),
        ("EXPN staff", "554 5.5.1", "502 5.5.1"),
        ("LHLO client.test", "554 5.5.1", "500 5.5.1"),
        ("XYZZY", "554 5.5.1", "500 5.5.1"),
    ];
    play(&table, &[]);
    play(
        &[("DATA", "503 5.5.1", "503 5.5.1")],
        &["MAIL FROM:<a@grr.la>"],
    );
}

/// Binary octets before any command: upstream had hung.
#[test]
fn noise_is_answered() {
    let house = House::new("limits: {errors: 5}");
    let mut client = Client::connect(house.address());
    client.hears("220 ");
    let noise: Vec<u8> = (0..=255).rev().collect();
    client.send(&[&noise[..], b"\r\n"].concat());
    let reply = client.reply();
    assert!(
        reply.starts_with('5') || reply.starts_with("421 "),
        "{reply}"
    );
    let reply = house.client().deliver(SENDER, &[BOB], b"x\r\n");
    assert!(reply.starts_with("250 "), "{reply}");
}
