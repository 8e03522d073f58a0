//! Certificates: chosen by name, read again when they change, and those of clients.

use std::fs;
use std::os::unix::fs::symlink;

use maiasaura::server::Address;
use rustls::version::{TLS12, TLS13};

use super::{BOTH, MESSAGE, certificate, folder, implicit};
use crate::authority::{AUTHORITY, Issued};
use crate::client::Client;
use crate::house::{Folder, House, eventually};
use crate::process::Program;

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
