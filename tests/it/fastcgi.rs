//! The bridge, with an application at its other side that does all that can go wrong: never a 5xx
//! for an outage, and nothing in a Maildir that the application did not take.

use std::io::{Read as _, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use crate::application::{
    Application, END_REQUEST, Requests, STDERR, STDOUT, answers, close, end, hush, read, record,
    says,
};
use crate::client::{PATIENCE, Stream};
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

/// What an application does wrong.
type Fault = fn(&mut Stream, &Requests);

/// Answers that are none, after the request was read.
const NO_ANSWERS: &[(&str, Fault)] = &[
    ("nothing", |_, _| {}),
    ("garbage", |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nSAVED");
    }),
    ("noise", |stream, _| {
        let noise: Vec<u8> = (0..100_000u32)
            .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1])
            .collect();
        let _ = stream.write_all(&noise);
    }),
    ("no end", |stream, _| {
        let _ = stream.write_all(&record(STDOUT, b"X: y\r\n\r\nSAVED"));
    }),
    ("half a header", |stream, _| {
        let _ = stream.write_all(&[1, STDOUT, 0]);
    }),
    ("half a record", |stream, _| {
        let whole = record(STDOUT, b"X: y\r\n\r\nSAVED");
        let _ = stream.write_all(&whole[..15]);
    }),
    ("an end that is cut", |stream, _| {
        let all = says(SAVED);
        let _ = stream.write_all(&all[..all.len() - 4]);
    }),
    ("a short end", |stream, _| {
        let short = record(END_REQUEST, &[0; 3]);
        let _ = stream.write_all(&[record(STDOUT, b"X: y\r\n\r\nSAVED"), short].concat());
    }),
    ("another request", |stream, _| {
        let mut all = says(SAVED);
        all[3] = 2;
        let _ = stream.write_all(&all);
    }),
    ("another version", |stream, _| {
        let mut all = says(SAVED);
        all[0] = 2;
        let _ = stream.write_all(&all);
    }),
    ("an unknown record", |stream, _| {
        let _ = stream.write_all(&[record(11, &[0; 8]), says(SAVED)].concat());
    }),
    ("overloaded", |stream, _| {
        let _ = stream.write_all(&end(0, 2));
    }),
    ("overloaded, with an answer", |stream, _| {
        let _ = stream.write_all(&[record(STDOUT, b"X: y\r\n\r\nSAVED"), end(0, 2)].concat());
    }),
    ("an exit code", |stream, _| {
        let _ = stream.write_all(&[record(STDOUT, b"X: y\r\n\r\nSAVED"), end(255, 0)].concat());
    }),
    ("an unknown status", |stream, _| {
        let _ = stream.write_all(&[record(STDOUT, b"X: y\r\n\r\nSAVED"), end(0, 77)].concat());
    }),
    ("only complaints", |stream, _| {
        let complaint = record(STDERR, b"PHP message: PHP Fatal error: out of memory");
        let _ = stream.write_all(&[complaint, end(0, 0)].concat());
    }),
    ("words without a header", |stream, _| {
        let _ = stream.write_all(&[record(STDOUT, b"SAVED"), end(0, 0)].concat());
    }),
    ("200 and a fatal error", |stream, _| {
        let said = "Content-type: text/html\n\n<br />\n<b>Fatal error</b>: SAVED";
        let _ = stream.write_all(&says(said));
    }),
    ("a hundred megabytes", |stream, _| {
        let megabyte = record(STDOUT, &b"x".repeat(50_000)).repeat(20);
        let all = (0..100).all(|_| stream.write_all(&megabyte).is_ok());
        assert!(!all, "it was listened to all of it");
    }),
];

#[test]
fn what_is_no_answer_is_tried_again() {
    let house = house("timeout: 20s");
    let application = application(&house, |_, _| {});
    for (name, fault) in NO_ANSWERS {
        application.change(move |stream, requests| {
            read(stream).expect("the request is whole");
            fault(stream, requests);
            close(stream);
        });
        println!("{name}");
        answered(&house, MAIL, LATER);
    }
    application.change(answers(says(SAVED)));
    answered(&house, MAIL, "250 2.0.0 ");
}

