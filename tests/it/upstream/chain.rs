//! The chain of processors: what clients hear of its faults, and who shares a fate.

use std::sync::Arc;

use maiasaura::envelope::Recipient;
use maiasaura::failure::Failure;
use maiasaura::processor::{Delivery, Pending, Processor, Sender, Staged};

use super::{ALICE, BOB, LATER, MAIL, SENDER, complaint, delivers, sender};
use crate::house::{House, eventually};
use crate::slow;

/// Panics where the subject tells it to, and knows nobody whose name begins with `x`.
struct Mine;

fn fault() -> Failure {
    std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into()
}

impl Processor for Mine {
    fn name(&self) -> &'static str {
        "Mine"
    }

    fn validate<'a>(
        &'a self,
        recipient: &'a Recipient,
        _: Sender<'a>,
    ) -> Pending<'a, Result<(), Failure>> {
        let address = recipient.forward_path.to_string();
        Box::pin(async move {
            match &address[..1] {
                "x" => Err(fault()),
                "p" => panic!("as it was asked"),
                _ => Ok(()),
            }
        })
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move {
            let head = delivery.mail.content.head(14)?;
            assert!(!head.ends_with(b"panic"), "as it was asked");
            if head.ends_with(b"fault") {
                return Err(fault());
            }
            Ok(Staged::Done)
        })
    }
}

fn house() -> House {
    let yaml = "save: Header|MailDir|Mine\nvalidate: Mine";
    House::with(yaml, |daemon| {
        daemon.processor("Mine", || Ok(Arc::new(Mine)))
    })
}

/// Upstream: 554 5.5.0 for a panic, for a back end that is down and for every other error.
#[test]
fn a_fault_of_a_processor_may_pass() {
    let house = house();
    let mut client = house.client();
    for subject in ["panic", "fault"] {
        let content = format!("Subject: {subject}\r\n\r\n");
        let reply = client.deliver(SENDER, &[BOB], content.as_bytes());
        assert!(reply.starts_with(LATER), "{subject}: {reply}");
        assert_eq!(house.folder.mail_count(), 0, "{subject}");
    }
    delivers(&house, &[BOB], MAIL);
}

/// Upstream: 550 5.1.1, whether the user is unknown or the storage is busy, slow or down.
#[test]
fn a_fault_while_a_recipient_is_looked_up_may_pass() {
    let house = house();
    let mut client = sender(&house);
    client.wants("RCPT TO:<x@example.org>", LATER);
    client.wants("RCPT TO:<p@example.org>", LATER);
    client.wants(&format!("RCPT TO:<{BOB}>"), "250 2.1.5 ");
}

/// Upstream: a delivery that takes too long is 554 5.5.0, though the mail may be saved later, and the session hangs until it is.
#[test]
fn a_delivery_that_takes_too_long_may_be_tried_again() {
    let (open, processor) = slow::processor();
    let yaml = "save: Header|Slow|MailDir\ntimeouts: {delivery: 100ms}";
    let house = House::with(yaml, |daemon| {
        daemon.processor("Slow", move || Ok(Arc::clone(&processor)))
    });
    let mut client = house.client();
    let reply = client.deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with(LATER), "{reply}");
    // Nothing is locked: the first message still waits.
    client.wants("RSET", "250 ");
    client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
    open.send(()).expect("it waits");
    eventually("it arrives late", || house.folder.mail_count() == 1);
}

/// Upstream: the first failure is the reply for all, and recipients before it have the mail.
#[test]
fn all_recipients_or_none() {
    let house = House::new(
        "recipients: {hosts: [example.org], users: {bob: {}, alice: {quota: 10B}, carol: {}}}",
    );
    let to = [BOB, ALICE, "carol@example.org"];
    let reply = house.client().deliver(SENDER, &to, MAIL);
    assert!(reply.starts_with("452 4.2.2 "), "{reply}");
    assert_eq!(house.folder.mail_count(), 0);
}

/// Upstream: one answer for all recipients, as there is no LMTP.
#[test]
fn each_recipient_has_an_answer_in_lmtp() {
    let house = House::new(
        "listeners: [{address: \"127.0.0.1:0\", protocol: lmtp}]\n\
         recipients: {hosts: [example.org], users: {bob: {}, alice: {quota: 10B}, carol: {}}}",
    );
    let mut client = house.client();
    let to = [BOB, ALICE, "carol@example.org"];
    let first = client.deliver(SENDER, &to, MAIL);
    assert!(first.starts_with("250 2.0.0 "), "{first}");
    client.hears("452 4.2.2 ");
    client.hears("250 2.0.0 ");
    assert_eq!(house.folder.mail_count(), 2);
}

/// Upstream: the shipped sample has keys that nobody reads, so the default chain runs and delivers nothing.
#[test]
fn a_chain_that_stores_nothing_is_refused() {
    for save in ["HeadersParser|Header|Debugger", "Hasher", "Compressor"] {
        let said = complaint(&format!("save: {save}"));
        assert!(
            said.contains("none of these processors stores mail"),
            "{said}"
        );
    }
    for key in ["save_processors", "validate_processors", "save_process"] {
        let said = complaint(&format!("{key}: HeadersParser|Header|MailDir"));
        assert!(said.contains(&format!("unknown key \"{key}\"")), "{said}");
    }
}
