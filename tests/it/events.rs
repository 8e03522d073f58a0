//! What programs hear that the daemon is part of.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maiasaura::events::{Event, Refused, Subscriber};

use crate::client::{Client, PATIENCE};
use crate::house::House;

/// A daemon, and what it tells.
fn house(yaml: &str) -> (House, Subscriber) {
    let house = House::new(yaml);
    let events = house.running().subscribe(1000);
    (house, events)
}

/// The events up to the end of a connection.
#[track_caller]
fn session(events: &Subscriber) -> Vec<Event> {
    let mut all = Vec::new();
    loop {
        let event = events.wait(PATIENCE).expect("the connection ends");
        let is_end = matches!(event, Event::Disconnected(..));
        all.push(event);
        if is_end {
            return all;
        }
    }
}

fn topics(events: &[Event]) -> Vec<&str> {
    events.iter().map(Event::topic).collect()
}

#[test]
fn a_message_is_told_with_all_that_the_log_has() {
    let (house, events) = house("");
    let mut client = house.client();
    let to = ["bob@example.org", "Carol@example.org"];
    let reply = client.deliver("s@c.test", &to, b"Subject: x\r\n\r\nbody\r\n");
    client.wants("QUIT", "221 ");
    let told = session(&events);
    let expected = [
        "connection:opened",
        "message:delivered",
        "connection:closed",
    ];
    assert_eq!(topics(&told), expected);
    let (Event::Connected(peer), Event::Message(message)) = (&told[0], &told[1]) else {
        panic!("{told:?}");
    };
    assert_eq!(*peer.listener, house.address().to_string());
    assert_eq!(peer.address, Some(Ipv4Addr::LOCALHOST.into()));
    assert!(reply.ends_with(&message.id), "{reply}: {}", message.id);
    assert_eq!(message.listener, peer.listener);
    assert_eq!(message.client.helo.as_deref(), Some("client.example.net"));
    assert_eq!(message.reverse_path.to_string(), "s@c.test");
    let recipients = message.recipients.iter().map(ToString::to_string);
    assert_eq!(recipients.collect::<Vec<_>>(), to);
    assert_eq!(message.size, b"Subject: x\r\n\r\nbody\r\n".len());
    assert!(message.delay > Duration::ZERO && message.outcome.is_ok());
}

#[test]
fn every_refusal_is_told_with_its_reply() {
    let (house, events) = house("limits: {message_size: 1KiB}");
    let mut client = house.client();
    client.wants("MAIL FROM:<s@c.test> SIZE=2000", "552 5.3.4 ");
    client.wants("MAIL FROM:<s@c.test>", "250 ");
    client.wants("RCPT TO:<bob@elsewhere.test>", "550 5.7.1 ");
    client.wants("RCPT TO:<bob@example.org>", "250 ");
    client.wants("RCPT TO:<carol@example.org>", "250 ");
    client.wants("RCPT TO:<>", "501 5.1.3 ");
    client.wants("DATA", "354 ");
    client.send(&[b"x\r\n".repeat(1000), b".\r\n".to_vec()].concat());
    client.hears("552 5.3.4 ");
    // Several in one go are told one by one.
    client.send(b"NONSENSE\r\nEXPN x\r\nQUIT\r\n");
    for code in ["500 ", "502 ", "221 "] {
        client.hears(code);
    }
    let told = session(&events);
    let refused = |event: &Event| {
        let Event::Refused(refusal) = event else {
            return None;
        };
        let reply = refusal.reply.as_ref().expect("the client was told");
        Some((event.topic(), reply.code(), refusal.of.clone()))
    };
    let refused: Vec<_> = told.iter().filter_map(refused).collect();
    let short: Vec<_> = refused
        .iter()
        .map(|(topic, code, _)| (*topic, *code))
        .collect();
    let expected = [
        ("refused:command", 552),
        ("refused:recipient", 550),
        ("refused:command", 501),
        ("refused:content", 552),
        ("refused:command", 500),
        ("refused:command", 502),
    ];
    assert_eq!(short, expected);
    let Refused::Recipient { path, reverse_path } = &refused[1].2 else {
        panic!("{refused:?}");
    };
    let addresses = (path.to_string(), reverse_path.to_string());
    assert_eq!(addresses, ("bob@elsewhere.test".into(), "s@c.test".into()));
    assert_eq!(
        told[2].refusal().map(maiasaura::smtp::Reply::code),
        Some(550)
    );
}

