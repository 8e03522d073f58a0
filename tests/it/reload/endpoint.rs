//! The endpoint for nginx.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

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
