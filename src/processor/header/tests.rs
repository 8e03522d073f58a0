use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::*;
use crate::envelope::{Client, Destination, Envelope, Mail, Recipient, Transmission};
use crate::maildir::Location;
use crate::smtp::address::{ForwardPath, ReversePath};

fn recipient(given: &str, mailbox: &str) -> Recipient {
    let forward = |text: &str| ForwardPath::parse(&format!("<{text}>")).unwrap().0;
    let ForwardPath::Mailbox(mailbox) = forward(mailbox) else {
        panic!("{mailbox}")
    };
    let location = Location {
        root: Path::new("/nowhere").into(),
        components: vec!["box".into()],
        folder: None,
        owner: None,
        create: true,
        quota: None,
    };
    let destination = Destination {
        mailbox,
        location,
        captures: BTreeMap::new(),
        otherwise: None,
    };
    Recipient {
        forward_path: forward(given),
        destinations: vec![destination],
    }
}

fn delivery(content: &str, recipients: Vec<Recipient>) -> Delivery {
    let all = 0..recipients.len();
    let envelope = Envelope {
        id: "0123456789abcdef".into(),
        received: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_190_015),
        host: "mx.example.org".into(),
        client: Client {
            address: Some("::ffff:192.0.2.7".parse().unwrap()),
            helo: Some("client.example.net".into()),
            ..Client::default()
        },
        transmission: Transmission::Esmtp,
        reverse_path: ReversePath::parse("<s@c.test>").unwrap().0,
        recipients,
        binary: false,
    };
    let mail = Mail::new(envelope, content.replace('\n', "\r\n").into_bytes());
    Delivery::new(Arc::new(mail), all)
}

/// The message as a file would hold it for the first recipient.
fn traced(content: &str, recipients: Vec<Recipient>) -> Result<String, Failure> {
    traced_by(&Header::new(3), content, recipients)
}

fn traced_by(
    header: &Header,
    content: &str,
    recipients: Vec<Recipient>,
) -> Result<String, Failure> {
    let mut delivery = delivery(content, recipients);
    header.trace(&mut delivery)?;
    let recipient = &delivery.recipients()[0];
    let mut text = delivery
        .trace
        .as_ref()
        .unwrap()
        .fields(recipient, &recipient.destinations[0]);
    let mut content = delivery.content();
    while let Some(piece) = content.next_piece().unwrap() {
        text.push_str(&String::from_utf8_lossy(piece).replace("\r\n", "\n"));
    }
    Ok(text)
}

const TRACE: &str = "Return-Path: <s@c.test>\nDelivered-To: bob@example.org\n\
    Received: from client.example.net ([192.0.2.7]) by mx.example.org\n\
    \twith ESMTP id 0123456789abcdef\n\
    \tfor <bob@example.org>; Fri, 20 Nov 2026 15:53:35 +0000\n";

fn bob() -> Vec<Recipient> {
    vec![recipient("bob@example.org", "bob@example.org")]
}

#[test]
fn trace_fields_come_first() {
    let text = traced("Subject: t\n\nbody\n", bob()).unwrap();
    assert_eq!(text, format!("{TRACE}Subject: t\n\nbody\n"));
    assert!(text.lines().all(|line| line.len() <= 78));
}

#[test]
fn an_old_return_path_goes() {
    let content = "Return-Path: <x@y.test>\nSubject: t\nreturn-path : <z@y.test>,\n <folded@y.test>\n\nReturn-Path: body\n";
    let text = traced(content, bob()).unwrap();
    assert_eq!(text, format!("{TRACE}Subject: t\n\nReturn-Path: body\n"));
}

#[test]
fn not_every_one_of_a_million_return_paths_goes() {
    let field = "Return-Path: <x@y.test>\n";
    let text = traced(
        &format!("{}\nbody\n", field.repeat(RETURN_PATHS + 2)),
        bob(),
    )
    .unwrap();
    assert_eq!(text, format!("{TRACE}{}\nbody\n", field.repeat(2)));
}

#[test]
fn content_that_begins_with_no_field_is_kept_apart() {
    for (content, apart) in [
        ("", false),
        ("\nbody\n", false),
        ("Subject: t\n\n", false),
        ("From bob Fri Nov 20 14:33:35 2026\nSubject: t\n\n", false),
        (" folded: into ours\n\nbody\n", true),
        ("\tfolded\n", true),
        ("just text\n", true),
        ("see: this works\n", false),
        (": no name\n", true),
    ] {
        let separator = if apart { "\n" } else { "" };
        assert_eq!(
            traced(content, bob()).unwrap(),
            format!("{TRACE}{separator}{content}")
        );
    }
}

#[test]
fn the_address_as_given_is_kept_and_a_bcc_is_not_told() {
    let mut recipients = vec![recipient("Bob@example.org", "bob@example.org")];
    let text = traced("\n", recipients.clone()).unwrap();
    assert!(
        text.contains("\nDelivered-To: bob@example.org\nX-Original-To: Bob@example.org\nReceived:")
    );
    recipients.push(recipient("alice@example.org", "alice@example.org"));
    let text = traced("\n", recipients).unwrap();
    assert!(!text.contains("for <") && !text.contains("alice"), "{text}");
}

#[test]
fn loops_end() {
    let refused = |content: &str| traced(content, bob()).unwrap_err().reply;
    let hop = "Received: from x\n\tby y\n";
    assert!(traced(&format!("{}\n{}", hop.repeat(3), hop.repeat(9)), bob()).is_ok());
    assert_eq!(refused(&format!("{}\n", hop.repeat(4))), reply::MAIL_LOOP);
    assert_eq!(
        refused("Subject: t\nDelivered-To: bob@example.org\n\n"),
        reply::MAIL_LOOP
    );
    assert!(
        traced(
            "Delivered-To: alice@example.org\n\nDelivered-To: bob@example.org\n",
            bob()
        )
        .is_ok()
    );
}

/// Bob at one host may forward to bob at another, though both have the same Delivered-To.
#[test]
fn one_host_for_all() {
    let host = Domain::parse("all.test").unwrap();
    let header = Header::new(3).delivered_to_host(Some(host));
    let bob = || vec![recipient("bob@x.test", "bob@x.test")];
    let first = traced_by(&header, "A: b\n\n", bob()).unwrap();
    let fields = "\nDelivered-To: bob@all.test\nX-Original-To: bob@x.test\n";
    assert!(first.contains(fields), "{first}");
    let failure = traced_by(&header, &first, bob()).unwrap_err();
    assert_eq!(failure.reply, reply::MAIL_LOOP);
    let other = vec![recipient("bob@y.test", "bob@y.test")];
    let second = traced_by(&header, &first, other).unwrap();
    assert_eq!(second.matches("Delivered-To: bob@all.test\n").count(), 2);
}
