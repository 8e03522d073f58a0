//! Peers that speak for others: PROXY and XCLIENT.

use std::net::Ipv4Addr;

use super::{BOB, MAIL, SENDER, delivers};
use crate::client::Client;
use crate::house::House;

const PROXIED: &str = r#"listeners: [{address: "127.0.0.1:0", proxy_protocol: [127.0.0.1]}]"#;
const VOUCHED: &str = r#"listeners: [{address: "127.0.0.1:0", xclient: [127.0.0.1]}]"#;
const HEADER: &str = "PROXY TCP4 192.0.2.99 198.51.100.1 4711 25\r\n";

/// What a client hears that begins so.
fn hears(house: &House, beginning: &str) -> String {
    let mut client = Client::connect(house.address());
    client.send(beginning.as_bytes());
    client.reply()
}

/// Upstream: XCLIENT is for everybody, and PROXY was a command (GHSA-c2c3-pqw5-5p7c): anyone is anyone.
#[test]
fn nobody_says_who_he_is() {
    let house = House::new("");
    for line in ["XCLIENT ADDR=192.0.2.99", "XCLIENT c", "XCLIENT ADDR="] {
        let mut client = house.client();
        client.wants(line, "550 5.7.0 ");
        let reply = client.deliver(SENDER, &[BOB], MAIL);
        assert!(reply.starts_with("250 2.0.0 "), "{line}: {reply}");
    }
    let mut client = house.client();
    client.send(HEADER.as_bytes());
    client.is_left();
    for mail in house.folder.mails("example.org/bob") {
        assert!(!mail.trace.contains("192.0.2.99"), "{}", mail.trace);
    }
}

/// Upstream: `XCLIENT` without an argument ends the process.
#[test]
fn an_xclient_that_says_nothing_is_a_mistake() {
    let house = House::new(VOUCHED);
    let mut client = house.client();
    for line in ["XCLIENT", "XCLIENT ", "XCLIENT ADDR", "XCLIENT ="] {
        client.wants(line, "501 5.5.4 ");
    }
    delivers(&house, &[BOB], MAIL);
}

/// Upstream: XCLIENT in the middle of a transaction changes whose it is; it is not announced either.
#[test]
fn xclient_has_its_place() {
    let house = House::new(VOUCHED);
    let mut client = house.client();
    let offered = client.say("EHLO client.example.net");
    assert!(offered.contains("\n250-XCLIENT "), "{offered}");
    client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
    client.wants("XCLIENT ADDR=192.0.2.99", "503 5.5.1 ");
}

/// Upstream: there is no list of those who may send a header.
#[test]
fn a_header_is_believed_from_proxies_only() {
    let house = House::new(PROXIED);
    let mut stranger = Client::from(Ipv4Addr::new(127, 0, 0, 2), house.address());
    let _ = stranger.try_send(HEADER.as_bytes());
    stranger.is_left();
    assert!(hears(&house, HEADER).starts_with("220 "));
}

/// Upstream: `PROXY TCP4` alone reads past its end, and a family that is not that of the addresses is taken.
#[test]
fn a_header_that_is_wrong_ends_the_connection() {
    let house = House::new(PROXIED);
    for header in [
        "PROXY TCP4\r\n",
        "PROXY\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 1 25\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.2 1 25\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
    ] {
        assert_eq!(hears(&house, header), "", "{header}");
    }
    assert!(hears(&house, HEADER).starts_with("220 "));
}

/// Upstream: a header may come one day, so that a connection without one keeps its place for ever.
#[test]
fn a_header_has_its_time() {
    let house = House::new(&format!("{PROXIED}\ntimeouts: {{proxy: 200ms}}"));
    Client::connect(house.address()).is_left();
}

/// Upstream: a header of version 2 is noticed and refused.
#[test]
fn a_header_may_be_of_version_2() {
    let house = House::new(PROXIED);
    let mut client = Client::connect(house.address());
    let signature = b"\r\n\r\n\0\r\nQUIT\n";
    let ends = [192, 0, 2, 99, 198, 51, 100, 1, 0x12, 0x67, 0, 25];
    client.send(&[&signature[..], b"\x21\x11\0\x0c", &ends].concat());
    client.hears("220 ");
    client.wants("EHLO client.example.net", "250-");
    client.deliver(SENDER, &[BOB], MAIL);
    let received = house.folder.mail("example.org/bob").field("Received");
    assert!(received.is_some_and(|field| field.contains("([192.0.2.99])")));
}
