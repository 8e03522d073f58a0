//! What a scanner of TLS finds, and what OpenSSL is told when it wants to renegotiate.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::program::{program, run_for, shown};
use crate::receiver::{Receiver, folder};
use crate::tls::{Certificates, P256, RSA};

/// Seconds that a scan may take: it runs OpenSSL some hundred times.
const LIMIT: u32 = 600;

/// What testssl could not look at, which is no finding: OpenSSL has neither RC4 nor GOST, and
/// closes a session after STARTTLS before it has taken the ticket that it is to come back with.
const NOT_LOOKED_AT: [&str; 4] = [
    "engine_problem",
    "RC4",
    "sessionresumption_ticket",
    "service",
];

/// Protocols, ciphers, forward secrecy, what the server prefers, its certificate, and all the
/// vulnerabilities that have names.
const CHECKS: [&str; 7] = ["-p", "-s", "-f", "-P", "-S", "-U", "--fast"];

/// The findings of testssl that are neither good nor neutral.
fn complaints(certificates: &Certificates, port: u16, options: &[&str]) -> Vec<String> {
    let scratch = folder();
    let report = scratch.path().join("report.json");
    let openssl = program("openssl").get_program().to_owned();
    let mut testssl = program("testssl");
    testssl.args(["--quiet", "--color", "0", "--warnings", "batch"]);
    // Nobody is asked but the receiver.
    testssl.args(["--nodns", "none", "--ip", "127.0.0.1"]);
    testssl.arg("--openssl").arg(openssl);
    testssl.arg("--add-ca").arg(certificates.path("ca.pem"));
    testssl.arg("--jsonfile").arg(&report);
    testssl.args(CHECKS).args(options);
    testssl.arg(format!("localhost:{port}"));
    let output = run_for(LIMIT, &testssl);
    let text = fs::read_to_string(&report).unwrap_or_default();
    let findings: Vec<Value> = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}\n{}", shown(&output)));
    let of = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let has = |id: &str, severity: &str| {
        let mut findings = findings.iter();
        findings.any(|it| of(it, "id") == id && of(it, "severity") == severity)
    };
    // It has seen something, and the end.
    for id in [
        "TLS1_3",
        "cipher_order",
        "heartbleed",
        "secure_renego",
        "LUCKY13",
    ] {
        assert!(has(id, "OK"), "{id}: {text}");
    }
    let bad = findings.iter().filter(|it| {
        let is_fine = ["OK", "INFO"].contains(&&*of(it, "severity"));
        !is_fine && !NOT_LOOKED_AT.contains(&&*of(it, "id"))
    });
    bad.map(ToString::to_string).collect()
}

/// With the default settings, and certificates as authorities issue them.
#[test]
fn a_scan_after_starttls_finds_nothing() {
    let certificates = Certificates::new(P256);
    let receiver = certificates.receiver();
    let found = complaints(&certificates, receiver.smtp, &["-t", "smtp"]);
    assert!(found.is_empty(), "{found:#?}");
    receiver.finish();
}

#[test]
fn a_scan_of_implicit_tls_finds_nothing() {
    let certificates = Certificates::new(RSA);
    let receiver = certificates.implicit();
    let found = complaints(&certificates, receiver.smtp, &[]);
    assert!(found.is_empty(), "{found:#?}");
    receiver.finish();
}

/// OpenSSL after the handshake, told to renegotiate. It ends by itself, if it is answered.
fn renegotiate(receiver: &Receiver) -> Output {
    let openssl = program("openssl").get_program().to_owned();
    let mut child = Command::new("timeout")
        .arg("60")
        .arg(openssl)
        .args(["s_client", "-starttls", "smtp", "-tls1_2", "-connect"])
        .arg(receiver.smtp_address())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"R\n").expect("it reads");
    // At the end of its input it would leave by itself.
    let output = child.wait_with_output().expect("its output");
    drop(stdin);
    output
}

/// RFC 5246 section 7.2.2: who asks for a new handshake within TLS 1.2 is told that there is none,
/// at once.
#[test]
fn renegotiation_is_refused() {
    let certificates = Certificates::new(P256);
    let receiver = certificates.receiver();
    for _ in 0..20 {
        let output = renegotiate(&receiver);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("RENEGOTIATING"), "{}", shown(&output));
        assert!(said.contains("no renegotiation"), "{}", shown(&output));
    }
    receiver.finish();
}
