//! Postfix's smtp-source, which sends as fast as it can over many connections at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::maildir::{Maildir, Stored};
use crate::program::{program, succeed};
use crate::receiver::Receiver;

/// The length that smtp-source is told; to it the last line end comes in addition.
const LENGTH: usize = 5000;

#[test]
fn sends_5000_messages_over_smtp() {
    let receiver = Receiver::start();
    source(&["-s", "100", "-m", "5000"], receiver.smtp);
    messages(&receiver.maildir("user@example.org"), 5000);
    receiver.finish();
}

#[test]
fn sends_5000_messages_over_lmtp() {
    let receiver = Receiver::start();
    source(&["-L", "-s", "100", "-m", "5000"], receiver.lmtp);
    messages(&receiver.maildir("user@example.org"), 5000);
    receiver.finish();
}

#[test]
fn sends_to_ten_recipients_over_connections_that_it_keeps() {
    let receiver = Receiver::start();
    let ten = ["-d", "-r", "10", "-s", "10", "-m", "100"];
    source(&ten, receiver.smtp);
    source(&[&["-L"], &ten[..]].concat(), receiver.lmtp);
    // How it numbers the recipients differs from one version of Postfix to the next.
    let mut copies = BTreeMap::new();
    for maildir in receiver.maildirs("example.org") {
        for message in maildir.messages() {
            *copies.entry(message_id(&message)).or_insert(0) += 1;
        }
    }
    assert_eq!(copies.len(), 200, "messages that differ");
    assert!(copies.values().all(|&count| count == 10), "{copies:?}");
    receiver.finish();
}

/// Runs smtp-source; it ends with an error as soon as one reply is not what it hopes for.
fn source(arguments: &[&str], port: u16) {
    let mut source = program("smtp-source");
    source.args(arguments).args(["-l", &LENGTH.to_string()]);
    source.args(["-f", "s@c.test", "-t", "user@example.org"]);
    succeed(source.arg(format!("127.0.0.1:{port}")));
}

/// So many messages have arrived, each whole and unlike the others.
fn messages(maildir: &Maildir, count: usize) {
    let messages = maildir.messages();
    assert_eq!(maildir.files("new").len(), count);
    let ids: BTreeSet<String> = messages.iter().map(message_id).collect();
    assert_eq!(ids.len(), count, "messages that differ");
}

/// The Message-Id of a message whose body has its full length.
fn message_id(message: &Stored) -> String {
    let content = String::from_utf8(message.content().to_owned()).expect("ASCII");
    let (header, body) = content.split_once("\n\n").expect("a header");
    assert_eq!(
        body.len() + body.matches('\n').count(),
        LENGTH + 2,
        "{}",
        message.name
    );
    assert!(body.ends_with("X\n"), "{}", message.name);
    let id = header
        .lines()
        .find_map(|line| line.strip_prefix("Message-Id: "));
    id.expect("a Message-Id").to_owned()
}
