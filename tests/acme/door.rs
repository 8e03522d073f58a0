//! Where challenges are answered there is nothing else to be had, and they are answered nowhere else.

use crate::client::said;
use crate::pebble::{LONG, Pebble, receiver};
use crate::program::{feed, program, run, shown};

#[test]
fn http_has_nothing_but_answers() {
    let pebble = Pebble::started(LONG);
    let mut receiver = receiver(&pebble.http_keys("mx.example.org"));
    receiver.logged(&["a certificate was obtained"]);
    let long = format!("X-Long: {}", "x".repeat(9000));
    for (path, options, status) in [
        ("/", &[][..], "404"),
        ("/.well-known/acme-challenge/", &[], "404"),
        ("/.well-known/acme-challenge/no-such-token", &[], "404"),
        (
            "/.well-known/acme-challenge/../../etc/passwd",
            &["--path-as-is"],
            "404",
        ),
        (
            "/.well-known/acme-challenge/no-such-token",
            &["--request", "POST"],
            "404",
        ),
        ("/", &["--header", &long], "431"),
        ("/", &["--request", "G T"], "400"),
    ] {
        let mut curl = program("curl");
        curl.args([
            "--silent",
            "--output",
            "-",
            "--write-out",
            "%{http_code} %{size_download} %{redirect_url}",
        ]);
        curl.args(options)
            .arg(format!("http://127.0.0.1:{}{path}", pebble.http));
        let output = run(&curl);
        assert_eq!(said(&output), format!("{status} 0 "), "{path} {options:?}");
    }
    receiver.finish();
}

#[test]
fn tls_has_nothing_but_answers() {
    let pebble = Pebble::started(LONG);
    let mut receiver = receiver(&pebble.tls_keys("mx.example.org"));
    receiver.logged(&["a certificate was obtained"]);
    let smtp: &[&str] = &["-starttls", "smtp"];
    let acme: &[&str] = &["-alpn", "acme-tls/1"];
    for (port, options) in [
        (pebble.tls, vec![]),
        (pebble.tls, vec![acme]),
        (receiver.lmtp, vec![acme]),
        (receiver.smtp, vec![smtp, acme]),
    ] {
        let mut openssl = program("openssl");
        openssl.args(["s_client", "-servername", "mx.example.org", "-connect"]);
        openssl
            .arg(format!("127.0.0.1:{port}"))
            .args(options.concat());
        let output = feed(&openssl, b"");
        let said = said(&output);
        assert!(!output.status.success(), "{options:?}: {}", shown(&output));
        assert!(
            said.contains("no peer certificate available"),
            "{options:?}: {said}"
        );
        assert!(said.contains("alert"), "{options:?}: {said}");
    }
    receiver.finish();
}
