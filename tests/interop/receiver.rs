//! Maiasaura as a process, with its Maildirs in a temporary folder.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::maildir::Maildir;
use crate::program::MAIASAURA;
use crate::service::Service;

/// Where it listens, and limits that no test is to meet by accident.
const LISTENERS: &str = r#"
hostname: mx.example.org
listeners:
  - {address: "127.0.0.1:0", protocol: smtp}
  - {address: "127.0.0.1:0", protocol: lmtp}
  - {address: "unix:FOLDER/smtp.sock:0600", protocol: smtp}
  - {address: "unix:FOLDER/lmtp.sock:0600", protocol: lmtp}
limits: {message_size: 60MB, connections_per_ip: 1000}
"#;

/// Everybody at two hosts has a mailbox.
const ANYBODY: &str = "recipients: {hosts: [localhost, example.org]}\n";

/// A running receiver.
pub struct Receiver {
    /// The port of SMTP on 127.0.0.1.
    pub smtp: u16,
    /// The port of LMTP.
    pub lmtp: u16,
    service: Service,
    folder: TempDir,
}

impl Receiver {
    /// A receiver for everybody at localhost and example.org.
    pub fn start() -> Self {
        Self::with(ANYBODY)
    }

    /// A receiver with these keys beside the listeners.
    pub fn with(keys: &str) -> Self {
        Self::started_by(keys, |configuration| {
            let mut command = Command::new(MAIASAURA);
            command.arg("-c").arg(configuration);
            command
        })
    }

    /// A receiver that a command of the caller's own starts, which is given the configuration.
    pub fn started_by(keys: &str, command: impl FnOnce(&Path) -> Command) -> Self {
        let folder = folder();
        let configuration = folder.path().join("maiasaura.yaml");
        let place = folder.path().display().to_string();
        fs::write(&configuration, LISTENERS.replace("FOLDER", &place) + keys).expect("a file");
        let mut command = command(&configuration);
        command.current_dir(folder.path());
        let mut service = Service::start("maiasaura", &mut command, folder.path());
        service.line(&["listening", "unix:", "/lmtp.sock"]);
        let said = service.said();
        let mut ports = said
            .lines()
            .filter_map(|line| line.trim().strip_prefix("listening  on 127.0.0.1:"))
            .map(|port| port.parse().expect("a port"));
        let (smtp, lmtp) = (
            ports.next().expect("a port"),
            ports.next().expect("two ports"),
        );
        Self {
            smtp,
            lmtp,
            service,
            folder,
        }
    }

    /// The folder that all this happens in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its configuration.
    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join("maiasaura.yaml")
    }

    /// The Maildir of `mailbox`, such as `you@example.org`.
    pub fn maildir(&self, mailbox: &str) -> Maildir {
        let (user, host) = mailbox.split_once('@').expect("user@host");
        Maildir(self.folder.path().join("maildirs").join(host).join(user))
    }

    /// All Maildirs of `host`.
    pub fn maildirs(&self, host: &str) -> Vec<Maildir> {
        let folder = self.folder.path().join("maildirs").join(host);
        let entries = fs::read_dir(folder).expect("a folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.map(Maildir).collect()
    }

    /// SMTP as swaks and others write it.
    pub fn smtp_address(&self) -> String {
        format!("127.0.0.1:{}", self.smtp)
    }

    /// LMTP likewise.
    pub fn lmtp_address(&self) -> String {
        format!("127.0.0.1:{}", self.lmtp)
    }

    /// Waits for a line of the log that contains all of `words`.
    pub fn logged(&mut self, words: &[&str]) -> String {
        self.service.line(words)
    }

    /// Lets the receiver finish; it must end well and never have met a fault of its own.
    pub fn finish(mut self) {
        let ended = self.service.stop();
        let log = self.service.said();
        let sound = !log.contains(" ERROR ") && !log.contains("panicked");
        assert!(
            ended.success() && sound && log.contains("INFO  stopped"),
            "{ended}\n{log}"
        );
    }
}

/// A temporary folder that other users can reach, as a receiver that runs as root and an IMAP
/// server that does not share it.
pub fn folder() -> TempDir {
    let folder = TempDir::with_prefix("maiasaura-").expect("a temporary folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("its mode");
    folder
}
