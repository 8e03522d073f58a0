//! Logins at a running receiver.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use maiasaura::credentials::{Entry, write};
use maiasaura::smtp::sasl::encode;
use rustls::ClientConfig;
use rustls::version::{TLS12, TLS13};

use crate::authority::AUTHORITY;
use crate::client::Client;
use crate::house::{Folder, House, eventually};
use crate::users::{PASSWORD, Scram, file, quick};

const REQUIRED: &str = r#"
listeners: [{address: "127.0.0.1:0", auth: required}, {address: "127.0.0.1:0", auth: offered, protocol: lmtp}]
tls: {certificate: "${FOLDER}/cert.pem", key: "${FOLDER}/key.pem", client_ca: "${FOLDER}/ca.pem"}
auth: {users: "${FOLDER}/users"}
timeouts: {auth_delay: 300ms}
"#;

fn house(yaml: &str) -> House {
    let folder = Folder::new();
    AUTHORITY.issue(&["mx.example.org"]).write(&folder.path(""));
    fs::write(folder.path("ca.pem"), &AUTHORITY.pem).expect("a file");
    fs::write(folder.path("users"), file()).expect("a file");
    House::in_folder(folder, yaml)
}

fn plain(login: &str, password: &str) -> String {
    let message = format!("\0{login}\0{password}");
    format!("AUTH PLAIN {}", encode(message.as_bytes()))
}

/// The binding that both ends of a connection know (RFC 9266).
fn exporter(client: &mut Client) -> Vec<u8> {
    let tls = client.stream().tls().expect("it is encrypted");
    tls.export_keying_material(vec![0; 32], b"EXPORTER-Channel-Binding", Some(b""))
        .expect("the handshake is done")
}

/// The hash of the server's certificate, which is signed with SHA-256 (RFC 5929 section 4.1).
fn end_point(client: &mut Client) -> Vec<u8> {
    use sha2::Digest as _;
    let tls = client.stream().tls().expect("it is encrypted");
    sha2::Sha256::digest(&tls.peer_certificates().expect("there is one")[0]).to_vec()
}

/// What a client takes for what its connection is known by.
type Binding = fn(&mut Client) -> Vec<u8>;

/// A whole SCRAM; the last reply.
fn scram(client: &mut Client, mechanism: &str, scram: &Scram) -> String {
    let challenge = client.say(&format!("AUTH {mechanism} {}", scram.first()));
    let Some(challenge) = challenge.strip_prefix("334 ") else {
        return challenge;
    };
    let (last, signature) = scram.last(challenge);
    let reply = client.say(&last);
    if reply.starts_with("334 ") {
        assert_eq!(reply, format!("334 {signature}"), "it is not our server");
        return client.say("");
    }
    reply
}

#[test]
fn who_has_logged_in_is_in_the_message() {
    let house = house(REQUIRED);
    let mut client = house.client().secured(&AUTHORITY.client());
    client.wants("MAIL FROM:<s@c.test>", "530 5.7.0 ");
    client.wants(&plain("alice", PASSWORD), "235 2.7.0 ");
    client.deliver("s@c.test", &["bob@example.org"], b"Subject: x\r\n\r\n");
    let received = house.folder.mail("example.org/bob").field("Received");
    let received = received.expect("it is there");
    assert!(received.contains(" with ESMTPSA (TLSv1.3 "), "{received}");
    let mut client = Client::connect(&house.addresses()[1]);
    client.hears("220 ");
    client.wants("STARTTLS", "220 ");
    client.handshakes(&AUTHORITY.client());
    client.wants("LHLO c.test", "250-");
    client.wants(&plain("alice", PASSWORD), "235 2.7.0 ");
    client.deliver("s@c.test", &["carol@example.org"], b"Subject: x\r\n\r\n");
    let received = house.folder.mail("example.org/carol").field("Received");
    assert!(received.expect("it is there").contains(" with LMTPSA "));
}

