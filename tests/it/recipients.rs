//! Who gets a message, and where it lies: from RCPT to the folders on the disk.

use std::sync::Arc;

use maiasaura::recipients::{Pending, UserSource};
use maiasaura::smtp::address::Mailbox;

use crate::client::{Client, mail_data};
use crate::house::{Folder, House};

const SENDER: &str = "s@example.net";
const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";
/// Mail that may be lost: for tests of many recipients.
pub const NOT_SYNCED: &str = r#"maildir: {path: "${ROOT}/{host}/{user}", durability: none}"#;

/// Delivers to one recipient and returns the reply that decided.
pub fn send(client: &mut Client, to: &str) -> String {
    client.wants("RSET", "250 ");
    client.wants(&format!("MAIL FROM:<{SENDER}> SMTPUTF8"), "250 ");
    let reply = client.say(&format!("RCPT TO:<{to}>"));
    if !reply.starts_with("250 ") {
        return reply;
    }
    client.wants("DATA", "354 ");
    client.send(&mail_data(MAIL));
    client.reply()
}

#[track_caller]
fn delivers(house: &House, to: &str) {
    let reply = send(&mut house.client(), to);
    assert!(reply.starts_with("250 2.0.0 "), "{to}: {reply}");
}

/// The Maildirs with mail in `new/`, and how many messages each has.
pub fn boxes(folder: &Folder) -> Vec<String> {
    let tree = folder.tree();
    let mails = tree.iter().filter_map(|path| path.split_once("/new/"));
    let maildirs: Vec<&str> = mails
        .map(|(maildir, _)| {
            maildir
                .strip_prefix("maildirs/")
                .expect("it is below the root")
        })
        .collect();
    let runs = maildirs.chunk_by(|a, b| a == b);
    runs.map(|run| format!("{} {}", run[0], run.len()))
        .collect()
}

#[test]
fn addresses_lead_to_folders() {
    for (address, maildir) in [
        ("bob@example.org", "example.org/bob"),
        ("BOB@EXAMPLE.ORG", "example.org/bob"),
        ("\"bob\"@example.org", "example.org/bob"),
        ("@a.test,@b.test:bob@example.org", "example.org/bob"),
        ("bob+lists@example.org", "example.org/bob"),
        ("a@x.y.wild.example", "x.y.wild.example/a"),
        ("PostMaster", "mx.example.org/postmaster"),
        ("postmaster@example.org", "example.org/postmaster"),
        ("gr\u{e5}@example.org", "example.org/gr%C3%A5"),
        ("GR\u{c5}@example.org", "example.org/gr%C3%A5"),
        ("gra\u{30a}@example.org", "example.org/gr%C3%A5"),
        ("a@b\u{fc}cher.wild.example", "xn--bcher-kva.wild.example/a"),
        (
            "a@xn--bcher-kva.wild.example",
            "xn--bcher-kva.wild.example/a",
        ),
        ("a%evil.test@example.org", "example.org/a%25evil.test"),
        ("evil.test!a@example.org", "example.org/evil.test%21a"),
        ("\"a@evil.test\"@example.org", "example.org/a%40evil.test"),
    ] {
        let house = House::new(NOT_SYNCED);
        delivers(&house, address);
        assert_eq!(boxes(&house.folder), [format!("{maildir} 1")], "{address}");
    }
}

#[test]
fn an_address_in_utf8_is_told_as_it_is() {
    let house = House::new("");
    delivers(&house, "Gr\u{e5}@example.org");
    let mail = house.folder.mail("example.org/gr%C3%A5");
    assert_eq!(
        mail.field("Delivered-To").as_deref(),
        Some("gr\u{e5}@example.org")
    );
    assert_eq!(
        mail.field("X-Original-To").as_deref(),
        Some("Gr\u{e5}@example.org")
    );
    assert!(
        mail.field("Received")
            .expect("it has one")
            .contains(" with UTF8SMTP id ")
    );
}

#[test]
fn a_hundred_recipients_get_it_and_the_next_is_refused() {
    let house = House::new(&format!("limits: {{recipients: 100}}\n{NOT_SYNCED}"));
    let mut client = house.client();
    client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
    for number in 0..100 {
        client.wants(&format!("RCPT TO:<user{number}@example.org>"), "250 2.1.5 ");
    }
    client.wants("RCPT TO:<user100@example.org>", "452 4.5.3 ");
    client.wants("DATA", "354 ");
    client.send(b"Subject: t\r\n\r\nbody\r\n.\r\n");
    client.hears("250 2.0.0 ");
    assert_eq!(house.folder.mail_count(), 100);
    for number in 0..100 {
        let mail = house.folder.mail(&format!("example.org/user{number}"));
        let to = format!("user{number}@example.org");
        assert_eq!(mail.field("Delivered-To"), Some(to));
        assert!(
            !mail
                .field("Received")
                .expect("it has one")
                .contains("for <")
        );
    }
}

