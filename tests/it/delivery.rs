//! Messages from a socket to a Maildir, octet for octet.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use maildir::Maildir;

use crate::client::{Client, mail_data};
use crate::house::{House, Stored, crlf, lf, mode, sample};

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
const HIS: &str = "example.org/bob";

/// Delivers to Bob, with the file that it became.
#[track_caller]
fn to_bob(house: &House, content: &[u8]) -> Stored {
    let reply = house.client().deliver(SENDER, &[BOB], content);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    house.folder.mail(HIS)
}

#[test]
fn one_file_is_enough_for_many_recipients() {
    let house = House::new(r#"maildir: {path: "${ROOT}/{host}/{user}", single_instance: true}"#);
    let users = ["ann@example.org", BOB, "cleo@example.org"];
    let content = sample("plain.eml");
    let reply = house.client().deliver(SENDER, &users, &content);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    let inodes = ["ann", "bob", "cleo"].map(|user| {
        let mail = house.folder.mail(&format!("example.org/{user}"));
        assert_eq!(
            (&mail.content, mail.field("Delivered-To")),
            (&lf(&content), None)
        );
        fs::metadata(mail.path).expect("it is there").ino()
    });
    assert_eq!(inodes, [inodes[0]; 3]);
    // A message for one is as ever.
    let dora = "dora@example.org";
    house.client().deliver(SENDER, &[dora], &content);
    let mail = house.folder.mail("example.org/dora");
    assert_eq!(mail.field("Delivered-To").as_deref(), Some(dora));
}

#[test]
fn a_message_arrives() {
    let house = House::new("");
    let mut client = house.client();
    let reply = client.deliver(SENDER, &[BOB], &sample("plain.eml"));
    client.wants("QUIT", "221 2.0.0 ");
    client.is_left();
    let mail = house.folder.mail(HIS);
    let id = reply
        .strip_prefix("250 2.0.0 Ok: queued as ")
        .expect("it has a name");
    let received = mail.field("Received").expect("it has one");
    let start = format!(
        "from client.example.net ([127.0.0.1]) by mx.example.org with ESMTP id {id} for <{BOB}>; "
    );
    assert!(received.starts_with(&start), "{received}");
    assert!(
        mail.trace.lines().all(|line| line.len() <= 78),
        "{}",
        mail.trace
    );
    assert_eq!(
        mail.trace.lines().take(2).collect::<Vec<_>>(),
        [
            "Return-Path: <s@example.net>",
            "Delivered-To: bob@example.org"
        ]
    );
    assert_eq!(mail.content, lf(&sample("plain.eml")));
}

#[test]
fn a_message_has_a_name_that_every_reader_understands() {
    let house = House::new("");
    let mail = to_bob(&house, &sample("plain.eml"));
    let name = mail
        .path
        .file_name()
        .expect("it has a name")
        .to_string_lossy();
    assert!(
        !name.starts_with('.') && !name.contains([':', '/']),
        "{name}"
    );
    let octets = fs::read(&mail.path).expect("it can be read");
    let sizes = format!(",S={},W={}", octets.len(), crlf(&octets).len());
    assert!(name.ends_with(&sizes), "{name} {sizes}");
}

#[test]
fn a_maildir_reader_reads_it() {
    let house = House::new("");
    to_bob(&house, &sample("eight-bit.eml"));
    let maildir = Maildir::from(house.folder.path("maildirs/example.org/bob"));
    assert_eq!((maildir.count_new(), maildir.count_cur()), (1, 0));
    let mut entry = maildir
        .list_new()
        .next()
        .expect("it is there")
        .expect("it is sound");
    let headers = entry.headers().expect("they can be read");
    let mut names = Vec::new();
    for header in &headers {
        names.push(header.get_key());
    }
    let expected = [
        "Return-Path",
        "Delivered-To",
        "Received",
        "From",
        "Subject",
        "Content-Type",
        "Content-Transfer-Encoding",
    ];
    assert_eq!(names, expected);
    let id = entry.id().to_owned();
    maildir
        .move_new_to_cur_with_flags(&id, "S")
        .expect("it can be moved");
    assert!(maildir.find(&id).expect("it is found").is_seen());
}

#[test]
fn the_old_way_to_greet_is_enough() {
    let house = House::new("");
    let mut client = Client::connect(house.address());
    client.hears("220 mx.example.org ESMTP");
    assert_eq!(client.say("HELO client.example.net"), "250 mx.example.org");
    client.deliver(SENDER, &[BOB], b"Subject: t\r\n\r\nbody\r\n");
    let received = house.folder.mail(HIS).field("Received");
    assert!(received.expect("it has one").contains(" with SMTP id "));
}

#[test]
fn a_bounce_has_no_sender() {
    let house = House::new("");
    house
        .client()
        .deliver("", &[BOB], b"Subject: bounce\r\n\r\n");
    assert_eq!(
        house.folder.mail(HIS).field("Return-Path").as_deref(),
        Some("<>")
    );
}

/// Every octet but NUL, CR and LF, dots wherever they may be, and nothing at all.
#[test]
fn content_arrives_octet_for_octet() {
    let long = [b"Subject: long\r\n\r\n", &b"x".repeat(200_000)[..], b"\r\n"].concat();
    let contents = [
        sample("eight-bit.eml"),
        sample("dots.eml"),
        b".\r\n..\r\n".to_vec(),
        b"\r\n".to_vec(),
        b"\r\n.\r\n\r\n".to_vec(),
        b"Subject: only a header\r\n".to_vec(),
        long,
        Vec::new(),
    ];
    for content in contents {
        let house = House::new("maildir: {path: \"${ROOT}/{host}/{user}\", durability: none}");
        let mail = to_bob(&house, &content);
        let apart = content.starts_with(b".");
        let expected = [if apart { &b"\n"[..] } else { b"" }, &lf(&content)].concat();
        assert_eq!(
            mail.content.escape_ascii().to_string(),
            expected.escape_ascii().to_string()
        );
    }
}

/// Our own fields come first, and a Return-Path that was there goes; in the body it stays.
#[test]
fn return_path_is_ours() {
    let house = House::new("");
    let mail = to_bob(&house, &sample("multipart.eml"));
    let theirs = String::from_utf8(lf(&sample("multipart.eml"))).expect("it is UTF-8");
    let expected = theirs
        .replace("Return-Path: <forged@evil.test>\n", "")
        .replace("return-path: <again@evil.test>\n\t(folded)\n", "");
    assert_eq!(String::from_utf8_lossy(&mail.content), expected);
    assert!(mail.trace.starts_with("Return-Path: <s@example.net>\n"));
}

/// What is no header can neither become part of ours nor hide in it.
#[test]
fn an_odd_header_stays_apart() {
    for (content, apart) in [
        ("", false),
        ("\r\nbody\r\n", false),
        (" folded into ours?\r\nSubject: t\r\n\r\nbody\r\n", true),
        ("\tfolded into ours?\r\n\r\nbody\r\n", true),
        ("only a body\r\n", true),
        (
            "From s@example.net Fri Nov 20 12:00:00 2026\r\nSubject: t\r\n\r\n",
            false,
        ),
        ("Subject : old\r\n\r\nbody\r\n", false),
        ("Subject: t\r\nno field\r\nTo: x\r\n\r\nbody\r\n", false),
        ("S\u{fc}bject: t\r\n\r\nbody\r\n", true),
        (": nameless\r\n\r\nbody\r\n", true),
    ] {
        let house = House::new("maildir: {path: \"${ROOT}/{host}/{user}\", durability: none}");
        let mail = to_bob(&house, content.as_bytes());
        let expected = format!(
            "{}{}",
            if apart { "\n" } else { "" },
            content.replace("\r\n", "\n")
        );
        assert_eq!(String::from_utf8_lossy(&mail.content), expected);
    }
}

/// A name that could add a line or a comment to our header is no name.
#[test]
fn a_client_cannot_write_into_our_header() {
    let house = House::new("");
    let mut client = house.client();
    for name in [
        "x\tby evil;",
        "x (comment)",
        "x;",
        "x\u{1b}[31m",
        "\"x\"",
        "x\u{2028}y",
    ] {
        client.wants(&format!("EHLO {name}"), "501 5.5.4 ");
    }
    client.wants(
        "MAIL FROM:<\"a\u{2028}b\"@example.net> SMTPUTF8",
        "501 5.1.7 ",
    );
    client.wants("MAIL FROM:<\"a\tb\"@example.net>", "501 5.1.7 ");
    client.deliver("\"a> b;\"@example.net", &[BOB], b"Subject: t\r\n\r\n");
    let mail = house.folder.mail(HIS);
    assert_eq!(
        mail.field("Return-Path").as_deref(),
        Some("<\"a> b;\"@example.net>")
    );
    assert!(
        mail.trace
            .chars()
            .all(|c| c == '\n' || c == '\t' || (' '..='~').contains(&c))
    );
}

#[test]
fn a_large_message_arrives() {
    let house = House::new("");
    let line = [&[b'x'; 76][..], b"\r\n"].concat();
    let content = [
        &b"Subject: large\r\n\r\n"[..],
        &line.repeat(20_000_000 / line.len()),
    ]
    .concat();
    let mut client = house.client();
    client.wants(
        &format!("MAIL FROM:<{SENDER}> SIZE={}", content.len()),
        "250 ",
    );
    client.wants(&format!("RCPT TO:<{BOB}>"), "250 ");
    client.wants("DATA", "354 ");
    client.send(&mail_data(&content));
    client.hears("250 2.0.0 ");
    let mail = house.folder.mail(HIS);
    assert!(
        mail.content == lf(&content),
        "{} octets differ",
        mail.size()
    );
    client.wants(&format!("MAIL FROM:<{SENDER}> SIZE=25000001"), "552 5.3.4 ");
}

/// The second transaction is in the same segment as the end of the first message (RFC 2920).
#[test]
fn two_messages_in_one_breath() {
    let house = House::new("");
    let mut client = house.client();
    let commands = format!("MAIL FROM:<{SENDER}>\r\nRCPT TO:<{BOB}>\r\nDATA\r\n");
    client.send(commands.as_bytes());
    for reply in ["250 2.1.0 ", "250 2.1.5 ", "354 "] {
        client.hears(reply);
    }
    let first = [mail_data(b"Subject: one\r\n\r\n"), commands.into_bytes()].concat();
    client.send(&first);
    for reply in ["250 2.0.0 ", "250 2.1.0 ", "250 2.1.5 ", "354 "] {
        client.hears(reply);
    }
    client.send(&mail_data(b"Subject: two\r\n\r\n"));
    client.hears("250 2.0.0 ");
    let mails = house.folder.mails(HIS);
    let contents: Vec<&[u8]> = mails.iter().map(|mail| mail.content.as_slice()).collect();
    assert_eq!(contents, [&b"Subject: one\n\n"[..], b"Subject: two\n\n"]);
}

/// A chunk is taken as it is: with NUL, bare CR and bare LF, and a dot alone on its line.
#[test]
fn binary_content_arrives_in_chunks() {
    let house = House::new("");
    let every: Vec<u8> = (0..=255).collect();
    let content = [
        &b"Subject: binary\r\n\r\na\nb\rc\r\n.\r\n"[..],
        &every.repeat(300),
    ]
    .concat();
    let mut client = house.client();
    client.wants(&format!("MAIL FROM:<{SENDER}> BODY=BINARYMIME"), "250 ");
    client.wants(&format!("RCPT TO:<{BOB}>"), "250 ");
    for chunk in content.chunks(10_000) {
        client.send(&[format!("BDAT {}\r\n", chunk.len()).as_bytes(), chunk].concat());
        client.hears("250 2.0.0 ");
    }
    client.wants("BDAT 0 LAST", "250 2.0.0 ");
    let mail = house.folder.mail(HIS);
    assert_eq!(
        mail.content.escape_ascii().to_string(),
        content.escape_ascii().to_string()
    );
    assert!(
        mail.trace.lines().count() == mail.trace.matches("\r\n").count(),
        "one line end"
    );
}

#[test]
fn line_ends_and_modes_are_as_configured() {
    let house = House::new("");
    let mail = to_bob(&house, b"Subject: t\r\n\r\nbody\r\n");
    assert_eq!(mode(&mail.path), 0o600);
    assert!(!mail.trace.contains('\r'));
    for folder in ["bob", "bob/new", "bob/cur", "bob/tmp"] {
        let path = house.folder.path("maildirs/example.org").join(folder);
        assert_eq!(mode(&path), 0o700, "{folder}");
    }
    let house = House::new(
        "maildir: {path: \"${ROOT}/{host}/{user}\", eol: crlf, file_mode: \"0640\", directory_mode: \"0750\"}",
    );
    let mail = to_bob(&house, b"Subject: t\r\n\r\nbody\r\n");
    assert_eq!(mode(&mail.path), 0o640);
    assert_eq!(
        mode(&house.folder.path("maildirs/example.org/bob/new")),
        0o750
    );
    assert_eq!(mail.content, b"Subject: t\r\n\r\nbody\r\n");
    assert_eq!(
        mail.trace.matches('\n').count(),
        mail.trace.matches("\r\n").count()
    );
}

#[test]
fn mail_in_circles_is_stopped() {
    let house = House::new("limits: {hops: 5}");
    let hop = "Received: from a by b; Fri, 20 Nov 2026 12:00:00 +0000\r\n";
    let mut client = house.client();
    for (header, reply) in [
        (hop.repeat(5), "250 2.0.0 "),
        (hop.repeat(6), "554 5.4.6 "),
        (format!("Delivered-To: {BOB}\r\n"), "554 5.4.6 "),
        (
            "delivered-to:\r\n bob@example.org\r\n".to_owned(),
            "554 5.4.6 ",
        ),
        (
            "Delivered-To: alice@example.org\r\n".to_owned(),
            "250 2.0.0 ",
        ),
        (format!("\r\nDelivered-To: {BOB}\r\n"), "250 2.0.0 "),
    ] {
        let content = format!("{header}\r\nbody\r\n");
        let said = client.deliver(SENDER, &[BOB], content.as_bytes());
        assert!(said.starts_with(reply), "{header}: {said}");
    }
    assert_eq!(house.folder.mails(HIS).len(), 3);
}
