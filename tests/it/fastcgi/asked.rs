//! PHP is asked about recipients.

use super::{ALICE, BOB, LATER, SENDER, application};
use crate::application::{answers, says};
use crate::client::PATIENCE;
use crate::house::{House, eventually};

/// A house that asks about recipients.
fn asking(keys: &str) -> House {
    House::new(&format!(
        "validate: FastCGI\nfastcgi:\n  address: unix:${{FOLDER}}/php.sock\n  \
         script: /app/receive.php\n  validate: {{script: /app/validate.php, {keys}}}\n"
    ))
}

#[test]
fn recipients_are_asked_about() {
    let house = asking("positive: 0s, negative: 0s, stale_if_error: 0s, timeout: 20s");
    let application = application(&house, |_, _| {});
    for (stdout, reply) in [
        ("X: y\n\nPASSED", "250 2.1.5 "),
        ("X: y\n\nPASS", "250 2.1.5 "),
        ("Status: 204\n\n", "250 2.1.5 "),
        ("Status: 404\n\n", "550 5.1.1 "),
        ("Status: 403\n\n", "550 5.7.1 "),
        ("X-SMTP-Reply: 550 5.2.1 Gone\n\n", "550 5.2.1 Gone"),
        ("Status: 500\n\nPASS", LATER),
        ("X: y\n\nno such user", LATER),
    ] {
        application.change(answers(says(stdout)));
        let mut client = house.client();
        client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
        client.wants("RCPT TO:<bob+x@example.org>", reply);
    }
    let request = application.requests().remove(0);
    let parameters = request.parameters;
    assert!(request.body.is_empty());
    for (name, value) in [
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_FILENAME", "/app/validate.php"),
        ("QUERY_STRING", "rcpt_to=bob%2Bx%40example.org"),
        ("REQUEST_URI", "/validate.php?rcpt_to=bob%2Bx%40example.org"),
        ("MAIL_FROM", SENDER),
        ("MAIL_MAILBOX", BOB),
    ] {
        assert_eq!(parameters[name], value);
    }
}

/// The last known answer counts while PHP is down; a stranger hears that it may come again.
#[test]
fn an_outage_is_bridged() {
    let house = asking("positive: 0s, stale_if_error: 1h, timeout: 20s");
    let application = application(&house, answers(says("X: y\n\nPASS")));
    let mut client = house.client();
    client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
    client.wants(&format!("RCPT TO:<{BOB}>"), "250 2.1.5 ");
    application.change(|_, _| {});
    client.wants(&format!("RCPT TO:<{BOB}>"), "250 2.1.5 ");
    client.wants(&format!("RCPT TO:<{ALICE}>"), LATER);
    let asked = application.requests().len();
    application.change(answers(says("Status: 404\n\n")));
    client.wants(&format!("RCPT TO:<{BOB}>"), "550 5.1.1 ");
    // Refusals are remembered for a minute.
    client.wants(&format!("RCPT TO:<{BOB}>"), "550 5.1.1 ");
    assert_eq!(application.requests().len(), asked + 1);
}

/// Many ask about one recipient at once, and PHP is asked once.
#[test]
fn a_recipient_is_asked_about_once_at_a_time() {
    let house = asking("positive: 1h, timeout: 20s");
    let (open, opens) = std::sync::mpsc::channel::<()>();
    let opens = std::sync::Mutex::new(opens);
    let application = application(&house, move |stream, requests| {
        let _ = opens.lock().expect("nobody panics").recv_timeout(PATIENCE);
        answers(says("X: y\n\nPASS"))(stream, requests);
    });
    let mut clients: Vec<_> = (0..10).map(|_| house.client()).collect();
    for client in &mut clients {
        client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
        client.send(format!("RCPT TO:<{BOB}>\r\n").as_bytes());
    }
    open.send(()).expect("one asks");
    for client in &mut clients {
        client.hears("250 2.1.5 ");
    }
    eventually("it is answered", || application.requests().len() == 1);
}
