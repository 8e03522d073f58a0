//! TLS on the way to the server.

use std::fs;

use maiasaura::mysql::{self, Endpoint, Settings, Tls};

use crate::house::{Folder, House};
use crate::mariadb::Server;
use crate::rows::{CHAIN, delivers};
use crate::service::free_port;

#[test]
fn connections_can_be_encrypted() {
    let folder = Folder::new();
    let certificate =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let (cert, key) = (folder.path("cert.pem"), folder.path("key.pem"));
    fs::write(&cert, certificate.cert.pem()).expect("a file");
    fs::write(&key, certificate.signing_key.serialize_pem()).expect("a file");
    let other =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let other_ca = folder.path("other.pem");
    fs::write(&other_ca, other.cert.pem()).expect("a file");
    let port = free_port();
    let options = [
        "--skip-networking=0".to_owned(),
        "--bind-address=127.0.0.1".to_owned(),
        "--skip-name-resolve=0".to_owned(),
        format!("--port={port}"),
        format!("--ssl-cert={}", cert.display()),
        format!("--ssl-key={}", key.display()),
    ];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let server = Server::start(&options);
    let database = server.database();
    database.make_table();
    let name = &database.name;
    server.sql("mysql", &format!("ALTER USER {name}@localhost REQUIRE SSL"));
    let connect = |tls: Tls| {
        let endpoint = Endpoint::Tcp("localhost".into(), port);
        let settings = Settings {
            endpoint,
            tls,
            ..database.settings()
        };
        mysql::Database::new(settings)
            .ready()
            .map(drop)
            .map_err(|fault| fault.message)
    };
    for tls in [
        Tls::Preferred,
        Tls::Required,
        Tls::Verified(Some(cert.clone())),
    ] {
        assert_eq!(connect(tls.clone()), Ok(()), "{tls:?}");
    }
    for tls in [Tls::Verified(Some(other_ca)), Tls::Verified(None)] {
        let error = connect(tls).expect_err("it cannot be trusted");
        assert!(
            error.contains("; look at mysql.tls and mysql.tls_ca"),
            "{error}"
        );
    }
    let error = connect(Tls::Off).expect_err("this user needs TLS");
    assert!(error.contains("Access denied"), "{error}");
    let yaml = format!(
        "{CHAIN}mysql: {{address: \"localhost:{port}\", user: {name}, password: secret-of-{name}, database: {name}, tls: verified, tls_ca: {}, delivery: inline}}",
        cert.display()
    );
    let house = House::new(&yaml);
    delivers(&house, &["bob@example.org"], b"Subject: s\r\n\r\n");
    assert_eq!(database.count(), 1);
}
