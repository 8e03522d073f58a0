//! The bridge, with an application at its other side that does all that can go wrong: never a 5xx
//! for an outage, and nothing in a Maildir that the application did not take.

mod asked;
mod faults;

use std::io::{Read as _, Write as _};

use crate::application::{Application, Requests, STDERR, STDOUT, answers, end, read, record, says};
use crate::client::Stream;
use crate::house::{Folder, House, eventually};
use crate::process::Program;

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
const ALICE: &str = "alice@example.org";
const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";
const SAVED: &str = "Content-type: text/plain\n\nSAVED";
const LATER: &str = "451 4.3.0 ";

/// A house that hands mail over while the client waits.
fn house(keys: &str) -> House {
    handing(&format!("delivery: inline\n  {keys}"))
}

/// A house that hands mail over as these keys say.
fn handing(keys: &str) -> House {
    House::new(&format!(
        "save: Hasher|Header|MailDir|FastCGI\nvalidate: MailDir\nfastcgi:\n  \
         address: unix:${{FOLDER}}/php.sock\n  script: /app/receive.php\n  {keys}\n"
    ))
}

fn application(
    house: &House,
    act: impl Fn(&mut Stream, &Requests) + Send + Sync + 'static,
) -> Application {
    Application::unix(&house.folder.path("php.sock"), act)
}

/// One message is answered so, and stored only if it was taken.
#[track_caller]
fn answered(house: &House, content: &[u8], reply: &str) {
    let before = house.folder.mail_count();
    let heard = house.client().deliver(SENDER, &[BOB], content);
    assert!(heard.starts_with(reply), "{heard}");
    let taken = usize::from(reply.starts_with("250"));
    assert_eq!(house.folder.mail_count(), before + taken);
    assert_eq!(house.folder.leftovers(), Vec::<String>::new());
}

#[test]
fn what_was_taken_is_stored() {
    let house = house("body: raw");
    let application = application(&house, answers(says(SAVED)));
    answered(&house, MAIL, "250 2.0.0 ");
    let request = application.requests().remove(0);
    let stored = house.folder.mail("example.org/bob");
    let trace = stored.trace.replace('\n', "\r\n");
    assert_eq!(request.body, [trace.as_bytes(), MAIL].concat());
    let parameters = request.parameters;
    for (name, value) in [
        ("REQUEST_METHOD", "POST"),
        ("SCRIPT_FILENAME", "/app/receive.php"),
        ("CONTENT_TYPE", "message/rfc822"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("MAIL_FROM", SENDER),
        ("MAIL_RCPT", BOB),
        ("MAIL_HELO", "client.example.net"),
        ("HTTP_X_ATTEMPT", "1"),
    ] {
        assert_eq!(parameters[name], value);
    }
    let key = maiasaura::fastcgi::idempotency_key(MAIL, SENDER, BOB);
    assert_eq!(parameters["HTTP_IDEMPOTENCY_KEY"], key);
    answered(&house, MAIL, "250 2.0.0 ");
    let again = application.requests().remove(1).parameters;
    assert_eq!(again["HTTP_IDEMPOTENCY_KEY"], key);
}

#[test]
fn both_ends_of_the_connection_are_told() {
    for delivery in ["inline", "queued"] {
        let house = handing(&format!("body: raw\n  delivery: {delivery}"));
        let application = application(&house, answers(says(SAVED)));
        let mut client = house.client();
        let Stream::Tcp(stream) = client.stream() else {
            panic!("a TCP connection");
        };
        let ours = stream.local_addr().unwrap();
        let theirs = stream.peer_addr().unwrap();
        assert!(client.deliver(SENDER, &[BOB], MAIL).starts_with("250 "));
        eventually("PHP was asked", || application.requests().len() == 1);
        let parameters = application.requests().remove(0).parameters;
        assert_eq!(parameters["REMOTE_PORT"], ours.port().to_string());
        assert_eq!(parameters["SERVER_ADDR"], theirs.ip().to_string());
        assert_eq!(parameters["SERVER_PORT"], theirs.port().to_string());
    }
}

#[test]
fn a_refusal_leaves_nothing() {
    let house = house("body: raw");
    let application = application(&house, |_, _| {});
    for (stdout, reply) in [
        ("Status: 403 Forbidden\n\nno", "550 5.7.1 "),
        ("Status: 404 Not Found\n\nno", "550 5.7.1 "),
        ("Status: 413 Too Large\n\nno", "552 5.3.4 "),
        (
            "X-SMTP-Reply: 550 5.7.9 Not today\n\n",
            "550 5.7.9 Not today",
        ),
        ("X-SMTP-Reply: 450 4.2.1 Tomorrow\n\n", "450 4.2.1 Tomorrow"),
        ("Status: 500 Oops\n\nSAVED", LATER),
        ("Status: 503 Wait\nRetry-After: 10\n\n", LATER),
        ("Status: 200 Fine\n\nFatal error: all is lost", LATER),
    ] {
        application.change(answers(says(stdout)));
        answered(&house, MAIL, reply);
    }
    application.change(answers(says(SAVED)));
    answered(&house, MAIL, "250 2.0.0 ");
}

#[test]
fn tcp_is_as_good() {
    let (application, port) = Application::tcp(answers(says(SAVED)));
    let house = House::new(&format!(
        "save: Header|MailDir|FastCGI\nfastcgi: {{address: \"127.0.0.1:{port}\", \
         script: /x.php, delivery: inline, timeout: 20s}}"
    ));
    answered(&house, MAIL, "250 2.0.0 ");
    application.change(|stream, _| {
        read(stream).expect("the request is whole");
        let _ = stream.write_all(&record(STDOUT, b"X: y\r\n\r\nSAVED"));
        stream.reset();
    });
    answered(&house, MAIL, LATER);
    // More than any socket buffers, to one that answers and resets without reading it.
    let mail = [
        b"Subject: t\r\n\r\n".to_vec(),
        b"body\r\n".repeat(1_000_000),
    ]
    .concat();
    application.change(|stream, _| {
        let mut some = [0; 1000];
        let _ = stream.read(&mut some);
        stream.reset();
    });
    answered(&house, &mail, LATER);
}

/// One that refuses decides for all; it is asked for each.
#[test]
fn a_message_reaches_all_or_none() {
    let house = house("body: raw");
    let application = application(&house, |stream, requests| {
        let request = read(stream).expect("the request is whole");
        let is_bob = request.parameters["MAIL_RCPT"] == BOB;
        requests
            .lock()
            .expect("nobody panics with it")
            .push(request);
        let said = if is_bob { "Status: 422 No\n\n" } else { SAVED };
        let _ = stream.write_all(&says(said));
    });
    let heard = house.client().deliver(SENDER, &[ALICE, BOB], MAIL);
    assert!(heard.starts_with("550 5.7.1 "), "{heard}");
    assert_eq!(house.folder.mail_count(), 0);
    let requests = application.requests();
    let keys: Vec<_> = requests
        .iter()
        .map(|request| &request.parameters["MAIL_KEY"])
        .collect();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1]);
    let heard = house.client().deliver(SENDER, &[ALICE], MAIL);
    assert!(heard.starts_with("250 2.0.0 "), "{heard}");
}