#[test]
fn scram_with_and_without_binding() {
    let house = house(REQUIRED);
    let tls13 = AUTHORITY.client_with(&[&TLS13], None, &[]);
    let tls12 = AUTHORITY.client_with(&[&TLS12], None, &[]);
    let bound = |header: &str, binding: &[u8]| Scram::bound("alice", PASSWORD, header, binding);
    let (exported, certified) = ("p=tls-exporter,,", "p=tls-server-end-point,,");
    let cases: [(&Arc<ClientConfig>, &str, Binding, &str); 6] = [
        (&tls13, exported, exporter, "235 "),
        (&tls13, certified, end_point, "235 "),
        (&tls12, certified, end_point, "235 "),
        // What is exported from TLS 1.2 binds nothing.
        (&tls12, exported, exporter, "535 "),
        (&tls13, exported, end_point, "535 "),
        (&tls13, "p=tls-unique,,", exporter, "535 "),
    ];
    for (config, header, binding, expected) in cases {
        let mut client = house.client().secured(config);
        let binding = binding(&mut client);
        let reply = scram(&mut client, "SCRAM-SHA-256-PLUS", &bound(header, &binding));
        assert!(reply.starts_with(expected), "{header}: {reply}");
    }
    // Somebody in between has two connections, and so two bindings.
    let mut other = house.client().secured(&tls13);
    let binding = exporter(&mut other);
    let mut client = house.client().secured(&tls13);
    let reply = scram(
        &mut client,
        "SCRAM-SHA-256-PLUS",
        &bound(exported, &binding),
    );
    assert_eq!(reply, "535 5.7.8 Login refused");
    for (who, expected) in [
        (Scram::new("alice", PASSWORD), "235 "),
        (Scram::new("alice", "wrong"), "535 "),
        (Scram::new("bob", "mellon"), "535 "),
        (Scram::new("nobody", PASSWORD), "535 "),
        (bound("y,,", &[]), "535 "),
    ] {
        let mut client = house.client().secured(&tls13);
        let reply = scram(&mut client, "SCRAM-SHA-256", &who);
        assert!(reply.starts_with(expected), "{reply}");
    }
}

#[test]
fn a_certificate_is_a_login() {
    let own = AUTHORITY.issue(&["printer.example.org"]);
    let house = house(REQUIRED);
    let users = house.folder.path("users");
    let fingerprint = own.facts().fingerprint;
    let printer = Entry {
        certificates: vec![fingerprint],
        ..Entry::default()
    };
    let with_printer = write(&file(), "printer", Some(&printer)).expect("a name");
    let trusted = AUTHORITY.client_with(&[&TLS13], Some(&own), &[]);

    let mut client = house.client().secured(&trusted);
    assert_eq!(client.say("AUTH EXTERNAL ="), "535 5.7.8 Login refused");
    fs::write(users, with_printer).expect("a file");
    let mut client = house.client().secured(&trusted);
    let offered = client.wants("EHLO c.test", "250-");
    let expected = "AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 EXTERNAL PLAIN LOGIN";
    assert!(offered.contains(expected), "{offered}");
    let name = |name: &str| format!("AUTH EXTERNAL {}", encode(name.as_bytes()));
    client.wants(&name("alice"), "535 5.7.8 ");
    client.wants(&name("printer"), "235 2.7.0 ");
    client.deliver("s@c.test", &["bob@example.org"], b"Subject: x\r\n\r\n");

    let mut client = house.client().secured(&trusted);
    client.wants("AUTH EXTERNAL", "334");
    client.wants("", "235 2.7.0 ");
    // Without a certificate it is not offered.
    let mut client = house.client().secured(&AUTHORITY.client());
    client.wants("AUTH EXTERNAL =", "504 5.5.4 ");
}

/// A refusal takes as long whether there is such a user or not, and longer each time.
#[test]
fn refusals_are_slow() {
    let house = house(REQUIRED);
    for login in ["alice", "nobody"] {
        let mut client = house.client().secured(&AUTHORITY.client());
        for (reply, least) in [
            ("535 5.7.8 ", 300),
            ("535 5.7.8 ", 600),
            ("421 4.7.0 ", 1200),
        ] {
            let begun = Instant::now();
            client.wants(&plain(login, "wrong"), reply);
            let taken = begun.elapsed();
            assert!(taken >= Duration::from_millis(least), "{login}: {taken:?}");
        }
        client.is_left();
    }
}

