//! Where questions over HTTP are answered: the endpoint for nginx, and the figures.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use crate::house::{House, eventually};

/// Whether mail for this recipient is taken.
fn takes(address: SocketAddr, recipient: &str) -> bool {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let question = format!(
        "GET /auth HTTP/1.0\r\nAuth-Method: none\r\nAuth-Protocol: smtp\r\nAuth-Login-Attempt: 1\r\nClient-IP: 192.0.2.1\r\nAuth-SMTP-Helo: c.test\r\nAuth-SMTP-From: MAIL FROM:<s@c.test>\r\nAuth-SMTP-To: RCPT TO:<{recipient}>\r\n\r\n"
    );
    stream.write_all(question.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.contains("\r\nauth-status: OK\r\n")
}

#[test]
fn it_comes_changes_and_goes() {
    let with = |more: &str| format!("auth_http: {{address: '127.0.0.1:0'}}\n{more}");
    let mut house = House::new("");
    assert_eq!(house.running().auth_http(), None);
    house.reload(&with("")).expect("it is sound");
    let address = house.auth_http();
    assert!(takes(address, "bob@example.org"));
    assert!(!takes(address, "bob@other.test"));
    house
        .reload(&with("recipients: {hosts: [other.test]}"))
        .expect("it is sound");
    assert_eq!(house.auth_http(), address, "the port stays");
    assert!(!takes(address, "bob@example.org"));
    assert!(takes(address, "bob@other.test"));
    house.reload("").expect("it is sound");
    assert!(TcpStream::connect(address).is_err(), "it still listens");
    eventually("nobody is there", || house.running().generations() == 1);
}

/// From the loop-back interface to all, and back: the port is the same.
fn grows_and_shrinks(section: &str, address: fn(&House) -> SocketAddr) {
    let at = |address: &str, port: u16| format!("{section}: {{address: '{address}:{port}'}}");
    // A client of another test may have the port at another address.
    let grown = (0..10).find_map(|_| {
        let mut house = House::new(&at("127.0.0.1", 0));
        let port = address(&house).port();
        let is_grown = house.reload(&at("0.0.0.0", port)).is_ok();
        is_grown.then_some((house, port))
    });
    let (mut house, port) = grown.expect("some port is free at all addresses");
    for place in ["0.0.0.0", "127.0.0.1", "127.0.0.2", "0.0.0.0"] {
        house.reload(&at(place, port)).expect(place);
        assert_eq!(address(&house).to_string(), format!("{place}:{port}"));
        for last in [1, 2] {
            let peer = Ipv4Addr::new(127, 0, 0, last);
            let is_there = TcpStream::connect((peer, port)).is_ok();
            let should_be = place == "0.0.0.0" || place == peer.to_string();
            assert_eq!(is_there, should_be, "{section} at {place}: {peer}");
        }
    }
    // It was for a moment only: nobody else can share the port.
    let other = House::try_new(&at("127.0.0.1", port));
    let error = other.err().expect("it is taken");
    assert!(error.contains("another program listens there"), "{error}");
    // What is refused in the end has changed nothing.
    let refused = house.reload(&format!(
        "{}\npid_file: /nonexistent/pid",
        at("127.0.0.1", port)
    ));
    let error = refused.expect_err("there is no such folder");
    assert!(error.contains("pid_file"), "{error}");
    assert!(TcpStream::connect((Ipv4Addr::new(127, 0, 0, 2), port)).is_ok());
    let error = House::try_new(&at("127.0.0.1", port)).err();
    assert!(error.is_some(), "it can be shared");
}

#[test]
fn it_grows_and_shrinks() {
    grows_and_shrinks("auth_http", House::auth_http);
}

#[cfg(feature = "metrics")]
#[test]
fn so_do_the_figures() {
    grows_and_shrinks("metrics", House::metrics);
}
