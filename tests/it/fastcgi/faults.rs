//! What an application does wrong, or is not there to do.

use std::io::{Read as _, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use super::{BOB, LATER, MAIL, SAVED, SENDER, answered, application, house};
use crate::application::{
    END_REQUEST, Requests, STDERR, STDOUT, answers, close, end, hush, read, record, says,
};
use crate::client::{PATIENCE, Stream};

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
