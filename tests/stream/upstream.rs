//! What go-guerrilla's processors `redis` and `guerrillaredisdb` do that we must not: a test for each.

use std::io::Read as _;

use crate::house::{House, eventually};
use crate::server::Server;
use crate::values::{delivers, only};

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
const ALICE: &str = "alice@example.org";
const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";

/// Upstream: after a restart of Redis every message is refused with 554 until the daemon is restarted, too.
#[test]
fn a_connection_that_broke_is_made_again() {
    let mut server = Server::start();
    let house = only(&server, "");
    delivers(&house, &[BOB], MAIL);
    server.kill();
    let reply = house.client().deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("451 4.3.0 "), "554 there: {reply}");
    server.run();
    eventually("it is taken", || {
        house
            .client()
            .deliver(SENDER, &[BOB], MAIL)
            .starts_with("250 ")
    });
}

/// Upstream: only the first recipient of a message counts.
#[test]
fn each_recipient_has_a_value() {
    let server = Server::start();
    delivers(&only(&server, ""), &[BOB, ALICE], MAIL);
    assert_eq!(server.keys("*").len(), 2);
}

/// Upstream: the stream of the Compressor can be read once; who comes after Redis gets the trace fields and no message.
#[test]
fn who_comes_after_redis_gets_the_message() {
    let server = Server::start();
    let house = House::new(&format!(
        "{}save: Hasher|Header|Compressor|Redis|MailDir",
        server.section("")
    ));
    delivers(&house, &[BOB], MAIL);
    assert!(
        house
            .folder
            .mail("example.org/bob")
            .content
            .ends_with(b"body\n")
    );
    let key = server.keys("*").remove(0);
    let octets: Vec<u8> = server.ask(&["GET", &key]);
    let mut text = String::new();
    let mut decoder = flate2::read::ZlibDecoder::new(&octets[..]);
    decoder
        .read_to_string(&mut text)
        .expect("it is a zlib stream");
    assert!(text.ends_with("body\r\n"), "{text}");
}

/// Upstream: the key is made of the time, too, so that a message that is sent again is another one.
#[test]
fn the_same_message_has_the_same_key() {
    let server = Server::start();
    let house = only(&server, "");
    for _ in 0..3 {
        delivers(&house, &[BOB], MAIL);
    }
    assert_eq!(server.keys("*").len(), 1);
}

/// Upstream: it is always database 0, and no password.
#[test]
fn there_may_be_a_password_and_another_database() {
    let server = Server::with("requirepass secret");
    delivers(
        &only(&server, ", password: secret, database: 3"),
        &[BOB],
        MAIL,
    );
    let mut connection = server.connection().expect("it is there");
    redis::cmd("AUTH")
        .arg("secret")
        .exec(&mut connection)
        .expect("that is it");
    redis::cmd("SELECT")
        .arg(3)
        .exec(&mut connection)
        .expect("there are 16");
    let size: u64 = redis::cmd("DBSIZE")
        .query(&mut connection)
        .expect("a number");
    assert_eq!(size, 1);
}
