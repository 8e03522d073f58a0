//! TLS: its keys, the handshake, and what comes after it.

use std::io::Read as _;

use super::{BOB, MAIL, SENDER, complaint};
use crate::authority::AUTHORITY;
use crate::client::Client;
use crate::house::{Folder, House};

/// STARTTLS on the first listener, TLS from the beginning on the second.
fn house(yaml: &str) -> House {
    let folder = Folder::new();
    AUTHORITY.issue(&["mx.example.org"]).write(&folder.path(""));
    let both = r#"listeners: [{address: "127.0.0.1:0"}, {address: "127.0.0.1:0", tls: implicit}]
tls: {certificate: "${FOLDER}/cert.pem", key: "${FOLDER}/key.pem"}
"#;
    House::in_folder(folder, &(both.to_owned() + yaml))
}

/// Upstream: a handshake has no deadline, so that a connection that says nothing keeps its place for ever.
#[test]
fn a_handshake_has_its_time() {
    let house = house("timeouts: {tls_handshake: 200ms}");
    let mut silent = Client::connect(&house.addresses()[1]);
    silent.is_left();
    let mut silent = house.client();
    silent.wants("STARTTLS", "220 ");
    silent.is_left();
}

/// Upstream: within TLS a second STARTTLS gets 220, and no handshake comes.
#[test]
fn starttls_is_said_once() {
    let house = house("");
    let mut client = house.client().secured(&AUTHORITY.client());
    let reply = client.say("STARTTLS");
    assert!(reply.starts_with('5'), "{reply}");
    let reply = client.deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
}

/// Upstream: after a handshake that failed the session goes on in the clear.
#[test]
fn nothing_goes_on_after_a_handshake_that_failed() {
    let house = house("");
    let mut client = house.client();
    client.wants("STARTTLS", "220 ");
    client.send(b"NOOP\r\nMAIL FROM:<s@example.net>\r\n");
    let mut said = Vec::new();
    let _ = client.stream().read_to_end(&mut said);
    assert!(
        !said.starts_with(b"2") && !said.starts_with(b"5"),
        "{said:?}"
    );
}

/// Upstream: the name that was said in the clear counts within TLS.
#[test]
fn a_greeting_in_the_clear_is_forgotten() {
    let house = house("");
    let mut client = house.client();
    client.wants("STARTTLS", "220 ");
    client.handshakes(&AUTHORITY.client());
    client.wants(&format!("MAIL FROM:<{SENDER}>"), "503 5.5.1 ");
}

/// Upstream: keys in another place or form, and protocols that nobody knows, are ignored: TLS is off.
#[test]
fn a_mistake_in_tls_is_said() {
    for (yaml, said) in [
        (
            "listeners: [{start_tls_on: true}]",
            "unknown key \"start_tls_on\"",
        ),
        (
            "listeners: [{private_key_file: /k}]",
            "unknown key \"private_key_file\"",
        ),
        ("tls: {min_version: ssl3.0}", "tls.min_version"),
        ("tls: {key: k.pem}", "no certificate"),
    ] {
        let complaint = complaint(yaml);
        assert!(complaint.contains(said), "{complaint}");
    }
}