/// A message for several says to none of them who the others are.
#[test]
fn blind_copies_stay_blind() {
    let house = House::new("");
    let to = [
        "bob@example.org",
        "alice@example.org",
        "carol@x.wild.example",
    ];
    house
        .client()
        .deliver(SENDER, &to, b"To: bob@example.org\r\n\r\n");
    for (maildir, other) in [
        ("example.org/bob", ["alice", "carol"]),
        ("example.org/alice", ["bob", "carol"]),
        ("x.wild.example/carol", ["alice", "bob"]),
    ] {
        let mail = house.folder.mail(maildir);
        assert!(
            other.iter().all(|name| !mail.trace.contains(name)),
            "{}",
            mail.trace
        );
    }
}

#[test]
fn a_mailbox_gets_a_message_once() {
    let house = House::new(
        "recipients: {hosts: [example.org], aliases: {info@example.org: [bob@example.org, alice@example.org]}}",
    );
    let to = [
        "bob@example.org",
        "BOB@example.org",
        "bob+x@example.org",
        "info@example.org",
    ];
    let reply = house.client().deliver(SENDER, &to, MAIL);
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(
        boxes(&house.folder),
        ["example.org/alice 1", "example.org/bob 1"]
    );
    let alice = house.folder.mail("example.org/alice");
    assert_eq!(
        alice.field("X-Original-To").as_deref(),
        Some("info@example.org")
    );
}

#[test]
fn only_users_that_exist() {
    let house = House::new("recipients: {hosts: [example.org], users: existing}");
    house.folder.make("example.org/bob");
    let mut client = house.client();
    for (to, reply) in [
        ("bob@example.org", "250 2.0.0 "),
        ("alice@example.org", "550 5.1.1 "),
        ("bob@example.net", "550 5.7.1 "),
        ("postmaster", "250 2.0.0 "),
    ] {
        let said = send(&mut client, to);
        assert!(said.starts_with(reply), "{to}: {said}");
    }
    assert_eq!(
        boxes(&house.folder),
        ["example.org/bob 1", "mx.example.org/postmaster 1"]
    );
}

#[test]
fn the_rest_goes_to_the_catch_all() {
    let house = House::new(
        "recipients: {hosts: [example.org], users: [bob, rest], catch_all: rest@example.org}",
    );
    delivers(&house, "bob@example.org");
    delivers(&house, "anyone@example.org");
    assert_eq!(
        boxes(&house.folder),
        ["example.org/bob 1", "example.org/rest 1"]
    );
    let rest = house.folder.mail("example.org/rest");
    assert_eq!(
        rest.field("Delivered-To").as_deref(),
        Some("rest@example.org")
    );
    assert_eq!(
        rest.field("X-Original-To").as_deref(),
        Some("anyone@example.org")
    );
}

#[test]
fn details_lead_to_folders() {
    for (folder, expected) in [
        ("ignore", vec!["example.org/bob 3"]),
        (
            "existing",
            vec!["example.org/bob 2", "example.org/bob/.lists 1"],
        ),
        (
            "create",
            vec![
                "example.org/bob 1",
                "example.org/bob/.lists 1",
                "example.org/bob/.other 1",
            ],
        ),
    ] {
        let house = House::new(&format!(
            "recipients: {{hosts: [example.org], subaddress: {{folder: {folder}}}}}"
        ));
        house.folder.make("example.org/bob");
        house.folder.make("example.org/bob/.lists");
        for to in [
            "bob@example.org",
            "bob+lists@example.org",
            "bob+Other@example.org",
        ] {
            delivers(&house, to);
        }
        let mut found = boxes(&house.folder);
        found.sort();
        assert_eq!(found, expected, "{folder}");
    }
}

struct OnlyAlice;

impl UserSource for OnlyAlice {
    fn name(&self) -> &'static str {
        "only alice"
    }

    fn knows<'a>(&'a self, mailbox: &'a Mailbox) -> Pending<'a, Result<bool, String>> {
        Box::pin(async {
            match mailbox.local_part() {
                "alice" => Ok(true),
                "bob" => Ok(false),
                _ => Err("out of order".into()),
            }
        })
    }
}

#[test]
fn a_program_that_knows_its_users_is_asked() {
    let house = House::with(NOT_SYNCED, |daemon| daemon.recipients(Arc::new(OnlyAlice)));
    delivers(&house, "Alice+x@example.org");
    let mut client = house.client();
    for (to, expected) in [
        ("bob@example.org", "550 5.1.1 "),
        ("carol@example.org", "451 4.3.0 "),
        ("alice@elsewhere.example", "550 5.7.1 "),
    ] {
        let reply = send(&mut client, to);
        assert!(reply.starts_with(expected), "{to}: {reply}");
    }
    assert_eq!(boxes(&house.folder), ["example.org/alice 1"]);
}