/// More than the log tells of one by one.
#[test]
fn guessed_recipients_are_all_told() {
    let (house, events) = house("");
    let mut client = house.client();
    client.wants("MAIL FROM:<s@c.test>", "250 ");
    for number in 0..20 {
        client.wants(&format!("RCPT TO:<{number}@elsewhere.test>"), "550 ");
    }
    client.wants("QUIT", "221 ");
    let told = session(&events);
    assert_eq!(topics(&told)[1..21], ["refused:recipient"; 20]);
}

#[test]
fn a_message_that_cannot_be_stored_is_one_refusal() {
    let (house, events) = house("");
    house.folder.make("example.org/bob");
    let new = house.folder.path("maildirs/example.org/bob/new");
    std::fs::remove_dir(&new).expect("it is empty");
    std::fs::write(&new, "").expect("a file in its place");
    let mut client = house.client();
    let reply = client.deliver("", &["bob@example.org"], b"Subject: x\r\n\r\n");
    assert!(reply.starts_with("451 "), "{reply}");
    client.wants("QUIT", "221 ");
    let told = session(&events);
    assert_eq!(topics(&told)[1..told.len() - 1], ["message:deferred"]);
    let Event::Message(message) = &told[1] else {
        panic!("{told:?}");
    };
    let failure = message.outcome.as_ref().expect_err("it is deferred");
    assert!(reply.starts_with(&failure.reply.to_string()), "{failure}");
    assert!(failure.cause.is_some());
}

#[test]
fn lmtp_has_one_event_for_each_outcome() {
    let (house, events) = house("listeners: [{address: \"127.0.0.1:0\", protocol: lmtp}]");
    house.folder.make("example.org/bob");
    let new = house.folder.path("maildirs/example.org/bob/new");
    std::fs::remove_dir(&new).expect("it is empty");
    std::fs::write(&new, "").expect("a file in its place");
    let mut client = house.client();
    let to = ["ann@example.org", "bob@example.org", "carol@example.org"];
    client.deliver("", &to, b"Subject: x\r\n\r\n");
    client.hears("451 ");
    client.hears("250 ");
    client.wants("QUIT", "221 ");
    let told = session(&events);
    let outcomes = told.iter().filter_map(|event| match event {
        Event::Message(message) => Some((message.status(), message.recipients.len())),
        _ => None,
    });
    assert_eq!(
        outcomes.collect::<Vec<_>>(),
        [("delivered", 2), ("deferred", 1)]
    );
}

#[test]
fn who_may_not_connect_is_told_too() {
    let yaml = "limits: {connections: 1}";
    let (house, events) = house(yaml);
    let first = house.client();
    let mut second = Client::connect(house.address());
    second.hears("421 ");
    let mut told = Vec::new();
    while told.last() != Some(&"refused:connection") {
        told.push(events.wait(PATIENCE).expect("it is told").topic());
    }
    assert_eq!(told, ["connection:opened", "refused:connection"]);
    drop(first);
}

#[test]
fn an_observer_from_the_start_hears_all_and_may_panic() {
    let heard: Arc<Mutex<Vec<&str>>> = Arc::default();
    let notes = Arc::clone(&heard);
    let mut house = House::with("", |daemon| {
        daemon
            .observe(|event| panic!("at {}", event.topic()))
            .observe(move |event| notes.lock().expect("no panic").push(event.topic()))
    });
    let mut client = house.client();
    let reply = client.deliver("", &["bob@example.org"], b"Subject: x\r\n\r\n");
    assert!(reply.starts_with("250 "), "{reply}");
    client.wants("QUIT", "221 ");
    client.is_left();
    house.close();
    let expected = [
        "server_change:start_server",
        "connection:opened",
        "message:delivered",
        "connection:closed",
    ];
    assert_eq!(*heard.lock().expect("no panic"), expected);
}

/// It ends with the daemon, so a thread that reads does, too.
#[test]
fn a_channel_ends_with_the_daemon() {
    let (mut house, events) = house("");
    house.close();
    assert!(smol::block_on(events.next()).is_none());
}