/// Who waits for a refusal does not hold up the end of the server.
#[test]
fn a_slow_refusal_ends_with_the_server() {
    let mut house = house(&REQUIRED.replace("300ms", "1h"));
    let mut client = house.client().secured(&AUTHORITY.client());
    client.send(format!("{}\r\n", plain("alice", "wrong")).as_bytes());
    let end = std::thread::spawn(move || house.close());
    let mut reply = client.reply();
    if reply.starts_with("535 5.7.8 ") {
        reply = client.reply();
    }
    assert!(reply.starts_with("421 4.3.2 "), "{reply}");
    end.join().expect("it has ended");
}

#[test]
fn an_address_that_guesses_is_locked_out_for_a_while() {
    let yaml = format!("{REQUIRED}limits: {{auth_failures_per_ip: 2}}\n");
    let yaml = yaml.replace("auth_delay: 300ms", "auth_delay: 1ms, auth_failures: 2s");
    let house = house(&yaml);
    for _ in 0..2 {
        let mut client = house.client().secured(&AUTHORITY.client());
        client.wants(&plain("alice", "wrong"), "535 5.7.8 ");
    }
    let mut client = house.client().secured(&AUTHORITY.client());
    client.wants(&plain("alice", PASSWORD), "421 4.7.0 ");
    client.is_left();
    eventually("it may try again", || {
        let mut client = house.client().secured(&AUTHORITY.client());
        client.say(&plain("alice", PASSWORD)).starts_with("235 ")
    });
}

/// Begins an exchange with a password; the line that is left to be said.
type Beginning = dyn Fn(&mut Client, &str) -> String;

/// Who began many exchanges before the first was refused has no more guesses than others.
#[test]
fn exchanges_that_are_under_way_are_no_more_guesses() {
    let yaml = format!("{REQUIRED}limits: {{auth_failures_per_ip: 2}}\n");
    let yaml = yaml.replace("300ms", "1ms");
    let begin_login = |client: &mut Client, password: &str| {
        client.wants("AUTH LOGIN", "334 ");
        client.wants(&encode(b"alice"), "334 ");
        encode(password.as_bytes())
    };
    let begin_scram = |client: &mut Client, password: &str| {
        let scram = Scram::new("alice", password);
        let challenge = client.say(&format!("AUTH SCRAM-SHA-256 {}", scram.first()));
        let challenge = challenge.strip_prefix("334 ").expect("a challenge");
        scram.last(challenge).0
    };
    let exchanges: [&Beginning; 2] = [&begin_login, &begin_scram];
    for begin in exchanges {
        let house = house(&yaml);
        let passwords = ["wrong", "wrong", "wrong", PASSWORD];
        let begun = passwords.map(|password| {
            let mut client = house.client().secured(&AUTHORITY.client());
            let last = begin(&mut client, password);
            (client, last)
        });
        let expected = ["535 5.7.8 ", "535 5.7.8 ", "421 4.7.0 ", "421 4.7.0 "];
        for ((mut client, last), expected) in begun.into_iter().zip(expected) {
            client.wants(&last, expected);
        }
    }
}

/// Behind the address of a webmail are many users.
#[test]
fn who_is_exempt_is_not_locked_out() {
    let auth = "auth: {exempt: [127.0.0.0/8], users";
    let yaml = REQUIRED
        .replace("auth: {users", auth)
        .replace("300ms", "20ms");
    let house = house(&format!("{yaml}limits: {{auth_failures_per_ip: 2}}\n"));
    for _ in 0..4 {
        let mut client = house.client().secured(&AUTHORITY.client());
        let begun = Instant::now();
        client.wants(&plain("alice", "wrong"), "535 5.7.8 ");
        assert!(
            begun.elapsed() >= Duration::from_millis(20),
            "it is slow all the same"
        );
    }
    let mut client = house.client().secured(&AUTHORITY.client());
    client.wants(&plain("alice", PASSWORD), "235 2.7.0 ");
}

