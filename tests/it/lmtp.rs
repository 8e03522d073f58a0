//! LMTP: one reply and one fate for each recipient, and a socket in the file system.

use crate::client::Client;
use crate::house::House;

const SENDER: &str = "s@example.net";

fn lmtp(recipients: &str) -> House {
    House::new(&format!(
        "listeners: [{{address: \"unix:${{FOLDER}}/lmtp:0600\", protocol: lmtp}}]\n\
         recipients: {recipients}"
    ))
}

/// Delivers to all and returns the replies to the content.
fn send(client: &mut Client, to: &[&str], content: &[u8]) -> Vec<String> {
    let first = client.deliver(SENDER, to, content);
    let others = to[1..].iter().map(|_| client.reply());
    let replies: Vec<String> = std::iter::once(first)
        .chain(others.collect::<Vec<_>>())
        .collect();
    client.wants("NOOP", "250 2.0.0 Ok");
    replies.iter().map(|reply| reply[..9].to_owned()).collect()
}

#[test]
fn a_full_mailbox_is_the_fate_of_one() {
    let house = lmtp("{hosts: [example.org], users: {bob: {}, full: {quota: 1kB}, alice: {}}}");
    let mut client = house.client();
    let to = ["bob@example.org", "full@example.org", "alice@example.org"];
    let content = [
        &b"Subject: t\r\n\r\n"[..],
        &b"more than a kilobyte\r\n".repeat(50),
    ]
    .concat();
    assert_eq!(
        send(&mut client, &to, &content),
        ["250 2.0.0", "452 4.2.2", "250 2.0.0"]
    );
    let counts = ["bob", "full", "alice"].map(|user| {
        let maildir = format!("example.org/{user}");
        house.folder.mails(&maildir).len()
    });
    assert_eq!(counts, [1, 0, 1]);
    let mail = house.folder.mail("example.org/bob");
    let received = mail.field("Received").expect("it has one");
    assert!(received.starts_with("from client.example.net by mx.example.org with LMTP id "));
}

/// Over SMTP there is one reply, so nobody gets what one of them cannot have.
#[test]
fn over_smtp_a_full_mailbox_is_the_fate_of_all() {
    let house =
        House::new("recipients: {hosts: [example.org], users: {bob: {}, full: {quota: 1kB}}}");
    let content = [
        &b"Subject: t\r\n\r\n"[..],
        &b"more than a kilobyte\r\n".repeat(50),
    ]
    .concat();
    let to = ["bob@example.org", "full@example.org"];
    let reply = house.client().deliver(SENDER, &to, &content);
    assert!(reply.starts_with("452 4.2.2 "), "{reply}");
    assert_eq!(house.folder.mail_count(), 0);
}

#[test]
fn one_recipient_twice_has_two_replies_and_one_copy() {
    let house = lmtp("{hosts: [example.org]}");
    let mut client = house.client();
    let to = ["bob@example.org", "bob@example.org"];
    assert_eq!(
        send(&mut client, &to, b"Subject: t\r\n\r\n"),
        ["250 2.0.0"; 2]
    );
    assert_eq!(house.folder.mail_count(), 1);
}

#[test]
fn only_accepted_recipients_have_a_reply() {
    let house = lmtp("{hosts: [example.org], users: [bob, alice]}");
    let mut client = house.client();
    client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
    client.wants("RCPT TO:<bob@example.org>", "250 ");
    client.wants("RCPT TO:<nosuch@example.org>", "550 5.1.1 ");
    client.wants("RCPT TO:<alice@example.org>", "250 ");
    client.wants("DATA", "354 ");
    client.send(b"Subject: t\r\n\r\n.\r\nNOOP\r\n");
    client.hears("250 2.0.0 Ok: queued as ");
    client.hears("250 2.0.0 Ok: queued as ");
    assert_eq!(client.reply(), "250 2.0.0 Ok");
    assert_eq!(house.folder.mail_count(), 2);
}
