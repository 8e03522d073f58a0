//! Redis behind TLS.

use std::fs;
use std::path::Path;

use crate::authority::{AUTHORITY, Authority};
use crate::house::House;
use crate::server::Server;
use crate::service::free_port;
use crate::values::delivers;

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).expect("a file");
    path.display().to_string()
}

fn house(port: u16, keys: &str) -> House {
    House::new(&format!(
        "redis: {{\"address\": \"localhost:{port}\", durable: true, tls: true{keys}}}\n\
         save: Hasher|Header|Redis\nvalidate: []\n"
    ))
}

/// Only to whom our CA has signed for, and under the name that is written down.
#[test]
fn mail_goes_to_the_right_one_only() {
    let files = tempfile::tempdir().expect("a folder");
    let issued = AUTHORITY.issue(&["localhost"]);
    let certificate = write(files.path(), "cert.pem", &issued.certificate);
    let key = write(files.path(), "key.pem", &issued.key);
    let ca = write(files.path(), "ca.pem", &AUTHORITY.pem);
    let stranger = write(files.path(), "other.pem", &Authority::new().pem);
    let port = free_port();
    let server = Server::with(&format!(
        "tls-port {port}\ntls-cert-file {certificate}\ntls-key-file {key}\ntls-ca-cert-file {ca}\n\
         tls-auth-clients no\nrequirepass secret"
    ));
    let trusting = house(port, &format!(", ca: {ca}, password: secret"));
    delivers(&trusting, &[BOB], MAIL);
    let mut connection = server.connection().expect("it is there");
    redis::cmd("AUTH")
        .arg("secret")
        .exec(&mut connection)
        .expect("that is it");
    let size: u64 = redis::cmd("DBSIZE")
        .query(&mut connection)
        .expect("a number");
    assert_eq!(size, 1);
    for keys in [
        format!(", ca: {stranger}, password: secret"),
        ", password: secret".into(),
    ] {
        let reply = house(port, &keys).client().deliver(SENDER, &[BOB], MAIL);
        assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    }
}
