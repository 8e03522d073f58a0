//! What nginx's mail proxy asks and is told.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use crate::client::PATIENCE;
use crate::house::House;

const HOUSE: &str = "listeners: [{address: \"127.0.0.1:0\"}]\nauth_http: {address: 127.0.0.1:0}";

/// A connection to the endpoint.
fn connect(house: &House) -> TcpStream {
    let stream = TcpStream::connect(house.auth_http()).expect("it listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("it is valid");
    stream
}

/// Sends this; all that comes back until the endpoint closes.
fn exchange(house: &House, request: &str) -> String {
    let mut stream = connect(house);
    let _ = stream.write_all(request.as_bytes());
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8(said).expect("text")
}

/// The fields of nginx 1.22, with these in place of its own.
fn ask(house: &House, changes: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("Host", "127.0.0.1"),
        ("Auth-Method", "none"),
        ("Auth-User", ""),
        ("Auth-Pass", ""),
        ("Auth-Protocol", "smtp"),
        ("Auth-Login-Attempt", "1"),
        ("Client-IP", "192.0.2.1"),
        ("Client-Host", "[UNAVAILABLE]"),
        ("Auth-SMTP-Helo", "c.test"),
        ("Auth-SMTP-From", "MAIL FROM:<s@c.test> SIZE=10"),
        ("Auth-SMTP-To", "RCPT TO:<bob@example.org>"),
    ];
    for (name, value) in changes {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    let fields = fields
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let fields: String = fields.collect();
    exchange(house, &format!("GET /auth HTTP/1.0\r\n{fields}\r\n"))
}

/// The fields of an answer that nginx reads.
fn told(answer: &str) -> Vec<&str> {
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    answer
        .lines()
        .filter(|line| line.starts_with("auth-"))
        .collect()
}

#[test]
fn mail_for_us_goes_to_the_listener() {
    let house = House::new(HOUSE);
    let maiasaura::server::Address::Tcp(SocketAddr::V4(address)) = house.address() else {
        panic!("it is an IPv4 address");
    };
    let port = format!("auth-port: {}", address.port());
    let expected = ["auth-status: OK", "auth-server: 127.0.0.1", &port];
    assert_eq!(told(&ask(&house, &[])), expected);
    let elsewhere = House::new(
        &HOUSE
            .replace("127.0.0.1:0}\"", "")
            .replace("auth_http: {", "auth_http: {server: '[2001:db8::1]:25', "),
    );
    let expected = [
        "auth-status: OK",
        "auth-server: 2001:db8::1",
        "auth-port: 25",
    ];
    assert_eq!(told(&ask(&elsewhere, &[])), expected);
}

#[test]
fn other_mail_is_refused_as_in_a_session() {
    let house = House::new(HOUSE);
    for (name, value, code) in [
        ("Auth-SMTP-To", "RCPT TO:<bob@elsewhere.test>", "550 5.7.1"),
        (
            "Auth-SMTP-To",
            "RCPT TO:<bob@example.org> NOTIFY=NEVER",
            "555 5.5.4",
        ),
        ("Auth-SMTP-To", "RCPT TO:<>", "501 5.1.3"),
        ("Auth-SMTP-To", "bob@example.org", "500 5.5.1"),
        ("Auth-SMTP-To", "DATA", "501 5.1.3"),
        ("Auth-SMTP-To", "", "500 5.5.1"),
        (
            "Auth-SMTP-To",
            "RCPT TO:<gr\u{e5}@example.org>",
            "553 5.6.7",
        ),
        ("Auth-SMTP-From", "MAIL FROM:s@c.test", "501 5.1.7"),
        ("Auth-SMTP-From", "QUIT", "501 5.1.7"),
        ("Auth-Method", "plain", "535 5.7.8"),
        ("Auth-Protocol", "imap", "502 5.5.1"),
    ] {
        let answer = ask(&house, &[(name, value)]);
        let told = told(&answer);
        let code = format!("auth-error-code: {code}");
        assert!(
            told.contains(&&code[..]) && told.contains(&"auth-wait: 1"),
            "{value}: {told:?}"
        );
        assert!(
            !answer.contains("auth-server") && !answer.contains("status: OK"),
            "{answer}"
        );
    }
}

/// nginx keeps memory for each attempt: after ten it is to close the connection.
#[test]
fn guessing_has_an_end() {
    let house = House::new(HOUSE);
    for (attempt, waits) in [("9", true), ("10", false), ("11", false), ("x", true)] {
        let to = ("Auth-SMTP-To", "RCPT TO:<bob@elsewhere.test>");
        let answer = ask(&house, &[to, ("Auth-Login-Attempt", attempt)]);
        assert_eq!(answer.contains("auth-wait: "), waits, "{attempt}: {answer}");
    }
}

#[test]
fn what_is_no_question_gets_no_answer() {
    let house = House::new(HOUSE);
    let long = format!("GET / HTTP/1.0\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    for (request, status) in [
        ("GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 400 "),
        (
            "GET / HTTP/1.0\r\nAuth-Method: none\r\n\r\n",
            "HTTP/1.0 400 ",
        ),
        (
            "POST / HTTP/1.0\r\nContent-Length: 4\r\n\r\nbody",
            "HTTP/1.0 405 ",
        ),
        ("EHLO c.test\r\n", "HTTP/1.1 400 "),
        (&long, "HTTP/1.1 431 "),
    ] {
        let answer = exchange(&house, request);
        // Who sends more than is read may be reset before the answer is there.
        let is_cut = request.len() > 10_000 && answer.is_empty();
        assert!(answer.starts_with(status) || is_cut, "{request}: {answer}");
        assert!(!answer.contains("auth-"), "{answer}");
    }
    assert!(ask(&house, &[]).contains("auth-status: OK"));
}

#[test]
fn only_nginx_may_ask() {
    let yaml = HOUSE.replace("auth_http: {", "auth_http: {trusted: 192.0.2.10, ");
    assert_eq!(ask(&House::new(&yaml), &[]), "");
}

/// Many that say nothing keep the others waiting, but not for ever, nor the end at all.
#[test]
fn the_silent_do_not_hold_up_the_end() {
    let mut house = House::new(HOUSE);
    let silent: Vec<TcpStream> = (0..100).map(|_| connect(&house)).collect();
    let begun = Instant::now();
    house.close();
    assert!(begun.elapsed() < PATIENCE / 2);
    drop(silent);
}
