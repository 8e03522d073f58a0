//! nginx and `HAProxy` before the receiver, with the configurations that are shipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::maildir::Maildir;
use crate::program::{MAIASAURA, feed, program, run, script, shown, succeed};
use crate::receiver::folder;
use crate::service::{Service, free_port};

/// Clients connect from here, and the proxy from 127.0.0.1.
const CLIENT: &str = "127.0.0.2";

/// A receiver, a proxy before it, and the folder of both.
struct Site {
    folder: tempfile::TempDir,
    receiver: Service,
    proxy: Service,
}

impl Site {
    /// Writes `name` of examples/proxy, with other addresses and files in it, into the folder.
    fn write(folder: &Path, name: &str, changes: &[(&str, &str)]) -> PathBuf {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/proxy");
        let mut text = fs::read_to_string(examples.join(name)).expect("it is shipped");
        for (old, new) in changes {
            assert!(text.contains(old), "{name} has no {old}");
            text = text.replace(old, new);
        }
        let path = folder.join(name);
        fs::write(&path, text).expect("a file");
        path
    }

    fn receiver(folder: &Path, configuration: &Path) -> Service {
        let mut command = Command::new(MAIASAURA);
        command.arg("-c").arg(configuration).current_dir(folder);
        let mut receiver = Service::start("maiasaura", &mut command, folder);
        receiver.line(&["listening"]);
        receiver
    }

    /// Has the client send a message, and looks at it.
    fn delivers(&mut self, port: u16, mode: &str, subject: &str) {
        let mut client = script("proxied.py");
        succeed(client.args([&port.to_string(), CLIENT, mode, subject]));
        self.receiver.line(&[
            "message",
            "client=127.0.0.2",
            "proxy=127.0.0.1",
            "helo=client.example.net",
            "status=delivered",
        ]);
        let maildir = Maildir(self.folder.path().join("maildirs/example.org/bob"));
        let messages = maildir.messages();
        let mut messages = messages.iter().map(|message| {
            let message = fs::read_to_string(maildir.0.join("new").join(&message.name));
            message.expect("a message")
        });
        let heading = format!("Subject: {subject}\n");
        let message = messages.find(|message| message.contains(&heading));
        let message = message.expect("it has arrived");
        let from = "Received: from client.example.net ([127.0.0.2]) by mx.example.org";
        assert!(message.replace("\n\t", " ").contains(from), "{message}");
    }

    fn finish(mut self) {
        self.proxy.stop();
        let ended = self.receiver.stop();
        let log = self.receiver.said();
        assert!(
            ended.success() && !log.contains(" ERROR "),
            "{ended}\n{log}"
        );
        // The proxy has never been taken for a client, nor has it done anything wrong.
        assert!(!log.contains("client=127.0.0.1 "), "{log}");
        assert!(!log.contains("connection refused"), "{log}");
    }
}

/// A certificate that nobody has signed, and its key.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let (pem, key) = (folder.join("mx.pem"), folder.join("mx.key"));
    let mut openssl = program("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ]);
    openssl.args(["-nodes", "-days", "2", "-subj", "/CN=mx.example.org"]);
    succeed(openssl.arg("-keyout").arg(&key).arg("-out").arg(&pem));
    (pem, key)
}

/// Who may log in at nginx, which has to hand these characters over unharmed.
const USERS: [(&str, &str); 2] = [
    ("alice", "open sesame"),
    ("a+b=c@example.org", "100% \u{fc}ber+20"),
];

/// nginx, where mail comes in and where users send theirs.
fn nginx() -> (Site, [u16; 2]) {
    let folder = folder();
    let place = folder.path();
    let [smtp, ask, outside, submission] = [(); 4].map(|()| free_port());
    let users = place.join("users").display().to_string();
    for (name, password) in USERS {
        let mut passwd = Command::new(MAIASAURA);
        passwd.args(["passwd", "--file", &users, name]);
        let added = feed(&passwd, format!("{password}\n").as_bytes());
        assert!(added.status.success(), "{}", shown(&added));
    }
    let (pem, key) = certificate(place);
    let (smtp, ask) = (format!("127.0.0.1:{smtp}"), format!("127.0.0.1:{ask}"));
    let changes = [
        ("127.0.0.1:2525", &smtp[..]),
        ("127.0.0.1:2580", &ask),
        ("users: /etc/maiasaura/users", &format!("users: {users}")),
    ];
    let configuration = Site::write(place, "nginx.yaml", &changes);
    let receiver = Site::receiver(place, &configuration);
    let changes = [
        ("127.0.0.1:2580", &ask[..]),
        ("listen 25;", &format!("listen 127.0.0.1:{outside};")),
        ("listen 587;", &format!("listen 127.0.0.1:{submission};")),
        ("/etc/ssl/mx.example.org.pem", &pem.display().to_string()),
        ("/etc/ssl/mx.example.org.key", &key.display().to_string()),
    ];
    let configuration = Site::write(place, "nginx.conf", &changes);
    let mut command = program("nginx");
    let inside = format!(
        "daemon off; pid {0}/nginx.pid; error_log stderr info;",
        place.display()
    );
    command.arg("-p").arg(place).arg("-c").arg(configuration);
    command.args(["-e", "stderr", "-g", &inside]);
    let mut proxy = Service::start("nginx", &mut command, place);
    proxy.port(outside);
    let site = Site {
        folder,
        receiver,
        proxy,
    };
    (site, [outside, submission])
}

