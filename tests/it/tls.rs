//! TLS: the handshake, what it leaves of the conversation before it, and certificates that change.

mod certificates;
mod hostile;

use std::fs;
use std::sync::Arc;

use maiasaura::server::Address;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, Error, HandshakeKind};

use crate::authority::{AUTHORITY, Issued};
use crate::client::{Client, mail_data};
use crate::house::{Folder, House};

/// STARTTLS on the first listener, TLS from the beginning on the second.
const BOTH: &str = r#"
listeners: [{address: "127.0.0.1:0"}, {address: "127.0.0.1:0", tls: implicit}]
tls: {certificate: "${FOLDER}/cert.pem", key: "${FOLDER}/key.pem"}
"#;

const MESSAGE: &[u8] = b"Subject: encrypted\r\n\r\n.\r\nwithin TLS\r\n";

fn folder(issued: &Issued) -> Folder {
    let folder = Folder::new();
    issued.write(&folder.path(""));
    folder
}

fn house(yaml: &str) -> House {
    House::in_folder(folder(&AUTHORITY.issue(&["mx.example.org"])), yaml)
}

/// A client of a listener that is encrypted from the beginning, after the greetings.
fn implicit(address: &Address, config: &Arc<ClientConfig>) -> Client {
    let mut client = Client::connect(address);
    client.handshakes(config);
    client.hears("220 mx.example.org ESMTP");
    client.wants("EHLO client.example.net", "250-");
    client
}

fn certificate(client: &mut Client) -> Vec<u8> {
    let tls = client.stream().tls().expect("it is encrypted");
    tls.peer_certificates().expect("the server has one")[0].to_vec()
}

/// Why there was no handshake.
fn failure(client: &mut Client, config: &Arc<ClientConfig>) -> Option<Error> {
    let outcome = client.stream().secure(config, "mx.example.org");
    let error = outcome.expect_err("there was a handshake");
    error.into_inner()?.downcast::<Error>().ok().map(|it| *it)
}

#[test]
fn mail_comes_encrypted_with_both_versions_and_in_both_ways() {
    let house = house(BOTH);
    for (versions, name) in [(&TLS12, "TLSv1.2"), (&TLS13, "TLSv1.3")] {
        let config = AUTHORITY.client_with(&[versions], None, &[]);
        for mut client in [
            house.client().secured(&config),
            implicit(&house.addresses()[1], &config),
        ] {
            let reply = client.deliver("s@c.test", &["bob@example.org"], MESSAGE);
            assert!(reply.starts_with("250 2.0.0 "), "{reply}");
            client.wants("QUIT", "221 ");
            client.is_left();
            let mail = house.folder.mail("example.org/bob");
            let received = mail.field("Received").expect("it is there");
            let cipher = client
                .stream()
                .tls()
                .and_then(|it| it.negotiated_cipher_suite());
            let cipher = cipher.and_then(|it| it.suite().as_str()).expect("a name");
            let cipher = cipher.replace("TLS13_", "TLS_");
            let expected = format!(" with ESMTPS ({name} {cipher}) id ");
            assert!(received.contains(&expected), "{received}: {expected}");
            assert_eq!(mail.content, b"Subject: encrypted\n\n.\nwithin TLS\n");
            fs::remove_file(mail.path).expect("it is there");
        }
    }
}

/// Content that comes in one record with its end, and in many: rustls holds what the socket has
/// given already, and nobody may wait for the socket then.
#[test]
fn what_is_decrypted_already_is_not_waited_for() {
    let house = house(&[BOTH, "limits: {message_size: 20MB}\n"].concat());
    let mut client = house.client().secured(&AUTHORITY.client());
    let large: Vec<u8> = (0..100_000)
        .flat_map(|line| {
            format!("line {line:08} of a message that has many of them\r\n").into_bytes()
        })
        .collect();
    let pieces = [b"Subject: large\r\n\r\n", &large[..]].concat();
    let contents = [MESSAGE, &pieces, b"A: b\r\n", &pieces[..18 + 50 * 321]];
    for content in contents {
        let mut octets = b"MAIL FROM:<s@c.test>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n".to_vec();
        octets.extend(mail_data(content));
        octets.extend(b"NOOP\r\n");
        client.send(&octets);
        for start in [
            "250 2.1.0",
            "250 2.1.5",
            "354 ",
            "250 2.0.0 Ok: queued",
            "250 2.0.0 Ok",
        ] {
            client.hears(start);
        }
    }
    let mut sizes: Vec<usize> = house
        .folder
        .mails("example.org/bob")
        .iter()
        .map(|it| it.content.len())
        .collect();
    sizes.sort_unstable();
    let mut expected = contents.map(|content| crate::house::lf(content).len());
    expected.sort_unstable();
    assert_eq!(sizes, expected);
}

#[test]
fn sessions_are_resumed() {
    let house = house(BOTH);
    for versions in [&TLS12, &TLS13] {
        let config = AUTHORITY.client_with(&[versions], None, &[]);
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let mut client = implicit(&house.addresses()[1], &config);
            kinds.push(
                client
                    .stream()
                    .tls()
                    .expect("it is encrypted")
                    .handshake_kind(),
            );
            client.wants("QUIT", "221 ");
            client.is_left();
        }
        assert_eq!(
            kinds,
            [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]
        );
    }
}

#[test]
fn required_tls_takes_nothing_in_plain_text() {
    let yaml = BOTH.replace(
        "{address: \"127.0.0.1:0\"}",
        "{address: \"127.0.0.1:0\", tls: required}",
    );
    let house = house(&yaml);
    let mut client = house.client();
    client.wants("MAIL FROM:<s@c.test>", "530 5.7.0 ");
    let mut client = client.secured(&AUTHORITY.client());
    client.deliver("s@c.test", &["bob@example.org"], MESSAGE);
    house.folder.mail("example.org/bob");
}

/// What follows the header is TLS, be it in the same segment or not.
#[test]
fn the_header_of_a_proxy_comes_before_the_handshake() {
    let yaml = r#"
listeners:
  - {address: "127.0.0.1:0", proxy_protocol: [127.0.0.1]}
  - {address: "127.0.0.1:0", proxy_protocol: [127.0.0.1], tls: implicit}
tls: {certificate: "${FOLDER}/cert.pem", key: "${FOLDER}/key.pem"}
"#;
    let house = house(yaml);
    let config = AUTHORITY.client();
    let header = b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 25\r\n";
    let [starttls, implicit] = house.addresses() else {
        panic!("there are two");
    };
    let mut client = Client::connect(implicit);
    client.send(header);
    client.handshakes(&config);
    client.hears("220 ");
    client.wants("EHLO c.test", "250-");
    client.deliver("s@c.test", &["bob@example.org"], MESSAGE);
    let field = house.folder.mail("example.org/bob").field("Received");
    let field = field.expect("a Received field");
    let known = field.starts_with("from c.test ([192.0.2.1]) by mx.example.org");
    assert!(known && field.contains(" with ESMTPS "), "{field}");
    let mut client = Client::connect(starttls);
    client.send(header);
    client.hears("220 ");
    client.wants("EHLO c.test", "250-");
    client.wants("STARTTLS", "220 ");
    client.handshakes(&config);
    client.wants("EHLO c.test", "250-");
    // In TLS it is too late for a header.
    client.send(header);
    client.is_left();
}
