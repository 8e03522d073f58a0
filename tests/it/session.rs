//! What a driver may tell a session, beside the octets of the client.

use std::sync::Arc;

use maiasaura::smtp::sasl::Mechanism;
use maiasaura::smtp::{Auth, Profile, Protocol, Session, Step, reply};

/// A session whose client was asked for the content of a message to two recipients.
fn in_data(protocol: Protocol) -> Session<()> {
    let greeting = match protocol {
        Protocol::Smtp => "EHLO",
        Protocol::Lmtp => "LHLO",
    };
    let mut session = Session::new(Arc::new(Profile {
        protocol,
        ..Profile::default()
    }));
    run(&mut session);
    let commands = format!(
        "{greeting} c.test\r\nMAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n"
    );
    session.receive(commands.as_bytes());
    let replies = run(&mut session);
    assert!(replies.contains("\r\n354 "), "{replies}");
    assert!(session.is_receiving_data());
    session
}

/// Runs the session until it waits for its client or for its driver; returns what it said.
fn run(session: &mut Session<()>) -> String {
    let mut replies = String::new();
    loop {
        match session.step() {
            Step::Send(octets) => replies.push_str(&String::from_utf8_lossy(octets)),
            Step::Verify(_) => session.verified(Ok(())),
            Step::Identify(_) => session.identified(Ok(())),
            Step::Receive | Step::Deliver(_) | Step::StartTls | Step::Authenticate(_) => {
                return replies;
            }
            Step::Content(_) => (),
            Step::Discard => replies.push_str("(discard)"),
            Step::Close => return replies + "(close)",
        }
    }
}

#[test]
fn content_that_cannot_be_kept_is_read_to_its_end() {
    let mut session = in_data(Protocol::Smtp);
    session.receive(b"half of it\r\n");
    assert_eq!(run(&mut session), "");
    assert_eq!(session.content_size(), 12);
    session.refuse(reply::STORAGE_FULL);
    session.receive(b"and more\r\n");
    assert_eq!(run(&mut session), "");
    session.receive(b".\r\nNOOP\r\n");
    let replies = run(&mut session);
    assert!(replies.starts_with("(discard)452 4.3.1 "), "{replies}");
    assert!(replies.ends_with("250 2.0.0 Ok\r\n"), "{replies}");
    assert!(!session.is_receiving_data());
}

#[test]
fn a_reply_that_is_missing_is_a_fault_of_ours() {
    let mut session = in_data(Protocol::Lmtp);
    session.receive(b".\r\n");
    assert_eq!(run(&mut session), "");
    session.delivered(&[reply::STORED]);
    let replies = run(&mut session);
    let codes: Vec<&str> = replies.lines().map(|line| &line[..9]).collect();
    assert_eq!(codes, ["250 2.0.0", "451 4.3.0"]);
}

#[test]
fn answers_to_questions_that_were_not_asked_change_nothing() {
    let mut session = in_data(Protocol::Smtp);
    session.delivered(&[reply::STORED]);
    session.verified(Err(reply::USER_UNKNOWN));
    assert_eq!(run(&mut session), "");
    assert!(session.is_receiving_data());
}

#[test]
fn a_last_word_is_the_last() {
    let mut session = in_data(Protocol::Smtp);
    session.receive(b"half of it\r\n");
    session.end(&reply::TIMEOUT);
    session.receive(b"\r\n.\r\nNOOP\r\n");
    assert_eq!(run(&mut session), format!("{}\r\n(close)", reply::TIMEOUT));
    assert_eq!(run(&mut session), "(close)");
}

/// A 554 would go through the proxy to its client, which would bounce its mail for our mistake.
#[test]
fn a_proxy_that_is_not_expected_hears_nothing() {
    let binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x12\x67\0\x19";
    let headers: [&[u8]; 2] = [b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 25\r\n", binary];
    for header in headers {
        for refuse_early_talkers in [true, false] {
            let mut session = Session::new(Arc::new(Profile {
                refuse_early_talkers,
                ..Profile::default()
            }));
            session.receive(header);
            assert_eq!(run(&mut session), "(close)");
            assert_eq!(session.refusals(), (1, Some(&reply::NO_PROXY_HEADER)));
        }
    }
}

#[test]
fn a_client_that_is_not_welcome_is_sent_away() {
    let mut session: Session<()> = Session::new(Arc::new(Profile {
        xclient: true,
        ..Profile::default()
    }));
    run(&mut session);
    session.receive(b"XCLIENT ADDR=192.0.2.1\r\nEHLO c.test\r\n");
    assert!(matches!(session.step(), Step::Identify(_)));
    session.identified(Err(reply::TOO_MANY_CONNECTIONS));
    let replies = run(&mut session);
    assert!(
        replies.starts_with("421 4.7.0 ") && replies.ends_with("\r\n(close)"),
        "{replies}"
    );
}

/// A login that cannot be looked at is no fault of the client, but it cannot be tried for ever.
#[test]
fn logins_that_cannot_be_looked_at_are_counted() {
    let mut session: Session<()> = Session::new(Arc::new(Profile {
        auth: Auth::Offered,
        idle_commands: 5,
        ..Profile::default()
    }));
    session.offer(vec![Mechanism::Plain]);
    run(&mut session);
    session.receive(b"EHLO c.test\r\n");
    let mut replies = run(&mut session);
    for _ in 0..5 {
        session.receive(b"AUTH PLAIN AGEAYg==\r\n");
        run(&mut session);
        session.authenticated(Err(reply::AUTH_UNAVAILABLE));
        replies.push_str(&run(&mut session));
    }
    assert_eq!(replies.matches("454 4.7.0 ").count(), 4, "{replies}");
    assert!(replies.ends_with("(close)"), "{replies}");
    assert!(replies.contains("\n421 4.7.0 "), "{replies}");
}
