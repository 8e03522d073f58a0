//! The endpoint for nginx.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::house::House;

fn asks(address: SocketAddr, recipient: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let question = format!(
        "GET / HTTP/1.0\r\nAuth-Method: none\r\nAuth-Protocol: smtp\r\nAuth-SMTP-Helo: c.test\r\nAuth-SMTP-From: MAIL FROM:<s@c.test>\r\nAuth-SMTP-To: RCPT TO:<{recipient}>\r\nClient-IP: 192.0.2.1\r\n\r\n"
    );
    stream.write_all(question.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

fn is_taken(answer: &str) -> bool {
    answer.to_ascii_lowercase().contains("auth-status: ok")
}

#[test]
fn it_comes_changes_and_goes() {
    let with = |more: &str| format!("auth_http: {{address: '127.0.0.1:0'}}\n{more}");
    let mut house = House::new("");
    assert_eq!(house.running().auth_http(), None);
    house.reload(&with("")).expect("it is sound");
    let address = house.auth_http();
    assert!(is_taken(&asks(address, "bob@example.org")));
    assert!(!is_taken(&asks(address, "bob@other.test")));
    house
        .reload(&with("recipients: {hosts: [other.test]}"))
        .expect("it is sound");
    assert_eq!(house.auth_http(), address, "the port stays");
    assert!(!is_taken(&asks(address, "bob@example.org")));
    assert!(is_taken(&asks(address, "bob@other.test")));
    house.reload("").expect("it is sound");
    assert!(TcpStream::connect(address).is_err(), "it still listens");
    assert_eq!(house.running().generations(), 1);
}
