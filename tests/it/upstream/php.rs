//! FastCGI: what happens when the application, or the way to it, fails.

use std::net::Ipv4Addr;

use super::{ALICE, BOB, LATER, MAIL, SENDER, delivers, sender};
use crate::application::{Application, STDERR, STDOUT, answers, end, hush, record, says};
use crate::client::Client;
use crate::house::{House, eventually};

const SAVED: &str = "Content-type: text/plain\n\nSAVED";
const PASSED: &str = "Content-type: text/plain\n\nPASSED";

/// A house that hands mail over as these keys say; nobody is there to take it.
fn house(save: &str, keys: &str) -> House {
    House::new(&format!(
        "save: {save}\nfastcgi: {{address: \"unix:${{FOLDER}}/php.sock\", \
         script: /app/receive.php, {keys}}}"
    ))
}

fn inline(keys: &str) -> House {
    house(
        "Header|MailDir|FastCGI",
        &format!("delivery: inline, {keys}"),
    )
}

fn application(house: &House, records: impl Into<Vec<u8>>) -> Application {
    Application::unix(&house.folder.path("php.sock"), answers(records))
}

#[track_caller]
fn is_deferred(house: &House) {
    let reply = house.client().deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with(LATER), "{reply}");
    assert_eq!(house.folder.mail_count(), 0);
}

/// Upstream: the error of a connection or a request is dropped: the client hears 250, the mail is lost.
#[test]
fn what_was_not_handed_over_is_not_acknowledged() {
    let house = inline("");
    is_deferred(&house);
    let application = application(&house, says(SAVED));
    application.change(|_, _| {});
    is_deferred(&house);
    application.change(answers(says(SAVED)));
    delivers(&house, &[BOB], MAIL);
    assert_eq!(house.folder.mail_count(), 1);
}

/// The same, where nobody waits for PHP.
#[test]
fn what_was_not_handed_over_waits() {
    let house = house("Header|MailDir|FastCGI", "body: raw");
    delivers(&house, &[BOB], MAIL);
    // The first attempt is in vain, the next one comes after ten seconds.
    let application = application(&house, says(SAVED));
    eventually("it is handed over", || application.requests().len() == 1);
    assert!(application.requests()[0].body.ends_with(MAIL));
}

/// Upstream: the daemon does not start without the application.
#[test]
fn the_application_may_come_later() {
    let house = inline("");
    sender(&house).wants(&format!("RCPT TO:<{BOB}>"), "250 2.1.5 ");
}

/// Upstream: 550 5.1.1 for every recipient while the application is down.
#[test]
fn a_recipient_is_not_unknown_because_nobody_can_say() {
    let yaml = "save: MailDir\nvalidate: FastCGI\nfastcgi: {address: \"unix:${FOLDER}/php.sock\", \
                script: /app/receive.php, validate: {script: /app/validate.php}}";
    let house = House::new(yaml);
    let mut client = sender(&house);
    client.wants(&format!("RCPT TO:<{BOB}>"), LATER);
    let application = application(&house, says("Status: 503 No\n\nwait"));
    client.wants(&format!("RCPT TO:<{BOB}>"), LATER);
    // As validate.php of upstream answers, and what says less than it.
    application.change(answers(says(PASSED)));
    client.wants(&format!("RCPT TO:<{BOB}>"), "250 2.1.5 ");
    for body in ["", "P", "PAS", "FAILED"] {
        application.change(answers(says(&format!("X: y\n\n{body}"))));
        let reply = client.say(&format!("RCPT TO:<{ALICE}>"));
        assert!(reply.starts_with("451 "), "{body}: {reply}");
    }
}

/// Upstream: a body of less than six octets is a panic.
#[test]
fn a_short_answer_is_none() {
    let house = inline("");
    let application = application(&house, says(SAVED));
    for body in ["", "S", "SAVE"] {
        application.change(answers(says(&format!("X: y\n\n{body}"))));
        is_deferred(&house);
    }
}

/// Upstream: a warning of PHP is read as the beginning of its answer.
#[test]
fn complaints_are_no_answer() {
    let house = inline("");
    let warning = record(STDERR, b"PHP Warning: undefined variable\n");
    let _application = application(&house, [warning, says(SAVED)].concat());
    delivers(&house, &[BOB], MAIL);
}

/// Upstream: neither the status of HTTP nor that of the application is looked at.
#[test]
fn a_status_counts() {
    let house = inline("");
    let application = application(&house, says(SAVED));
    let exit = [record(STDOUT, b"X: y\r\n\r\nSAVED"), end(255, 0)].concat();
    for records in [says("Status: 500 Oops\n\nSAVED"), exit] {
        application.change(answers(records));
        is_deferred(&house);
    }
}

/// Upstream: an answer is waited for without end.
#[test]
fn an_application_that_hangs_is_left() {
    let house = inline("timeout: 200ms");
    let application = application(&house, says(SAVED));
    application.change(|stream, _| hush(stream));
    is_deferred(&house);
}

/// Upstream: a message goes there once, whoever else it is for.
#[test]
fn each_recipient_is_handed_over() {
    let house = inline("");
    let application = application(&house, says(SAVED));
    delivers(&house, &[BOB, ALICE], MAIL);
    let requests = application.requests();
    let mut to: Vec<&str> = requests
        .iter()
        .map(|request| request.parameters["MAIL_RCPT"].as_str())
        .collect();
    to.sort_unstable();
    assert_eq!(to, [ALICE, BOB]);
}

/// Upstream: `REMOTE_ADDR` is always 127.0.0.1.
#[test]
fn the_client_is_told() {
    let house = inline("");
    let application = application(&house, says(SAVED));
    let mut client = Client::from(Ipv4Addr::new(127, 0, 0, 2), house.address());
    client.hears("220 ");
    client.wants("EHLO client.example.net", "250-");
    let reply = client.deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(
        application.requests()[0].parameters["REMOTE_ADDR"],
        "127.0.0.2"
    );
}

/// Upstream: after a Compressor that was read, the application gets trace fields and no message.
#[test]
fn a_compressor_before_it_takes_nothing_away() {
    for save in [
        "Header|Compressor|MailDir|FastCGI",
        "Header|MailDir|Compressor|FastCGI",
    ] {
        let house = house(save, "delivery: inline");
        let application = application(&house, says(SAVED));
        delivers(&house, &[BOB, ALICE], MAIL);
        let requests = application.requests();
        assert_eq!(requests.len(), 2, "{save}");
        assert!(requests.iter().all(|request| request.body.ends_with(MAIL)));
        let mail = house.folder.mail("example.org/alice");
        assert_eq!(crate::house::crlf(&mail.content), MAIL, "{save}");
    }
}
