//! Those who ask, and those who only pretend to.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use super::{HOUSE, exchange, figures, get};
use crate::client::PATIENCE;
use crate::house::House;

#[test]
fn what_is_no_question_is_refused() {
    let house = House::new(HOUSE);
    let long = format!("GET / HTTP/1.0\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    for (request, status) in [
        ("GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 404 "),
        ("GET /metrics/ HTTP/1.0\r\n\r\n", "HTTP/1.0 404 "),
        ("GET /../etc/passwd HTTP/1.0\r\n\r\n", "HTTP/1.0 404 "),
        (
            "POST /metrics HTTP/1.0\r\nContent-Length: 4\r\n\r\nbody",
            "HTTP/1.0 405 ",
        ),
        ("DELETE /health HTTP/1.0\r\n\r\n", "HTTP/1.0 405 "),
        ("EHLO c.test\r\n", "HTTP/1.1 400 "),
        ("GET /metrics\r\n\r\n", "HTTP/1.1 400 "),
        ("\x16\x03\x01\x02\x00\x01\r\n\r\n", "HTTP/1.1 400 "),
        ("GET /metrics HTTP/1.1\r\nA b: c\r\n\r\n", "HTTP/1.1 400 "),
        (&long, "HTTP/1.1 431 "),
    ] {
        let answer = exchange(house.metrics(), request);
        // Who sends more than is read may be reset before the answer is there.
        let is_cut = request.len() > 10_000 && answer.is_empty();
        assert!(answer.starts_with(status) || is_cut, "{request}: {answer}");
        assert!(!answer.contains("maiasaura"), "{answer}");
    }
    let (_, said) = get(&house, "/");
    assert_eq!(said, "there are /metrics and /health\n");
    figures(&house);
}

#[test]
fn head_has_no_body_and_a_query_is_no_matter() {
    let house = House::new(HOUSE);
    let head = exchange(house.metrics(), "HEAD /metrics HTTP/1.0\r\n\r\n");
    assert!(head.starts_with("HTTP/1.0 200 OK\r\n"), "{head}");
    assert!(
        head.ends_with("\r\n\r\n") && head.contains("content-length: "),
        "{head}"
    );
    let (head, _) = get(&house, "/health?verbose=1");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
}

/// Programs that are older than OpenMetrics say what they understand.
#[test]
fn the_older_format_is_for_those_who_ask_for_it() {
    let house = House::new(HOUSE);
    let ask = |accept: &str| {
        let request = format!("GET /metrics HTTP/1.0\r\nAccept: {accept}\r\n\r\n");
        exchange(house.metrics(), &request)
    };
    let old = "content-type: text/plain; version=0.0.4; charset=utf-8\r\n";
    let answer = ask("text/plain;version=0.0.4;q=0.5,*/*;q=0.1");
    assert!(answer.contains(old), "{answer}");
    assert!(
        answer.contains("# TYPE maiasaura_messages_total counter\n"),
        "{answer}"
    );
    assert!(
        !answer.contains("# EOF") && !answer.contains("# UNIT"),
        "{answer}"
    );
    let both = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    for accept in [both, "*/*", "text/html", "\u{fffd}"] {
        let answer = ask(accept);
        assert!(
            answer.ends_with("# EOF\n") && !answer.contains(old),
            "{accept}: {answer}"
        );
    }
}

/// Many that say nothing keep the others waiting, but not for ever, nor the end at all.
#[test]
fn the_silent_do_not_hold_up_the_end() {
    let mut house = House::new(HOUSE);
    let address = house.metrics();
    let connect = || TcpStream::connect(address).expect("it listens");
    let silent: Vec<TcpStream> = (0..100).map(|_| connect()).collect();
    let begun = Instant::now();
    house.close();
    assert!(begun.elapsed() < PATIENCE / 2);
    drop(silent);
}

/// Those that are silent are sent away, and whoever waited behind them is answered.
#[test]
fn the_silent_are_sent_away() {
    let house = House::new(HOUSE);
    let address = house.metrics();
    let connect = || TcpStream::connect(address).expect("it listens");
    let silent: Vec<TcpStream> = (0..64).map(|_| connect()).collect();
    figures(&house);
    drop(silent);
}

#[test]
fn a_port_that_is_taken_is_told_at_the_start() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken: SocketAddr = other.local_addr().expect("it has one");
    let said = House::try_new(&format!("metrics: {{address: '{taken}'}}"));
    let said = said.err().expect("it cannot start");
    let expected = format!(
        "cannot listen on {taken}: Address already in use (os error 98); another program listens \
         there: stop it or choose another address"
    );
    assert_eq!(said, expected);
}
