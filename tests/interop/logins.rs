//! Logins with the clients that people have: GNU SASL, swaks, curl and Python.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::program::{MAIASAURA, feed, program, run, shown, succeed};
use crate::receiver::{Receiver, folder};

const PASSWORD: &str = "open sesame";

/// A receiver that takes no mail without a login, with alice, and printer, which has a certificate.
struct Logins {
    receiver: Receiver,
    files: tempfile::TempDir,
}

impl Logins {
    fn new() -> Self {
        let files = folder();
        let request = |name: &str, more: &[&str]| {
            let mut openssl = program("openssl");
            openssl.args(["req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"]);
            openssl.args(["-pkeyopt", "ec_paramgen_curve:P-256", "-subj"]);
            openssl.arg(format!("/CN={name}")).args(more);
            let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
            openssl.args(["-keyout", &key, "-out", &certificate]);
            succeed(openssl.current_dir(files.path()));
        };
        let signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext"];
        let not_a_ca = "basicConstraints=critical,CA:FALSE";
        request("ca", &["-addext", "keyUsage=critical,keyCertSign"]);
        let names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
        request(
            "server",
            &[&signed[..], &[names, "-addext", not_a_ca]].concat(),
        );
        request("printer", &[&signed[..], &[not_a_ca]].concat());

        let path = |file: &str| files.path().join(file).display().to_string();
        let passwd = |arguments: &[&str]| {
            let mut command = Command::new(MAIASAURA);
            command
                .args(["passwd", "--file", &path("users")])
                .args(arguments);
            command
        };
        let added = feed(&passwd(&["alice"]), format!("{PASSWORD}\n").as_bytes());
        assert!(added.status.success(), "{}", shown(&added));
        succeed(&mut passwd(&[
            "printer",
            "--certificate",
            &path("printer.pem"),
        ]));
        let keys = format!(
            "recipients: {{hosts: [localhost]}}\ntimeouts: {{auth_delay: 10ms}}\nauth: {{users: {}}}\n\
             tls: {{certificate: {}, key: {}, client_ca: {}}}\n",
            path("users"),
            path("server.pem"),
            path("server.key"),
            path("ca.pem"),
        );
        let receiver = Receiver::started_by(&keys, |configuration| {
            let mut command = Command::new(MAIASAURA);
            command.env("MAIASAURA__LISTENERS__0__AUTH", "required");
            command.arg("-c").arg(configuration);
            command
        });
        Self { receiver, files }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.files.path().join(file)
    }

    /// Whether GNU SASL is let in by this mechanism, and what it said and heard.
    fn gsasl(&self, mechanism: &str, options: &[&str]) -> (bool, String) {
        let mut gsasl = program("gsasl");
        gsasl.args([
            "--smtp",
            "--starttls",
            "--verbose",
            "--mechanism",
            mechanism,
        ]);
        gsasl.arg("--x509-ca-file").arg(self.path("ca.pem"));
        gsasl.args(["--connect", &format!("localhost:{}", self.receiver.smtp)]);
        let output = feed(gsasl.args(options), b"");
        let said = shown(&output);
        (output.status.success() && said.contains("235 2.7.0 "), said)
    }

    /// The message that came, which says that its sender had logged in.
    fn came(&self) {
        let maildir = self.receiver.maildir("you@localhost");
        let trace = maildir.message().trace();
        assert!(trace.contains(" with ESMTPSA"), "{trace}");
        fs::remove_file(&maildir.files("new")[0]).expect("it is there");
    }
}

#[test]
fn gnu_sasl_logs_in_by_every_mechanism() {
    let mut logins = Logins::new();
    let user = |password: &'static str| ["-a", "alice", "-p", password];
    for mechanism in ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"] {
        // It takes SCRAM-SHA-256 for a deceit where it could bind, unless it is told not to.
        let more: &[&str] = if mechanism == "SCRAM-SHA-256" {
            &["--no-cb"]
        } else {
            &[]
        };
        let (is_in, said) = logins.gsasl(mechanism, &[&user(PASSWORD)[..], more].concat());
        assert!(is_in, "{said}");
        logins
            .receiver
            .logged(&["login", "login=alice", &format!("mechanism={mechanism}")]);
        let (is_in, said) = logins.gsasl(mechanism, &[&user("wrong")[..], more].concat());
        assert!(!is_in && said.contains("535 5.7.8 "), "{said}");
    }
    let (certificate, key) = (logins.path("printer.pem"), logins.path("printer.key"));
    let own = [
        "--x509-cert-file",
        certificate.to_str().expect("a path"),
        "--x509-key-file",
        key.to_str().expect("a path"),
    ];
    let (is_in, said) = logins.gsasl("EXTERNAL", &[&own[..], &["-z", "printer"]].concat());
    assert!(is_in, "{said}");
    let (is_in, said) = logins.gsasl("EXTERNAL", &[&own[..], &["-z", "alice"]].concat());
    assert!(!is_in, "{said}");
    logins
        .receiver
        .logged(&["login", "login=printer", "mechanism=EXTERNAL"]);
}

#[test]
fn swaks_logs_in_and_sends() {
    let logins = Logins::new();
    for mechanism in ["PLAIN", "LOGIN"] {
        let swaks = |password: &str| {
            let mut swaks = program("swaks");
            swaks.args(["--server", &logins.receiver.smtp_address(), "--tls"]);
            swaks.args(["--from", "me@localhost", "--to", "you@localhost"]);
            swaks.args(["--auth", mechanism, "--auth-user", "alice"]);
            swaks.args(["--auth-password", password]);
            run(&swaks)
        };
        let output = swaks(PASSWORD);
        assert!(output.status.success(), "{}", shown(&output));
        logins.came();
        // 28: no authentication.
        assert_eq!(swaks("wrong").status.code(), Some(28));
    }
}

#[test]
fn curl_logs_in_and_sends() {
    let logins = Logins::new();
    let message = logins.path("message");
    fs::write(&message, "Subject: curl\r\n\r\nx\r\n").expect("a file");
    for mechanism in ["PLAIN", "LOGIN"] {
        let mut curl = program("curl");
        curl.args(["--silent", "--show-error", "--ssl-reqd", "--cacert"]);
        curl.arg(logins.path("ca.pem"));
        curl.args(["--user", &format!("alice:{PASSWORD}"), "--login-options"]);
        curl.arg(format!("AUTH={mechanism}"));
        curl.args([
            "--mail-from",
            "me@localhost",
            "--mail-rcpt",
            "you@localhost",
        ]);
        curl.arg(format!("smtp://localhost:{}", logins.receiver.smtp));
        succeed(curl.arg("--upload-file").arg(&message));
        logins.came();
    }
}

#[test]
fn python_logs_in_and_sends() {
    let logins = Logins::new();
    let program_text = format!(
        "import smtplib, ssl\n\
         context = ssl.create_default_context(cafile='{}')\n\
         with smtplib.SMTP('localhost', {}) as smtp:\n\
         \x20   smtp.starttls(context=context)\n\
         \x20   try:\n\
         \x20       smtp.login('alice', 'wrong')\n\
         \x20       raise SystemExit('that is not the password')\n\
         \x20   except smtplib.SMTPAuthenticationError as error:\n\
         \x20       assert error.smtp_code == 535, error\n\
         \x20   assert smtp.login('alice', '{PASSWORD}')[0] == 235\n\
         \x20   smtp.sendmail('me@localhost', 'you@localhost', 'Subject: python\\n\\nx')\n",
        logins.path("ca.pem").display(),
        logins.receiver.smtp
    );
    succeed(program("python3").args(["-c", &program_text]));
    logins.came();
}
