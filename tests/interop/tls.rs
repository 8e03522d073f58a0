//! TLS with the clients that people have: OpenSSL, swaks, curl and Python.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::content::awkward;
use crate::program::{MAIASAURA, feed, program, run, script, shown, succeed};
use crate::receiver::{Receiver, folder};
use crate::service::{Service, free_port};

/// An authority and a certificate that OpenSSL has made.
pub struct Certificates(TempDir);

impl Certificates {
    /// With a key of this kind.
    pub fn new(key: &[&str]) -> Self {
        let certificates = Self(folder());
        let place = certificates.0.path();
        let request = |arguments: &[&str], files: [&str; 2]| {
            let mut openssl = program("openssl");
            openssl
                .args(["req", "-x509", "-nodes", "-days", "200"])
                .args(key);
            openssl.args(arguments).current_dir(place);
            succeed(openssl.args(["-keyout", files[0], "-out", files[1]]));
        };
        let signs = "keyUsage=critical,keyCertSign,cRLSign";
        request(
            &["-subj", "/CN=Authority", "-addext", signs],
            ["ca.key", "ca.pem"],
        );
        let names = "subjectAltName=DNS:mx.example.org,DNS:localhost,IP:127.0.0.1";
        let leaf = [
            "-subj",
            "/CN=mx.example.org",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
        ];
        let special = [
            "-addext",
            names,
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-addext",
            "extendedKeyUsage=serverAuth",
            "-addext",
            "crlDistributionPoints=URI:http://localhost/ca.crl",
        ];
        request(
            &[leaf.as_slice(), &special].concat(),
            ["key.pem", "cert.pem"],
        );
        certificates
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn keys(&self) -> String {
        let (certificate, key) = (self.path("cert.pem"), self.path("key.pem"));
        format!(
            "recipients: {{hosts: [localhost, example.org]}}\ntls: {{certificate: {}, key: {}}}\n",
            certificate.display(),
            key.display()
        )
    }

    /// A receiver that offers STARTTLS.
    pub fn receiver(&self) -> Receiver {
        Receiver::with(&self.keys())
    }

    /// A receiver whose SMTP is encrypted from the first octet on.
    pub fn implicit(&self) -> Receiver {
        Receiver::started_by(&self.keys(), |configuration| {
            let mut command = Command::new(MAIASAURA);
            command.env("MAIASAURA__LISTENERS__0__TLS", "implicit");
            command.arg("-c").arg(configuration);
            command
        })
    }
}

pub const P256: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
pub const RSA: &[&str] = &["-newkey", "rsa:2048"];

/// What a client says after the handshake, at once.
const DIALOGUE: &str = "EHLO client.test\r\nMAIL FROM:<me@localhost>\r\nRCPT TO:<you@localhost>\r\nDATA\r\n\
                        Subject: openssl\r\n\r\nencrypted\r\n.\r\nQUIT\r\n";

/// `openssl s_client` with STARTTLS and these options, which then says all that.
fn s_client(certificates: &Certificates, port: u16, options: &[&str]) -> Output {
    let mut openssl = program("openssl");
    openssl.args(["s_client", "-starttls", "smtp", "-connect"]);
    openssl
        .arg(format!("127.0.0.1:{port}"))
        .args(["-ign_eof", "-verify_return_error"]);
    openssl.args(["-verify_hostname", "mx.example.org", "-CAfile"]);
    openssl.arg(certificates.path("ca.pem")).args(options);
    feed(&openssl, DIALOGUE.as_bytes())
}

/// Trace fields, each on one line.
fn unfolded(trace: &str) -> String {
    trace.replace("\n\t", " ")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn openssl_sends_with_both_versions_and_all_kinds_of_keys() {
    let kinds: [&[&str]; 4] = [
        P256,
        RSA,
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
        &["-newkey", "ed25519"],
    ];
    for key in kinds {
        let certificates = Certificates::new(key);
        let receiver = certificates.receiver();
        for (option, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
            let output = s_client(&certificates, receiver.smtp, &[option]);
            let said = said(&output);
            assert!(output.status.success(), "{key:?}: {}", shown(&output));
            assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
            assert!(said.contains("\n250 2.0.0 Ok: queued as "), "{said}");
            let maildir = receiver.maildir("you@localhost");
            let message = maildir.message();
            assert_eq!(message.content(), b"Subject: openssl\n\nencrypted\n");
            let trace = unfolded(&message.trace());
            assert!(
                trace.contains(&format!("with ESMTPS ({version} TLS_")),
                "{trace}"
            );
            fs::remove_file(&maildir.files("new")[0]).expect("it is there");
        }
        receiver.finish();
    }
}

/// Keys in the older forms, which OpenSSL still writes when it is asked to.
#[test]
fn keys_in_older_forms_are_read() {
    for key in [RSA, P256] {
        let certificates = Certificates::new(key);
        let mut convert = program("openssl");
        convert.args(["pkey", "-traditional", "-in", "key.pem", "-out", "old.pem"]);
        succeed(convert.current_dir(certificates.0.path()));
        let old = fs::read_to_string(certificates.path("old.pem")).expect("a key");
        let begin = if key == RSA {
            "RSA PRIVATE KEY"
        } else {
            "EC PRIVATE KEY"
        };
        assert!(old.contains(begin), "{old}");
        fs::write(certificates.path("key.pem"), old).expect("a file");
        let receiver = certificates.receiver();
        let output = s_client(&certificates, receiver.smtp, &[]);
        assert!(output.status.success(), "{}", shown(&output));
        receiver.maildir("you@localhost").message();
    }
}

/// What is weak is refused by the server: OpenSSL has it, and is told so.
#[test]
fn weak_versions_and_ciphers_are_refused() {
    for key in [P256, RSA] {
        let certificates = Certificates::new(key);
        let receiver = certificates.receiver();
        for options in [
            ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
            ["-tls1", "-cipher", "ALL:@SECLEVEL=0"],
            // Without forward secrecy, with CBC, without encryption, without a certificate.
            ["-tls1_2", "-cipher", "kRSA:@SECLEVEL=0"],
            [
                "-tls1_2",
                "-cipher",
                "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:@SECLEVEL=0",
            ],
            [
                "-tls1_2",
                "-cipher",
                "ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:@SECLEVEL=0",
            ],
            ["-tls1_2", "-cipher", "eNULL:@SECLEVEL=0"],
            ["-tls1_2", "-cipher", "aNULL:@SECLEVEL=0"],
        ] {
            let output = s_client(&certificates, receiver.smtp, &options);
            let said = said(&output);
            let refused =
                said.contains("alert protocol version") || said.contains("alert handshake failure");
            assert!(!output.status.success() && refused, "{options:?}: {said}");
        }
        assert!(!receiver.maildir("you@localhost").0.exists());
    }
}

#[test]
fn openssl_resumes_its_session() {
    let certificates = Certificates::new(P256);
    let receiver = certificates.receiver();
    for version in ["-tls1_2", "-tls1_3"] {
        let file = certificates.path("session").display().to_string();
        let new = s_client(&certificates, receiver.smtp, &[version, "-sess_out", &file]);
        assert!(said(&new).contains("\nNew, TLS"), "{}", shown(&new));
        let resumed = s_client(&certificates, receiver.smtp, &[version, "-sess_in", &file]);
        assert!(
            said(&resumed).contains("\nReused, TLS"),
            "{}",
            shown(&resumed)
        );
    }
    assert_eq!(receiver.maildir("you@localhost").files("new").len(), 4);
    receiver.finish();
}

#[test]
fn swaks_sends_in_both_ways() {
    let certificates = Certificates::new(RSA);
    for (receiver, option) in [
        (certificates.receiver(), "--tls"),
        (certificates.implicit(), "--tls-on-connect"),
    ] {
        let mut swaks = program("swaks");
        swaks.args([
            "--server",
            &receiver.smtp_address(),
            option,
            "--tls-verify",
            "--tls-ca-path",
        ]);
        swaks.arg(certificates.path("ca.pem"));
        swaks.args(["--from", "me@localhost", "--to", "you@localhost"]);
        let output = run(&swaks);
        let transcript = said(&output);
        assert!(output.status.success(), "{transcript}");
        assert!(
            transcript.contains("=== TLS started with cipher TLSv1.3:"),
            "{transcript}"
        );
        let message = receiver.maildir("you@localhost").message();
        let trace = unfolded(&message.trace());
        assert!(trace.contains("with ESMTPS (TLSv1.3 "), "{trace}");
        receiver.finish();
    }
}

#[test]
fn curl_sends_in_both_ways() {
    let certificates = Certificates::new(P256);
    for (receiver, scheme) in [
        (certificates.receiver(), "smtp"),
        (certificates.implicit(), "smtps"),
    ] {
        let file = receiver.folder().join("message");
        fs::write(&file, awkward("curl")).expect("a file");
        let mut curl = program("curl");
        let server = format!("{scheme}://localhost:{}/client.test", receiver.smtp);
        curl.args([
            "--silent",
            "--show-error",
            "-4",
            &server,
            "--ssl-reqd",
            "--cacert",
        ]);
        curl.arg(certificates.path("ca.pem"));
        curl.args([
            "--mail-from",
            "me@localhost",
            "--mail-rcpt",
            "you@localhost",
        ]);
        succeed(curl.arg("--upload-file").arg(&file));
        receiver.maildir("you@localhost").holds(&[awkward("curl")]);
        receiver.finish();
    }
}

#[test]
fn python_sends_in_all_ways() {
    let certificates = Certificates::new(P256);
    for (receiver, way, with) in [
        (certificates.receiver(), "starttls", "with ESMTPS ("),
        (certificates.implicit(), "implicit", "with ESMTPS ("),
        (certificates.receiver(), "lmtp", "with LMTPS ("),
    ] {
        let port = if way == "lmtp" {
            receiver.lmtp
        } else {
            receiver.smtp
        };
        let mut python = script("tls.py");
        succeed(
            python
                .args([way, &port.to_string()])
                .arg(certificates.path("ca.pem")),
        );
        let message = receiver.maildir("you@localhost").message();
        let trace = unfolded(&message.trace());
        assert!(trace.contains(with), "{trace}");
        receiver.finish();
    }
}

/// The commands of the README, with a certificate that nobody has signed.
#[test]
fn the_readme_says_how_to_try_it() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).expect("the README");
    let (_, section) = readme
        .split_once("\n## TLS\n")
        .expect("a section about TLS");
    let (_, block) = section.split_once("```sh\n").expect("a block of commands");
    let (block, _) = block.split_once("```").expect("its end");
    let [make, serve, send] = &block.lines().collect::<Vec<_>>()[..] else {
        panic!("three commands: {block}");
    };
    let folder = folder();
    let shell = |line: &str| {
        let mut sh = program("sh");
        sh.args(["-c", line]).current_dir(folder.path());
        sh
    };
    assert!(make.starts_with("openssl "), "{make}");
    succeed(&mut shell(make));
    let port = free_port();
    let serve = serve.replace("cargo run --release --", MAIASAURA);
    let mut serve = shell(&format!("exec env {serve} --listen 127.0.0.1:{port}"));
    let mut service = Service::start("maiasaura", &mut serve, folder.path());
    service.port(port);
    let send = send.replace("2525", &port.to_string());
    let output = run(&shell(&send));
    assert!(
        said(&output).contains("=== TLS started"),
        "{}",
        shown(&output)
    );
    let new = folder.path().join("maildirs/localhost/you/new");
    assert_eq!(fs::read_dir(new).expect("a folder").count(), 1);
}