#[test]
fn what_is_missing_is_said_at_start() {
    for (yaml, said) in [
        ("validate: FastCGI", "the section fastcgi is missing"),
        (
            "save: FastCGI\nfastcgi: {address: /s, script: /x.php, delivery: inline, \
             secret_file: /nowhere}",
            "fastcgi.secret_file: /nowhere: No such file",
        ),
    ] {
        let config = maiasaura::Config::parse(
            yaml,
            "m.yaml",
            &std::iter::empty::<(&str, &str)>().collect(),
        );
        let daemon = maiasaura::Daemon::new(config.expect("it is well-formed"));
        let error = daemon.service().expect_err("it cannot run").to_string();
        assert!(error.contains(said), "{error}");
    }
}

/// Complaints of PHP are in the log, each on one line, and never in a reply.
#[test]
fn complaints_are_logged() {
    let folder = Folder::new();
    // In quotes, as it is no address of a listener.
    let yaml = "save: MailDir|FastCGI\nfastcgi: {\"address\": \"unix:${FOLDER}/php.sock\", \
                script: /x.php, delivery: inline}";
    let said = [
        record(STDERR, b"PHP Warning: one\nPHP Warning: two\x1b[0m"),
        record(STDOUT, b"Status: 500 No\r\n\r\nthe secret of the database"),
        end(0, 0),
    ];
    let _application = Application::unix(&folder.path("php.sock"), answers(said.concat()));
    let program = Program::serve(&folder, yaml);
    let reply = program.client().deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with(LATER), "{reply}");
    assert!(
        !reply.contains("PHP") && !reply.contains("secret"),
        "{reply}"
    );
    let line = program.stderr.wait("PHP complains", 1).remove(0);
    assert!(
        line.contains("PHP Warning: one") && line.contains("PHP Warning: two"),
        "{line}"
    );
    let line = program.stderr.wait("no success: status 500", 1).remove(0);
    assert!(line.contains("PHP Warning: one"), "{line}");
    program.stop();
}

/// With nothing that stores beside it, an application answers for the message alone.
#[test]
fn an_application_may_be_all_there_is() {
    let house = House::new(
        "save: FastCGI\nfastcgi: {address: \"unix:${FOLDER}/php.sock\", script: /x.php, \
         delivery: inline}",
    );
    let application = application(&house, answers(says(SAVED)));
    let reply = house.client().deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    assert_eq!(application.requests().remove(0).body, MAIL);
    application.change(|_, _| {});
    let reply = house.client().deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with(LATER), "{reply}");
    assert_eq!(house.folder.mail_count(), 0);
}
