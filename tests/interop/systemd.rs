//! Sockets that are open before the receiver starts, as systemd passes them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::content::awkward;
use crate::maildir::Maildir;
use crate::program::{MAIASAURA, program, run, script, shown, succeed};
use crate::receiver::folder;
use crate::service::Service;

const SETTINGS: &str = "
hostname: mx.example.org
listeners:
  - {address: systemd:lmtp, protocol: lmtp}
  - {address: systemd:smtp, protocol: smtp}
";

#[test]
fn receives_on_sockets_that_are_passed() {
    let folder = folder();
    let mut service = Service::start(
        "systemd",
        &mut passing(folder.path(), SETTINGS),
        folder.path(),
    );
    let port = service.line(&["passed port"]).replace("passed port ", "");
    service.line(&["listening", "systemd:smtp"]);
    let message = folder.path().join("message");
    fs::write(&message, awkward("systemd")).expect("a file");

    let smtp = ["--server", &format!("127.0.0.1:{port}")].map(str::to_owned);
    let socket = folder.path().join("lmtp.sock").display().to_string();
    let lmtp = ["--protocol", "LMTP", "--socket", &socket].map(str::to_owned);
    for (way, user) in [(&smtp[..], "one"), (&lmtp[..], "two")] {
        let mut swaks = program("swaks");
        swaks.args(way).args([
            "--from",
            "me@localhost",
            "--to",
            &format!("{user}@localhost"),
        ]);
        succeed(swaks.arg("--data").arg(format!("@{}", message.display())));
        let stored = Maildir(folder.path().join("maildirs/localhost").join(user)).message();
        assert!(
            stored
                .content()
                .starts_with(b"From: me@localhost\nTo: you@example.org\n")
        );
    }
    assert!(service.stop().success(), "{}", service.said());
    assert!(Path::new(&socket).exists(), "the socket belongs to systemd");
}

#[test]
fn says_which_socket_is_missing() {
    let folder = folder();
    let settings = "listeners: [{address: systemd:other}]\n";
    let output = run(&passing(folder.path(), settings));
    assert_eq!(output.status.code(), Some(69), "{}", shown(&output));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        complaint.contains("systemd passed no socket \"other\""),
        "{complaint}"
    );
}

/// The receiver with a socket for smtp and one for lmtp.
fn passing(folder: &Path, settings: &str) -> Command {
    let configuration = folder.join("maiasaura.yaml");
    fs::write(&configuration, settings).expect("a file");
    let mut command = script("systemd.py");
    command.current_dir(folder).arg(folder.join("lmtp.sock"));
    command.arg(MAIASAURA).arg("-c").arg(configuration);
    command
}