#[test]
fn nginx_asks_whether_that_is_the_password() {
    let (mut site, [_, port]) = nginx();
    let swaks = |mechanism: &str, (user, password): (&str, &str)| {
        let mut swaks = program("swaks");
        swaks.args(["--server", &format!("127.0.0.1:{port}"), "--tls"]);
        swaks.args(["--local-interface", CLIENT, "--helo", "client.example.net"]);
        swaks.args(["--from", "me@c.test", "--to", "bob@example.org"]);
        swaks.args(["--auth", mechanism, "--auth-user", user, "--auth-password"]);
        run(swaks.arg(password))
    };
    let maildir = Maildir(site.folder.path().join("maildirs/example.org/bob"));
    for (mechanism, user) in [
        ("PLAIN", USERS[0]),
        ("LOGIN", USERS[0]),
        ("PLAIN", USERS[1]),
    ] {
        let output = swaks(mechanism, user);
        assert!(output.status.success(), "{}", shown(&output));
        let login = format!("login={}", user.0);
        let login = [login.clone(), login.replacen('=', "=\"", 1) + "\""];
        let login = if user.0.contains('=') {
            &login[1]
        } else {
            &login[0]
        };
        for line in [
            &["login", "mechanism=PLAIN"][..],
            &["message", "status=delivered"],
        ] {
            site.receiver
                .line(&[line, &["client=127.0.0.2", login]].concat());
        }
        let trace = maildir.message().trace().replace("\n\t", " ");
        let from = "from client.example.net ([127.0.0.2]) by mx.example.org with ESMTPA";
        assert!(trace.contains(from), "{trace}");
        fs::remove_file(&maildir.files("new")[0]).expect("it is there");
    }
    // 28: no authentication.
    let output = swaks("PLAIN", ("alice", "wrong"));
    assert_eq!(output.status.code(), Some(28), "{}", shown(&output));
    assert!(
        shown(&output).contains("535 5.7.8 Login refused"),
        "{}",
        shown(&output)
    );
    site.receiver
        .line(&["login refused", "client=127.0.0.2", "login=alice"]);
    site.finish();
}

#[test]
fn nginx_tells_with_xclient_who_the_client_is() {
    let (mut site, [port, _]) = nginx();
    site.delivers(port, "plain", "plain");
    site.delivers(port, "starttls", "over TLS");
    site.finish();
}

/// `HAProxy` with this way to send headers, for the first backend.
fn haproxy(send: &str) -> (Site, [u16; 2]) {
    let folder = folder();
    let place = folder.path();
    let [smtp, smtps, outside, outside_tls] = [(); 4].map(|()| free_port());
    let (pem, key) = certificate(place);
    let both = [pem, key]
        .map(|file| fs::read(file).expect("a file"))
        .concat();
    let pem = place.join("both.pem");
    fs::write(&pem, both).expect("a file");
    let smtp = format!("127.0.0.1:{smtp}");
    let smtps = format!("127.0.0.1:{smtps}");
    let changes = [("127.0.0.1:2525", &smtp[..]), ("127.0.0.1:2526", &smtps)];
    let configuration = Site::write(place, "haproxy.yaml", &changes);
    let receiver = Site::receiver(place, &configuration);
    let changes = [
        (
            "127.0.0.1:2525 send-proxy-v2 ",
            &format!("{smtp} {send} ")[..],
        ),
        ("127.0.0.1:2526", &smtps),
        ("0.0.0.0:25\n", &format!("127.0.0.1:{outside}\n")),
        ("0.0.0.0:465", &format!("127.0.0.1:{outside_tls}")),
        (
            "/etc/haproxy/mx.example.org.pem",
            &pem.display().to_string(),
        ),
        ("inter 2s", "inter 50ms"),
    ];
    let configuration = Site::write(place, "haproxy.cfg", &changes);
    let mut command = program("haproxy");
    command.arg("-db").arg("-f").arg(configuration);
    let mut proxy = Service::start("haproxy", &mut command, place);
    proxy.port(outside);
    let site = Site {
        folder,
        receiver,
        proxy,
    };
    (site, [outside, outside_tls])
}

#[test]
fn haproxy_tells_with_each_version_who_the_client_is() {
    for send in [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2 proxy-v2-options crc32c,unique-id",
    ] {
        let (mut site, [plain, _]) = haproxy(send);
        site.delivers(plain, "plain", send);
        site.finish();
    }
}

#[test]
fn haproxy_may_end_tls() {
    let (mut site, [_, tls]) = haproxy("send-proxy-v2");
    site.delivers(tls, "tls", "over TLS");
    site.finish();
}

/// What haproxy.cfg has `option smtpchk` for.
#[test]
fn haproxy_sees_that_the_receiver_has_gone_and_come_back() {
    let (mut site, _) = haproxy("send-proxy-v2");
    assert!(!site.proxy.said().contains("DOWN"), "{}", site.proxy.said());
    site.receiver.stop();
    site.proxy.line(&["smtp/one is DOWN"]);
    let configuration = site.folder.path().join("haproxy.yaml");
    site.receiver = Site::receiver(site.folder.path(), &configuration);
    site.proxy.line(&["smtp/one is UP"]);
    site.finish();
}
