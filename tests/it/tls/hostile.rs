//! Whoever speaks anything but TLS, or stops half-way.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use maiasaura::server::Address;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, Error, ProtocolVersion};

use super::{BOTH, MESSAGE, failure, house, implicit};
use crate::authority::AUTHORITY;
use crate::client::{Client, PATIENCE, Stream, mail_data};

/// C01: commands that somebody has put behind STARTTLS.
#[test]
fn nothing_from_before_the_handshake_survives_it() {
    let house = house(BOTH);
    let injected =
        b"STARTTLS\r\nEHLO inj\r\nMAIL FROM:<evil@c.test>\r\nRCPT TO:<bob@example.org>\r\n";
    let mut client = house.client();
    client.send(injected);
    client.hears("554 5.5.0 ");
    client.is_left();
    // What comes later is taken for a handshake, and is none.
    let mut client = house.client();
    client.wants("STARTTLS", "220 ");
    client.send(&injected[10..]);
    let mut rest = Vec::new();
    let _ = client.stream().read_to_end(&mut rest);
    assert!(
        rest.first().is_none_or(|octet| *octet == 21),
        "no alert: {rest:?}"
    );
    // And a client that is not deceived hears nothing that it did not ask for.
    let mut client = house.client();
    client.wants("STARTTLS", "220 ");
    client.handshakes(&AUTHORITY.client());
    client.send(b"NOOP\r\n");
    client.hears("250 2.0.0 Ok");
    client.wants("MAIL FROM:<s@c.test>", "503 5.5.1 Greet first");
    assert_eq!(house.folder.mail_count(), 0);
}

/// C05: a handshake has its time, and those who waste it have their places.
#[test]
fn a_handshake_that_stalls_frees_its_place() {
    let yaml = [
        BOTH,
        "timeouts: {tls_handshake: 3s}\nlimits: {connections_per_ip: 4}\n",
    ];
    let house = house(&yaml.concat());
    let events = house.running().subscribe(16);
    let begun = Instant::now();
    let mut stalled = Vec::new();
    for _ in 0..2 {
        let mut client = house.client();
        client.wants("STARTTLS", "220 ");
        stalled.push(client);
        stalled.push(Client::connect(&house.addresses()[1]));
    }
    for _ in &stalled {
        let event = events.wait(PATIENCE).expect("it is let in");
        assert_eq!(event.topic(), "connection:opened");
    }
    // One of them sends the beginning of a record, octet by octet.
    stalled[0].send(b"\x16");
    let mut refused = Client::connect(house.address());
    refused.hears("421 4.7.0 ");
    stalled[0].send(b"\x03");
    for client in &mut stalled {
        client.is_left();
    }
    let taken = begun.elapsed();
    assert!(
        taken >= Duration::from_millis(2900) && taken < PATIENCE / 2,
        "{taken:?}"
    );
    house.client().secured(&AUTHORITY.client());
}

/// C06: a client that takes us for a web server has offered us to be one.
#[test]
fn only_smtp_is_spoken() {
    let house = house(BOTH);
    for (protocols, is_welcome) in [
        (&["http/1.1"][..], false),
        (&["h2", "http/1.1"], false),
        (&["imap"], false),
        (&["smtp"], true),
        (&["h2", "smtp"], true),
        (&[], true),
    ] {
        let config = AUTHORITY.client_with(&[&TLS13, &TLS12], None, protocols);
        let mut client = Client::connect(&house.addresses()[1]);
        if is_welcome {
            client.handshakes(&config);
            client.hears("220 ");
        } else {
            let error = failure(&mut client, &config);
            let alert = Error::AlertReceived(AlertDescription::NoApplicationProtocol);
            assert_eq!(error, Some(alert), "{protocols:?}");
        }
    }
}

/// C07: an HTTP request inside TLS.
#[test]
fn a_web_client_within_tls_is_sent_away() {
    let house = house(BOTH);
    let mut client = implicit(&house.addresses()[1], &AUTHORITY.client());
    client.send(
        b"POST /?a=EHLO%20x HTTP/1.1\r\nHost: example.org\r\n\r\nMAIL FROM:<evil@c.test>\r\n",
    );
    assert_eq!(client.reply(), "554 5.5.1 This is not a web server");
    client.is_left();
}

/// C08: a message that is cut off is none, whether the client says goodbye or not; one that is
/// complete is there.
#[test]
fn a_truncated_message_is_none() {
    let house = house(BOTH);
    for says_goodbye in [true, false] {
        for versions in [&TLS12, &TLS13] {
            let config = AUTHORITY.client_with(&[versions], None, &[]);
            let mut client = house.client().secured(&config);
            client.begin("s@c.test", &["bob@example.org"]);
            client.send(b"Subject: half\r\n\r\nhalf of it\r\n");
            let stream = client.stream();
            let finished = if says_goodbye {
                stream.say_goodbye()
            } else {
                stream.plain().finish()
            };
            finished.expect("it is connected");
            client.is_left();
        }
    }
    assert_eq!(house.folder.mail_count(), 0);
    let mut client = house.client().secured(&AUTHORITY.client());
    client.begin("s@c.test", &["bob@example.org"]);
    client.send(&mail_data(MESSAGE));
    client.stream().plain().finish().expect("it is connected");
    client.hears("250 2.0.0 ");
    house.folder.mail("example.org/bob");
}

/// C09, as far as a client of this library can ask for it; `tests/interop` has OpenSSL.
#[test]
fn an_old_version_is_refused() {
    let yaml = BOTH.replace("key.pem\"}", "key.pem\", min_version: \"1.3\"}");
    let house = house(&yaml);
    let old = AUTHORITY.client_with(&[&TLS12], None, &[]);
    let mut client = Client::connect(&house.addresses()[1]);
    let alert = Error::AlertReceived(AlertDescription::ProtocolVersion);
    assert_eq!(failure(&mut client, &old), Some(alert));
    implicit(&house.addresses()[1], &AUTHORITY.client());
}

/// Octets of all kinds instead of a handshake: no reply, no panic, no place that stays taken.
#[test]
fn garbage_is_no_handshake() {
    let house = house(BOTH);
    let Address::Tcp(address) = house.addresses()[1] else {
        panic!("it is TCP");
    };
    let zeros = vec![0; 70_000];
    let samples: [&[u8]; 7] = [
        b"",
        b"EHLO client.example.net\r\n",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x16\x03\x01\xff\xff",
        b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        &zeros,
    ];
    for octets in samples {
        let stream = TcpStream::connect(address).expect("it listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("it can be set");
        let mut stream = Stream::Tcp(stream);
        let _ = stream.write_all(octets);
        let _ = stream.finish();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.first().is_none_or(|octet| *octet == 21), "{rest:?}");
    }
    let mut client = implicit(&house.addresses()[1], &AUTHORITY.client());
    let version = client.stream().tls().and_then(|it| it.protocol_version());
    assert_eq!(version, Some(ProtocolVersion::TLSv1_3));
}
