//! Figures of encryption and logins.

use maiasaura::tls::Facts;
use rcgen::date_time_ymd;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

#[cfg(feature = "acme")]
use super::{HOUSE, get};
use super::{assert_figures, encrypted_with, figures, here, is, sum};
use crate::authority::{AUTHORITY, Issued};
use crate::house::{House, eventually};
use crate::users::PASSWORD;

const TLS: &str = r#"
listeners: [{address: "127.0.0.1:0", auth: offered}]
tls: {certificate: "${FOLDER}/cert.pem", key: "${FOLDER}/key.pem"}
auth: {users: "${FOLDER}/users"}
timeouts: {auth_delay: 1ms}
"#;

fn encrypted(issued: &Issued) -> House {
    encrypted_with(issued, TLS)
}

#[test]
fn handshakes_and_logins_are_counted() {
    let house = encrypted(&AUTHORITY.issue(&["mx.example.org"]));
    let mut client = house.client().secured(&AUTHORITY.client());
    let attempt = |login: &str, password: &str| {
        let message = format!("\0{login}\0{password}");
        let message = maiasaura::smtp::sasl::encode(message.as_bytes());
        format!("AUTH PLAIN {message}")
    };
    client.wants(&attempt("alice", "wrong"), "535 ");
    client.wants(&attempt("alice", PASSWORD), "235 ");
    client.wants("QUIT", "221 ");
    let mut garbage = house.client();
    garbage.wants("STARTTLS", "220 ");
    garbage.send(b"this is no handshake\r\n");
    while garbage.try_reply().is_some() {}
    let at = |name, more| here(&house, name, more);
    assert_figures(
        &figures(&house),
        &[
            (
                &at("maiasaura_tls_handshakes_total", ",version=\"TLSv1.3\""),
                1.0,
            ),
            (&at("maiasaura_tls_handshakes_failed_total", ""), 1.0),
            (
                "maiasaura_logins_total{mechanism=\"PLAIN\",result=\"accepted\"}",
                1.0,
            ),
            (
                "maiasaura_logins_total{mechanism=\"PLAIN\",result=\"refused\"}",
                1.0,
            ),
        ],
    );
    let refused = sum(&figures(&house), "maiasaura_commands_refused_total");
    assert!(is(refused, 0.0), "{refused}");
}

/// What is asked for most: whether somebody has to look after a certificate.
#[test]
fn it_is_told_when_certificates_expire_and_what_became_of_them() {
    let until = |year| {
        AUTHORITY.issue_with(&["mx.example.org"], |it| {
            it.not_after = date_time_ymd(year, 2, 3);
        })
    };
    let expiry = |issued: &Issued| -> f64 {
        let der = CertificateDer::from_pem_slice(issued.certificate.as_bytes());
        let facts = Facts::of(&der.expect("it is one")).expect("it is sound");
        facts.not_after.to_string().parse().expect("a number")
    };
    let (first, second) = (until(2077), until(2078));
    let house = encrypted(&first);
    let labels = ",name=\"mx.example.org\",number=\"1\"";
    let figure = here(
        &house,
        "maiasaura_certificate_expiry_timestamp_seconds",
        labels,
    );
    assert_figures(&figures(&house), &[(&figure, expiry(&first))]);
    // 3 February 2077 at midnight, as `date -u` has it.
    assert_figures(&figures(&house), &[(&figure, 3_379_536_000.0)]);
    second.write(&house.folder.path(""));
    eventually("it is read again", || {
        is(figures(&house).value(&figure), expiry(&second))
    });
    let begins = here(
        &house,
        "maiasaura_certificate_start_timestamp_seconds",
        labels,
    );
    assert!(figures(&house).value(&begins) < expiry(&second));
}

#[cfg(feature = "acme")]
#[test]
fn a_certificate_that_cannot_be_had_is_told() {
    let yaml = "tls: {acme: {directory: 'https://127.0.0.1:1/directory', cache: '${FOLDER}/acme', \
                domains: [mx.example.org], listen: ['127.0.0.1:0']}}";
    let house = House::new(&format!("{HOUSE}\n{yaml}"));
    eventually("it has failed", || {
        figures(&house).value("maiasaura_acme_failures") >= 1.0
    });
    let told = figures(&house);
    let state = "maiasaura_part_state{part=\"acme\",state=\"hampered\"}";
    assert_figures(&told, &[("maiasaura_acme_certificate", 0.0), (state, 1.0)]);
    assert_eq!(told.find("maiasaura_acme_renewal_timestamp_seconds"), None);
    assert!(get(&house, "/health").0.starts_with("HTTP/1.1 200 OK\r\n"));
}
