//! Clients that verify what they are shown.

use std::path::Path;
use std::process::Output;

use crate::program::{feed, program, run, shown};
use crate::receiver::Receiver;

/// A way to TLS: the port, and what OpenSSL is to do before.
fn ways(receiver: &Receiver) -> [(u16, &'static [&'static str]); 2] {
    [
        (receiver.smtp, &["-starttls", "smtp"]),
        (receiver.lmtp, &[]),
    ]
}

/// What both ways show to a client that asks for `name` and trusts `root`; it must be the same.
pub fn verified(receiver: &Receiver, name: &str, root: &Path) -> String {
    let leaves = ways(receiver).map(|(port, options)| {
        let mut openssl = program("openssl");
        openssl.args(["s_client", "-verify_return_error", "-servername", name]);
        openssl
            .args(["-verify_hostname", name, "-CAfile"])
            .arg(root);
        openssl.args(["-ign_eof", "-connect", &format!("127.0.0.1:{port}")]);
        let output = feed(openssl.args(options), b"QUIT\r\n");
        let said = said(&output);
        assert!(output.status.success(), "{name}: {}", shown(&output));
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
        leaf(&said)
    });
    assert_eq!(leaves[0], leaves[1]);
    leaves[0].clone()
}

/// The first certificate in a text, in PEM.
pub fn leaf(text: &str) -> String {
    let begin = text
        .find("-----BEGIN CERTIFICATE-----")
        .expect("a certificate");
    let end = "-----END CERTIFICATE-----";
    let length = text[begin..].find(end).expect("its end") + end.len();
    text[begin..begin + length].to_owned()
}

/// The reply to STARTTLS.
pub fn starttls(receiver: &Receiver) -> String {
    let mut swaks = program("swaks");
    swaks.args(["--server", &receiver.smtp_address(), "--tls"]);
    let output = run(swaks.args(["--quit-after", "TLS"]));
    let said = said(&output);
    let (_, after) = said.split_once("-> STARTTLS\n").expect("STARTTLS");
    let reply = after.lines().next().expect("a reply");
    reply.trim_start_matches(['<', '-', '*', ' ']).to_owned()
}

pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}