/// Much output and complaints beside an acknowledgement are borne.
#[test]
fn an_answer_may_be_long_and_come_in_pieces() {
    let house = house("timeout: 20s");
    let long = [
        record(STDERR, b"PHP Warning: x"),
        record(STDOUT, b"X: y\r\n\r\nSAVED "),
        record(STDOUT, &b"x".repeat(60_000)).repeat(50),
        record(STDERR, &b"y".repeat(60_000)).repeat(5),
        record(STDOUT, b""),
        end(0, 0),
    ];
    let application = application(&house, answers(long.concat()));
    answered(&house, MAIL, "250 2.0.0 ");
    application.change(|stream, _| {
        read(stream).expect("the request is whole");
        for octet in says(SAVED) {
            let _ = stream.write_all(&[octet]);
        }
    });
    answered(&house, MAIL, "250 2.0.0 ");
}

#[test]
fn who_does_not_answer_is_not_waited_for() {
    let house = house("timeout: 300ms");
    let application = application(&house, |stream, _| hush(stream));
    let begun = Instant::now();
    answered(&house, MAIL, LATER);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    application.change(|stream, _| {
        read(stream).expect("the request is whole");
        // An octet now and then is no answer either.
        while stream.write_all(&record(STDOUT, b"x")).is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    });
    answered(&house, MAIL, LATER);
    application.change(answers(says(SAVED)));
    answered(&house, MAIL, "250 2.0.0 ");
}

#[test]
fn nobody_there_is_no_refusal() {
    let house = house("connect_timeout: 300ms");
    answered(&house, MAIL, LATER);
    let path = house.folder.path("php.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("the folder is ours");
    drop(listener);
    answered(&house, MAIL, LATER);
    std::fs::remove_file(&path).expect("it can be removed");
    let _application = application(&house, answers(says(SAVED)));
    answered(&house, MAIL, "250 2.0.0 ");
}

/// A full backlog says EAGAIN on a Unix socket, and is waited for.
#[test]
fn a_full_backlog_is_waited_for() {
    let house = house("timeout: 20s\n  connections: 64");
    let path = house.folder.path("php.sock");
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
    let socket = socket.expect("a socket");
    let address = socket2::SockAddr::unix(&path).expect("a path");
    socket.bind(&address).expect("the folder is ours");
    socket.listen(0).expect("it is bound");
    let patience = socket.set_read_timeout(Some(PATIENCE));
    patience.expect("it is a socket");
    let mut clients: Vec<_> = (0..5).map(|_| house.client()).collect();
    for client in &mut clients {
        client.begin(SENDER, &[BOB]);
        client.send(&crate::client::mail_data(MAIL));
    }
    for _ in 0..5 {
        let (connection, _) = socket.accept().expect("they come");
        let connection = std::os::unix::net::UnixStream::from(connection);
        connection.set_nonblocking(false).expect("it is a socket");
        answers(says(SAVED))(&mut Stream::Unix(connection), &Requests::default());
    }
    for client in &mut clients {
        client.hears("250 2.0.0 ");
    }
    assert_eq!(house.folder.mail_count(), 5);
}

/// Who answers before it has read neither blocks nor is missed, whether it reads on or not.
#[test]
fn an_answer_may_come_early() {
    let house = house("timeout: 20s");
    let mail = [
        b"Subject: t\r\n\r\n".to_vec(),
        b"body\r\n".repeat(1_000_000),
    ]
    .concat();
    let application = application(&house, |_, _| {});
    let early: [Fault; 3] = [
        |stream, _| {
            let many = record(STDOUT, &b"x".repeat(60_000)).repeat(10);
            let _ = stream.write_all(&[record(STDOUT, b"X: y\r\n\r\nSAVED "), many].concat());
            read(stream).expect("the request is whole");
            let _ = stream.write_all(&end(0, 0));
        },
        |stream, _| {
            let _ = stream.write_all(&says(SAVED));
            hush(stream);
        },
        |stream, _| {
            let mut some = [0; 1000];
            let _ = stream.read(&mut some);
            let _ = stream.write_all(&says(SAVED));
            close(stream);
        },
    ];
    for act in early {
        application.change(act);
        answered(&house, &mail, "250 2.0.0 ");
    }
    application.change(|stream, _| {
        let mut some = [0; 1000];
        let _ = stream.read(&mut some);
        close(stream);
    });
    answered(&house, &mail, LATER);
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