#[test]
fn users_are_read_again_when_the_file_changes() {
    let house = house(REQUIRED);
    let carol = plain("carol", "secret");
    let mut client = house.client().secured(&AUTHORITY.client());
    client.wants(&carol, "535 ");
    let entry = Entry {
        hash: Some(quick("secret")),
        ..Entry::default()
    };
    let text = write(&file(), "carol", Some(&entry)).expect("a name");
    fs::write(house.folder.path("users"), &text).expect("a file");
    client.wants(&carol, "235 ");
    // A file that is broken changes nothing.
    fs::write(house.folder.path("users"), "carol").expect("a file");
    let mut client = house.client().secured(&AUTHORITY.client());
    client.wants(&carol, "235 ");
}

#[test]
fn without_tls_only_where_that_is_allowed() {
    let yaml = REQUIRED.replace("auth: {users", "auth: {plaintext: local, users");
    let local = house(&yaml);
    let mut client = local.client();
    let offered = client.wants("EHLO c.test", "250-");
    assert!(
        offered.contains("AUTH SCRAM-SHA-256 PLAIN LOGIN"),
        "{offered}"
    );
    client.wants(&plain("alice", PASSWORD), "235 ");
    // TLS begins anew.
    client.wants("STARTTLS", "220 ");
    client.handshakes(&AUTHORITY.client());
    client.wants("EHLO c.test", "250-");
    client.wants("MAIL FROM:<s@c.test>", "530 5.7.0 Authentication required");

    let never = house(REQUIRED);
    let mut client = never.client();
    let offered = client.wants("EHLO c.test", "250-");
    assert!(!offered.contains("AUTH"), "{offered}");
    client.wants(&plain("alice", PASSWORD), "538 5.7.11 ");
}

/// Its password would come over the network between it, the proxy and us.
#[test]
fn a_proxy_does_not_make_a_client_local() {
    let yaml = REQUIRED
        .replace("auth: {users", "auth: {plaintext: local, users")
        .replace(
            "auth: required",
            "auth: required, proxy_protocol: 127.0.0.1",
        );
    let house = house(&yaml);
    for (header, is_local) in [
        ("PROXY TCP4 127.0.0.1 127.0.0.1 4711 25\r\n", true),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 4711 25\r\n", false),
        ("PROXY UNKNOWN\r\n", false),
    ] {
        let mut client = Client::connect(house.address());
        client.send(header.as_bytes());
        client.hears("220 ");
        let offered = client.wants("EHLO c.test", "250-");
        assert_eq!(offered.contains("AUTH"), is_local, "{header}{offered}");
    }
}

#[test]
fn the_certificate_of_a_peer_is_not_that_of_whom_it_names() {
    let own = AUTHORITY.issue(&["proxy.example.org"]);
    let house = house(&REQUIRED.replace("auth: required", "auth: required, xclient: 127.0.0.1"));
    let config = AUTHORITY.client_with(&[&TLS13], Some(&own), &[]);
    for (naming, is_offered) in [("NOOP", true), ("XCLIENT ADDR=192.0.2.1", false)] {
        let mut peer = house.client();
        peer.wants(naming, "2");
        peer.wants("STARTTLS", "220 ");
        peer.handshakes(&config);
        let offered = peer.wants("EHLO c.test", "250-");
        assert_eq!(offered.contains("EXTERNAL"), is_offered, "{offered}");
    }
}

#[test]
fn weak_mechanisms_can_be_left_out() {
    let yaml = REQUIRED.replace("auth: {users", "auth: {mechanisms: [scram-sha-256], users");
    let house = house(&yaml);
    let mut client = house.client().secured(&AUTHORITY.client());
    client.wants(&plain("alice", PASSWORD), "534 5.7.9 ");
    client.wants("AUTH SCRAM-SHA-256-PLUS", "504 5.5.4 ");
    // A client that can bind and is offered no PLUS says so.
    let honest = Scram::bound("alice", PASSWORD, "y,,", &[]);
    assert!(scram(&mut client, "SCRAM-SHA-256", &honest).starts_with("235 "));
}
