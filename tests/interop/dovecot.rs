//! Dovecot, which serves over IMAP what the receiver stores.

use std::fs;
use std::path::Path;

use crate::maildir::Maildir;
use crate::program::{program, script, succeed};
use crate::receiver::Receiver;
use crate::service::{Service, free_port};

const USER: &str = "you@localhost";

#[test]
fn shows_flags_and_counts_what_arrives() {
    let owner = owner();
    let receiver = Receiver::with(&format!(
        "recipients:\n  hosts: [localhost]\n  subaddress: {{folder: create}}\n  \
         users: {{you: {{uid: {owner}, quota: 10000KiB}}}}\n"
    ));
    let (mut dovecot, port) = dovecot(receiver.folder(), &owner);
    let maildir = receiver.maildir(USER);
    let mut client = script("imap.py");
    client.args([port, receiver.smtp].map(|port| port.to_string()));
    succeed(client.arg(&maildir.0).arg(USER));
    dovecot.stop();
    maildir.messages();
    assert_eq!(Maildir(maildir.0.join(".lists")).messages().len(), 50);
    receiver.finish();
}

/// Who owns the mail: root must not log in, so then it is a user that every Debian has.
fn owner() -> String {
    match whoami() {
        name if name == "root" => "mail".to_owned(),
        name => name,
    }
}

/// A Dovecot of our own on a free port; what the system has configured plays no part in it.
fn dovecot(folder: &Path, owner: &str) -> (Service, u16) {
    let version = succeed(program("dovecot").arg("--version"));
    let settings = if version.starts_with(b"2.3.") {
        include_str!("scripts/dovecot-2.3.conf")
    } else {
        include_str!("scripts/dovecot-2.4.conf")
    };
    let (internal, login) = match whoami() {
        name if name == "root" => ("dovecot".to_owned(), "dovenull".to_owned()),
        name => (name.clone(), name),
    };
    let port = free_port();
    let settings = settings
        .replace("FOLDER", &folder.display().to_string())
        .replace("PORT", &port.to_string())
        .replace("OWNER", owner)
        .replace("INTERNAL", &internal)
        .replace("GROUP", &internal)
        .replace("LOGIN", &login);
    let file = folder.join("dovecot.conf");
    fs::write(&file, settings).expect("a file");
    let mut command = program("dovecot");
    command.arg("-F").arg("-c").arg(file);
    let mut service = Service::start("dovecot", &mut command, folder);
    service.port(port);
    (service, port)
}

/// Who runs these tests.
fn whoami() -> String {
    let name = succeed(program("id").arg("-un"));
    String::from_utf8_lossy(&name).trim().to_owned()
}
