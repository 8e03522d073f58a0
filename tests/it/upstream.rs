//! What go-guerrilla, its processors `MailDir`, FastCGI and wildcard, and `MailDiranasaurus` do that we
//! must not: a named test for each, whose comment tells in one line what they do. `docs/go-guerrilla.md`
//! lists them all, with those that need Redis or MySQL.

mod chain;
mod daemon;
mod listed;
mod maildir;
#[cfg(feature = "fastcgi")]
mod php;
mod processors;
mod proxy;
mod reload;
mod smtp;
mod tables;
mod tls;

use crate::client::Client;
use crate::house::House;

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
const ALICE: &str = "alice@example.org";
const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";
const LATER: &str = "451 4.3.0 ";

/// A client that has said MAIL.
fn sender(house: &House) -> Client {
    let mut client = house.client();
    client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 2.1.0 ");
    client
}

/// Delivers one message, which must go well.
#[track_caller]
fn delivers(house: &House, to: &[&str], content: &[u8]) -> String {
    let reply = house.client().deliver(SENDER, to, content);
    assert!(reply.starts_with("250 2.0.0 "), "{to:?}: {reply}");
    reply
}

/// What is said where nothing can run with this configuration.
fn complaint(yaml: &str) -> String {
    let yaml = crate::house::configuration(yaml);
    let variables = [("ROOT", "/nowhere")];
    let config = maiasaura::Config::parse(&yaml, "m.yaml", &variables.into_iter().collect());
    match config {
        Err(error) => error.to_string(),
        Ok(config) => match maiasaura::Daemon::new(config).service() {
            Err(error) => error.to_string(),
            Ok(_) => panic!("it can run: {yaml}"),
        },
    }
}
