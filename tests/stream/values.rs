//! The processor Redis.

use std::io::Read as _;

use crate::client::Client;
use crate::house::{House, eventually};
use crate::server::Server;

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
const ALICE: &str = "alice@example.org";
const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";

/// A receiver that only puts mail into Redis.
pub fn only(server: &Server, keys: &str) -> House {
    House::new(&format!(
        "{}save: Hasher|Header|Redis\nvalidate: []\nlimits: {{message_size: 30MB}}\n",
        server.section(&format!(", durable: true{keys}"))
    ))
}

#[track_caller]
pub fn delivers(house: &House, to: &[&str], content: &[u8]) {
    let reply = house.client().deliver(SENDER, to, content);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
}

fn value(server: &Server, key: &str) -> Vec<u8> {
    server.ask(&["GET", key])
}

#[test]
fn a_message_is_at_its_digest_for_a_while() {
    let server = Server::start();
    let house = only(&server, ", prefix: \"mail:\", expire: 90s");
    delivers(&house, &[BOB], MAIL);
    let keys = server.keys("*");
    assert_eq!(keys.len(), 1);
    let digest = keys[0].strip_prefix("mail:").expect("the prefix");
    assert!(digest.len() == 64 && digest.bytes().all(|octet| octet.is_ascii_hexdigit()));
    let value = value(&server, &keys[0]);
    assert!(value.starts_with(b"Return-Path: <s@example.net>\r\n"));
    assert!(value.ends_with(MAIL));
    let left: u64 = server.ask(&["TTL", &keys[0]]);
    assert!((1..=90).contains(&left), "{left}");
    // The same message again has the same key, another recipient another one.
    delivers(&house, &[BOB], MAIL);
    assert_eq!(server.keys("*"), keys);
    delivers(&house, &[BOB, ALICE], MAIL);
    assert_eq!(server.keys("*").len(), 2);
}

#[test]
fn for_ever_is_for_ever() {
    let server = Server::start();
    let house = only(&server, ", expire: 0s");
    delivers(&house, &[BOB], MAIL);
    assert_eq!(server.ask::<i64>(&["TTL", &server.keys("*")[0]]), -1);
}

/// What compresses keeps nothing from who comes after it.
#[test]
fn beside_maildir_and_compressed_both_have_all_of_it() {
    let server = Server::start();
    let house = House::new(&format!(
        "{}save: Hasher|Header|Compressor|Redis|MailDir",
        server.section("")
    ));
    delivers(&house, &[BOB], MAIL);
    assert_eq!(
        house.folder.mail("example.org/bob").content,
        b"Subject: t\n\nbody\n"
    );
    let octets = value(&server, &server.keys("*")[0]);
    let mut text = Vec::new();
    let mut decoder = flate2::read::ZlibDecoder::new(&octets[..]);
    decoder.read_to_end(&mut text).expect("it is a zlib stream");
    assert!(text.ends_with(MAIL), "{}", String::from_utf8_lossy(&text));
}

#[test]
fn every_octet_survives() {
    let server = Server::start();
    let house = only(&server, "");
    let mut octets: Vec<u8> = (1..=255).filter(|octet| !b"\r\n".contains(octet)).collect();
    octets.extend_from_slice(b"\r\n\xff\xfe\xc3(\r\n");
    let mail = [&b"Subject: t\r\n\r\n"[..], &octets].concat();
    delivers(&house, &[BOB], &mail);
    assert!(value(&server, &server.keys("*")[0]).ends_with(&mail));
    // NUL comes with BDAT only (RFC 3030).
    let binary = b"Subject: b\r\n\r\n\0\xff\0lone \n and \r ends";
    let mut client = house.client();
    client.wants("MAIL FROM:<s@example.net> BODY=BINARYMIME", "250 ");
    client.wants(&format!("RCPT TO:<{ALICE}>"), "250 ");
    client.send(format!("BDAT {} LAST\r\n", binary.len()).as_bytes());
    client.send(binary);
    let reply = client.reply();
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    let values = server.keys("*");
    assert!(
        values
            .iter()
            .any(|key| value(&server, key).ends_with(binary))
    );
}

#[test]
fn what_is_large_is_whole() {
    let server = Server::start();
    let house = only(&server, "");
    let line = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab\r\n";
    let mut mail = b"Subject: large\r\n\r\n".to_vec();
    while mail.len() < 25_000_000 {
        mail.extend_from_slice(line);
    }
    delivers(&house, &[BOB], &mail);
    assert!(value(&server, &server.keys("*")[0]).ends_with(&mail));
}

/// With `delivery: queued` clients do not wait for Redis.
#[test]
fn from_the_queue_it_gets_what_it_has_missed() {
    let mut server = Server::start();
    server.kill();
    let house = House::new(&format!(
        "{}save: Hasher|Header|Compressor|MailDir|Redis\n",
        server.section(", delivery: queued")
    ));
    delivers(&house, &[BOB], MAIL);
    assert_eq!(house.folder.letters("redis").len(), 1);
    server.run();
    // The second attempt is due after ten seconds; a new letter closes the breaker before.
    eventually("it is handed over", || {
        house.folder.letters("redis").is_empty()
    });
    let octets = value(&server, &server.keys("*")[0]);
    let mut text = Vec::new();
    let mut decoder = flate2::read::ZlibDecoder::new(&octets[..]);
    decoder.read_to_end(&mut text).expect("it is a zlib stream");
    assert!(text.ends_with(MAIL));
}

/// Messages that come at the same time share pipelines, and each is there.
#[test]
fn many_at_once_are_all_there() {
    let server = Server::start();
    let house = only(&server, "");
    let address = house.address().clone();
    let threads: Vec<_> = (0..20)
        .map(|thread| {
            let address = address.clone();
            std::thread::spawn(move || {
                let mut client = Client::greeted(&address);
                for number in 0..20 {
                    let mail = format!("Subject: {thread}-{number}\r\n\r\nbody\r\n");
                    let reply = client.deliver(SENDER, &[BOB], mail.as_bytes());
                    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("all went well");
    }
    assert_eq!(server.keys("*").len(), 400);
}
