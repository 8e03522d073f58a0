//! TLS: the handshake, what it leaves of the conversation before it, and certificates that change.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::{Duration, Instant};

use maiasaura::server::Address;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ClientConfig, Error, HandshakeKind, ProtocolVersion};

use crate::authority::{AUTHORITY, Issued};
use crate::client::{Client, PATIENCE, Stream, mail_data};
use crate::house::{Folder, House, eventually};
use crate::process::Program;

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

/// What the server shows to a client that asks for this name.
fn shown(address: &Address, name: &str) -> Vec<u8> {
    let mut client = Client::greeted(address);
    client.wants("STARTTLS", "220 ");
    client
        .stream()
        .secure(&AUTHORITY.client(), name)
        .expect("a handshake");
    certificate(&mut client)
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

/// The certificate is that of the name which is asked for; a star is one label.
#[test]
fn certificates_are_chosen_by_name() {
    let folder = folder(&AUTHORITY.issue(&["mx.example.org"]));
    let mut issued = vec![AUTHORITY.issue(&["mx.example.org"])];
    issued[0].write(&folder.path(""));
    for (name, names) in [
        ("a", &["mail.one.test", "other.test"][..]),
        ("b", &["*.two.test"]),
    ] {
        let it = AUTHORITY.issue(names);
        // Key and certificate in one file.
        let both = it.key.clone() + &it.certificate;
        fs::write(folder.path(&format!("{name}.pem")), both).expect("it can be written");
        issued.push(it);
    }
    let yaml = r#"
tls:
  certificate: "${FOLDER}/cert.pem"
  key: "${FOLDER}/key.pem"
  certificates: [{certificate: "${FOLDER}/a.pem"}, {certificate: "${FOLDER}/b.pem"}]
"#;
    let house = House::in_folder(folder, yaml);
    let served = |name: &str| {
        let mut client = Client::greeted(house.address());
        client.wants("STARTTLS", "220 ");
        // Names that no certificate has are nothing that this client would accept.
        let _ = client.stream().secure(&AUTHORITY.client_of_anybody(), name);
        certificate(&mut client)
    };
    for (name, index) in [
        ("mx.example.org", 0),
        ("mail.one.test", 1),
        ("OTHER.test", 1),
        ("x.two.test", 2),
        ("y.x.two.test", 0),
        ("two.test", 0),
        ("unknown.test", 0),
        ("127.0.0.1", 0),
    ] {
        assert_eq!(served(name), issued[index].chain()[0].to_vec(), "{name}");
    }
}

/// C10: fifty sessions go on while the certificate is replaced; a pair that does not match leaves
/// the old one.
#[test]
fn certificates_are_read_again() {
    let first = AUTHORITY.issue(&["mx.example.org"]);
    let folder = folder(&first);
    let yaml = [BOTH, "limits: {connections_per_ip: 100}\n"].concat();
    let house = Program::serve(&folder, &yaml);
    let mut old: Vec<Client> = (0..50)
        .map(|_| house.client().secured(&AUTHORITY.client()))
        .collect();
    let second = AUTHORITY.issue(&["mx.example.org"]);
    second.write(&folder.path(""));
    let der = |issued: &Issued| issued.chain()[0].to_vec();
    eventually("the new certificate is used", || {
        shown(house.address(), "mx.example.org") == der(&second)
    });
    for client in &mut old {
        let reply = client.deliver("s@c.test", &["bob@example.org"], MESSAGE);
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
        assert_eq!(certificate(client), der(&first));
    }
    // Half of a new pair.
    let third = AUTHORITY.issue(&["mx.example.org"]);
    fs::write(folder.path("cert.pem"), &third.certificate).expect("it can be written");
    let lines = house.stderr.wait("cannot be read again", 1);
    assert!(
        lines[0].contains("key.pem: is not the key of the certificate in"),
        "{lines:?}"
    );
    assert_eq!(shown(house.address(), "mx.example.org"), der(&second));
    fs::write(folder.path("key.pem"), &third.key).expect("it can be written");
    eventually("the third certificate is used", || {
        shown(house.address(), "mx.example.org") == der(&third)
    });
    fs::remove_file(folder.path("key.pem")).expect("it is there");
    house.stderr.wait("cannot be read again", 2);
    // A chain that is not written to its end.
    fs::write(folder.path("key.pem"), &third.key).expect("it can be written");
    let chain = [
        &*third.certificate,
        &AUTHORITY.pem[..AUTHORITY.pem.len() / 2],
    ]
    .concat();
    fs::write(folder.path("cert.pem"), chain).expect("it can be written");
    let lines = house.stderr.wait("cannot be read again", 3);
    assert!(
        lines[2].contains("cert.pem: is cut off: what begins in line"),
        "{lines:?}"
    );
    assert_eq!(shown(house.address(), "mx.example.org"), der(&third));
    assert_eq!(folder.mail_count(), 50);
    let ended = house.stop();
    let complaints = ended
        .stderr
        .iter()
        .filter(|line| line.contains("cannot be read again"));
    assert_eq!(complaints.count(), 3, "{ended:#?}");
}

/// As certbot (a link to each file) and Kubernetes (a link to the folder) replace certificates.
#[test]
fn links_are_followed_anew() {
    for is_folder in [false, true] {
        let folder = Folder::new();
        let issued = [(); 2].map(|()| AUTHORITY.issue(&["mx.example.org"]));
        for (name, issued) in ["one", "two"].iter().zip(&issued) {
            fs::create_dir(folder.path(name)).expect("it can be made");
            issued.write(&folder.path(name));
        }
        let link = |target: &str| {
            let files: &[&str] = if is_folder {
                &[""]
            } else {
                &["cert.pem", "key.pem"]
            };
            for file in files {
                let (to, at) = match *file {
                    "" => (target.to_owned(), "live".to_owned()),
                    file => (format!("../{target}/{file}"), format!("live/{file}")),
                };
                let fresh = folder.path(&format!("{at}.new"));
                symlink(to, &fresh).expect("a link can be made");
                fs::rename(fresh, folder.path(&at)).expect("it can be put there");
            }
        };
        if !is_folder {
            fs::create_dir(folder.path("live")).expect("it can be made");
        }
        link("one");
        let yaml = BOTH.replace("${FOLDER}/", "${FOLDER}/live/");
        let house = Program::serve(&folder, &yaml);
        assert_eq!(
            shown(house.address(), "mx.example.org"),
            issued[0].chain()[0].to_vec()
        );
        link("two");
        eventually("the new certificate is used", || {
            shown(house.address(), "mx.example.org") == issued[1].chain()[0].to_vec()
        });
        house.stop();
    }
}

/// A certificate of a client is asked for; only one of the CA says anything.
#[test]
fn clients_may_show_who_they_are() {
    let folder = folder(&AUTHORITY.issue(&["mx.example.org"]));
    fs::write(folder.path("ca.pem"), &AUTHORITY.pem).expect("it can be written");
    let yaml = BOTH.replace("key.pem\"}", "key.pem\", client_ca: \"${FOLDER}/ca.pem\"}");
    let yaml = yaml.replace(
        "tls: implicit",
        "tls: {mode: implicit, client_certificates: require}",
    );
    let house = Program::serve(&folder, &yaml);
    let (friend, stranger) = (
        AUTHORITY.issue(&["friend.example.net"]),
        crate::authority::Authority::new().issue(&["stranger.example.net"]),
    );
    for versions in [&TLS12, &TLS13] {
        let of = |own| AUTHORITY.client_with(&[versions], own, &[]);
        for own in [None, Some(&stranger), Some(&friend)] {
            let mut client = house.client().secured(&of(own));
            let reply = client.deliver("s@c.test", &["bob@example.org"], MESSAGE);
            assert!(reply.starts_with("250 2.0.0 "), "{reply}");
        }
        let config = of(Some(&friend));
        for _ in 0..2 {
            // The second time the session is resumed.
            implicit(&house.addresses()[1], &config).wants("QUIT", "221 ");
        }
        for own in [None, Some(&stranger)] {
            let mut client = Client::connect(&house.addresses()[1]);
            // With TLS 1.3 a client hears of it only after its own part of the handshake.
            let refused = client.stream().secure(&of(own), "mx.example.org").is_err()
                || client.try_reply().is_none();
            assert!(refused);
        }
    }
    let known = format!("certificate={}", friend.facts().fingerprint);
    let ended = house.stop();
    let messages: Vec<_> = ended
        .stderr
        .iter()
        .filter(|line| line.contains("INFO  message"))
        .collect();
    assert_eq!(messages.len(), 6, "{ended:#?}");
    assert_eq!(
        messages.iter().filter(|line| line.contains(&known)).count(),
        2,
        "{messages:#?}"
    );
    let named =
        |line: &&String| line.contains("subject=friend.example.net") && line.contains(&known);
    assert_eq!(ended.stderr.iter().filter(named).count(), 6, "{ended:#?}");
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
