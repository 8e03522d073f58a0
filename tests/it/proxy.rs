//! Peers that speak for others: the PROXY protocol, XCLIENT and XFORWARD, over sockets.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::house::{House, eventually};

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
/// A house behind a proxy that is us.
const PROXIED: &str = r#"listeners: [{address: "127.0.0.1:0", proxy_protocol: [127.0.0.1]}]"#;
/// One where we may use XCLIENT.
const VOUCHED: &str = r#"listeners: [{address: "127.0.0.1:0", xclient: [127.0.0.1]}]"#;
const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 25\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The rest of a header of version 2 for a client of IPv6.
fn version_2(tlvs: &[u8]) -> Vec<u8> {
    let length = u16::try_from(36 + tlvs.len())
        .expect("it is short")
        .to_be_bytes();
    let client = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7]].concat();
    let rest = [&client[..], &[0; 16], &[0x12, 0x67, 0, 25], tlvs].concat();
    [SIGNATURE, &[0x21, 0x21], &length, &rest].concat()
}

/// `PROXY TCP4` for this client.
fn line(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 198.51.100.1 4711 25\r\n").into_bytes()
}

/// A client after this header.
fn introduced(house: &House, header: &[u8]) -> Client {
    let mut client = Client::connect(house.address());
    client.send(header);
    client
}

/// The `from` and `by` of the only message.
fn received(house: &House) -> String {
    let field = house.folder.mail("example.org/bob").field("Received");
    let field = field.expect("a Received field");
    field.split(" with ").next().expect("a clause").to_owned()
}

#[test]
fn the_client_is_the_one_of_whom_the_proxy_tells() {
    let local = [SIGNATURE, b"\x20\0\0\0"].concat();
    let socket = [SIGNATURE, b"\x21\x31\0\xd8", &[b'/'; 216]].concat();
    for (header, from) in [
        (LINE, "from c.test ([192.0.2.1])"),
        (
            b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n",
            "from c.test ([IPv6:2001:db8::7])",
        ),
        (
            &version_2(b"\x04\0\x03abc"),
            "from c.test ([IPv6:2001:db8::7])",
        ),
        (b"PROXY UNKNOWN\r\n", "from c.test"),
        (&socket, "from c.test"),
        (&local, "from c.test ([127.0.0.1])"),
    ] {
        let house = House::new(PROXIED);
        let mut client = introduced(&house, header);
        client.hears("220 ");
        client.wants("EHLO c.test", "250-");
        assert!(
            client
                .deliver(SENDER, &[BOB], b"Hello\r\n")
                .starts_with("250 ")
        );
        assert_eq!(received(&house), format!("{from} by mx.example.org"));
    }
}

#[test]
fn a_header_may_come_in_pieces() {
    let house = House::new(PROXIED);
    for header in [
        LINE,
        &version_2(b"\x05\0\x02id"),
        &[SIGNATURE, b"\x20\0\0\0"].concat(),
    ] {
        for at in 0..=header.len() {
            let mut client = introduced(&house, &header[..at]);
            client.send(&header[at..]);
            client.hears("220 ");
            client.wants("QUIT", "221 ");
        }
    }
}

/// Nothing of it is lost, and nothing of it is believed.
#[test]
fn what_follows_the_header_is_the_clients() {
    let house = House::new(PROXIED);
    introduced(&house, &[LINE, b"EHLO c.test\r\n"].concat()).hears("554 5.5.1 You spoke");
    for second in [&line("192.0.2.2"), &version_2(b"")] {
        introduced(&house, &[LINE, second].concat()).is_left();
    }
    let patient = House::new(&format!("{PROXIED}\nsmtp: {{early_talkers: accept}}"));
    let mut client = introduced(
        &patient,
        &[LINE, b"NOOP\r\nPROXY UNKNOWN\r\nNOOP\r\n"].concat(),
    );
    client.hears("220 ");
    client.hears("250 ");
    client.is_left();
}

#[test]
fn who_begins_otherwise_hears_nothing() {
    let house = House::new(PROXIED);
    let too_long = format!("PROXY UNKNOWN {}", "x".repeat(100));
    let long = [SIGNATURE, b"\x21\x11\xff\xff"].concat();
    let short = [SIGNATURE, b"\x21\x11\0\x04"].concat();
    let checksum = version_2(b"\x03\0\x04\x01\x02\x03\x04");
    let wrong: [&[u8]; 9] = [
        b"EHLO client.example.net\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"PROXY TCP4\r\n",
        b"PROXY TCP4 192.0.2.256 198.51.100.1 1 1\r\n",
        too_long.as_bytes(),
        &long,
        &short,
        &checksum,
        &[0x16, 3, 1, 0, 200],
    ];
    for octets in wrong {
        introduced(&house, octets).is_left();
    }
    introduced(&house, LINE).hears("220 ");
}

#[test]
fn who_is_no_proxy_is_not_heard() {
    let house = House::new(PROXIED);
    let mut stranger = Client::from(Ipv4Addr::new(127, 0, 0, 2), house.address());
    let _ = stranger.try_send(LINE);
    stranger.is_left();
    introduced(&house, LINE).hears("220 ");
}

#[test]
fn a_header_must_come_in_time() {
    let house = House::new(&format!("{PROXIED}\ntimeouts: {{proxy: 300ms}}"));
    for beginning in [&b""[..], b"PROXY TCP4 192.0.2.1", SIGNATURE] {
        let begun = Instant::now();
        introduced(&house, beginning).is_left();
        assert!(begun.elapsed() >= Duration::from_millis(300));
    }
}

#[test]
fn a_proxy_that_says_nothing_does_not_hold_up_the_end() {
    let mut house = House::new(&format!("{PROXIED}\ntimeouts: {{proxy: 1h, shutdown: 1h}}"));
    let mut silent = introduced(&house, b"PROXY");
    house.close();
    silent.is_left();
}

#[test]
fn connections_count_for_the_client_not_for_the_proxy() {
    let house = House::new(&format!("{PROXIED}\nlimits: {{connections_per_ip: 2}}"));
    let mut first = introduced(&house, &line("192.0.2.1"));
    first.hears("220 ");
    let mut second = introduced(&house, &line("192.0.2.1"));
    second.hears("220 ");
    let mut third = introduced(&house, &line("192.0.2.1"));
    third.hears("421 4.7.0 Too many connections");
    third.is_left();
    let mut others: Vec<Client> = (2..6)
        .map(|number| introduced(&house, &line(&format!("192.0.2.{number}"))))
        .collect();
    for other in &mut others {
        other.hears("220 ");
    }
    first.wants("QUIT", "221 ");
    first.is_left();
    eventually("there is room for another one", || {
        introduced(&house, &line("192.0.2.1"))
            .reply()
            .starts_with("220 ")
    });
}

#[test]
fn a_proxy_counts_in_the_total() {
    let house = House::new(&format!("{PROXIED}\nlimits: {{connections: 1}}"));
    let mut first = introduced(&house, LINE);
    first.hears("220 ");
    Client::connect(house.address()).hears("421 4.7.0 Too many connections");
}

#[test]
fn a_proxy_may_use_a_unix_socket() {
    let house = House::new(
        r#"listeners: [{address: "unix:${FOLDER}/smtp", proxy_protocol: unix, xclient: unix}]"#,
    );
    let mut client = introduced(&house, LINE);
    client.hears("220 ");
    client.wants("XCLIENT ADDR=192.0.2.9", "550 5.7.0 ");
    // Somebody of whom nothing is known is not the one who may open the socket.
    let mut unknown = introduced(&house, b"PROXY UNKNOWN\r\n");
    unknown.hears("220 ");
    unknown.wants("XCLIENT ADDR=192.0.2.9", "550 5.7.0 ");
    let mut local = introduced(&house, &[SIGNATURE, b"\x20\0\0\0"].concat());
    local.hears("220 ");
    local.wants("XCLIENT ADDR=192.0.2.9", "220 ");
}

#[test]
fn xclient_names_the_client() {
    let house = House::new(VOUCHED);
    let mut proxy = house.client();
    proxy.wants(
        "XCLIENT NAME=host_1.example.net ADDR=192.0.2.1 PORT=4711",
        "220 ",
    );
    proxy.wants("XCLIENT PROTO=ESMTP HELO=c.test LOGIN=bob", "220 ");
    assert!(
        proxy
            .deliver(SENDER, &[BOB], b"Hello\r\n")
            .starts_with("250 ")
    );
    assert_eq!(
        received(&house),
        "from c.test (host_1.example.net [192.0.2.1]) by mx.example.org"
    );
}

#[test]
fn xclient_is_for_those_who_are_trusted() {
    let house = House::new(VOUCHED);
    let mut stranger = Client::from(Ipv4Addr::new(127, 0, 0, 2), house.address());
    stranger.hears("220 ");
    let offered = stranger.wants("EHLO c.test", "250-");
    assert!(
        !offered.contains("XCLIENT") && !offered.contains("XFORWARD"),
        "{offered}"
    );
    stranger.wants("XCLIENT ADDR=192.0.2.1", "550 5.7.0 ");
    stranger.wants("XFORWARD ADDR=192.0.2.1", "550 5.7.0 ");
    // Behind a proxy it is the client who must be trusted.
    let house = House::new(
        r#"listeners: [{address: "127.0.0.1:0", proxy_protocol: 127.0.0.1, xclient: 192.0.2.1}]"#,
    );
    for (client, reply) in [
        ("192.0.2.1", "220 "),
        ("192.0.2.2", "550 "),
        ("127.0.0.1", "550 "),
    ] {
        let mut client = introduced(&house, &line(client));
        client.hears("220 ");
        client.wants("XCLIENT ADDR=203.0.113.1", reply);
    }
}

#[test]
fn connections_count_for_whom_xclient_names() {
    let house = House::new(&format!("{VOUCHED}\nlimits: {{connections_per_ip: 2}}"));
    let name = |address: &str| {
        let mut proxy = house.client();
        let reply = proxy.say(&format!("XCLIENT ADDR={address}"));
        (proxy, reply)
    };
    let mut kept = Vec::new();
    for (address, expected) in [
        ("192.0.2.1", "220 "),
        ("192.0.2.1", "220 "),
        ("192.0.2.1", "421 4.7.0 Too many connections"),
        ("192.0.2.2", "220 "),
        ("IPV6:2001:db8::1", "220 "),
        ("IPV6:2001:db8::2", "220 "),
        ("IPV6:2001:db8::3", "421 4.7.0 Too many connections"),
        ("[UNAVAILABLE]", "220 "),
    ] {
        let (proxy, reply) = name(address);
        assert!(reply.starts_with(expected), "{address}: {reply}");
        kept.push(proxy);
    }
    // Whom it names may change his mind no more, and others are where they were.
    kept[0].wants("EHLO c.test", "250-");
    kept[0].wants("XCLIENT ADDR=192.0.2.3", "550 5.7.0 ");
}
