//! The receiver of the page that takes mail over a network: a port for each way in, all with TLS.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::authority::Authority;
use crate::maildir::Maildir;
use crate::program::{MAIASAURA, feed, shown};
use crate::receiver::folder;
use crate::sample::block;
use crate::service::Service;

/// The name that MTAs find here; on the page it is `mail.example.org`.
pub const NAME: &str = "localhost";
/// Who has a mailbox.
pub const GOOD: &str = "good@example.org";
pub const SENDER: &str = "sender@example.org";
/// Of the user `relay`, on the page.
pub const PASSWORD: &str = "open sesame";
/// The CAs that an MTA trusts, on the page.
pub const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    StartTls,
    Implicit,
    Login,
    Lmtp,
}

/// All of them, as the page has them one after the other.
pub const DOORS: [Door; 4] = [Door::StartTls, Door::Implicit, Door::Login, Door::Lmtp];

impl Door {
    /// What the blocks of the page about it are called.
    pub fn title(self) -> &'static str {
        match self {
            Self::StartTls => "smtp",
            Self::Implicit => "smtp implicit",
            Self::Login => "smtp login",
            Self::Lmtp => "lmtp tls",
        }
    }

    /// Its port on the page.
    pub fn port(self) -> &'static str {
        match self {
            Self::StartTls => "25",
            Self::Implicit => "465",
            Self::Login => "587",
            Self::Lmtp => "24",
        }
    }

    /// What `Received` and the log say of mail that comes through it.
    pub fn protocol(self) -> &'static str {
        match self {
            Self::StartTls | Self::Implicit => "ESMTPS",
            Self::Login => "ESMTPSA",
            Self::Lmtp => "LMTPS",
        }
    }
}

/// How an MTA goes to one of them.
#[derive(Clone, Debug)]
pub struct Secure {
    pub door: Door,
    port: u16,
    /// What is otherwise than on the page.
    changes: Vec<(&'static str, String)>,
}

impl Secure {
    /// With one text of the page replaced.
    pub fn with(mut self, written: &'static str, here: impl Into<String>) -> Self {
        self.changes.retain(|(other, _)| *other != written);
        self.changes.push((written, here.into()));
        self
    }

    /// At another port.
    pub fn at(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// What is to be replaced in the blocks of docs/mta.md, with the files in `etc`.
    pub fn here(&self, etc: &str) -> Vec<(&'static str, String)> {
        let mut here = self.changes.clone();
        let (postfix, lmtp, exim) = match self.door {
            Door::StartTls => ("]:25", ":24\n", "port = 25\n"),
            Door::Implicit => ("]:465", ":24\n", "port = 465\n"),
            Door::Login => ("]:587", ":24\n", "port = 587\n"),
            Door::Lmtp => ("]:25", ":24\n", "port = 24\n"),
        };
        here.push((postfix, format!("]:{}", self.port)));
        here.push((lmtp, format!(":{}\n", self.port)));
        here.push((exim, format!("port = {}\n", self.port)));
        // Exim wants to be sure that it may talk to its own machine.
        let sure = "driver = smtp\n  allow_localhost\n  gethostbyname\n";
        here.push(("driver = smtp\n", sure.to_owned()));
        here.push(("mail.example.org", NAME.to_owned()));
        here.push(("/etc/postfix", etc.to_owned()));
        here
    }
}

/// The file of users that `maiasaura passwd` makes, which takes a while.
static USERS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = folder();
    let file = folder.path().join("users");
    let mut passwd = Command::new(MAIASAURA);
    passwd.arg("passwd").arg("--file").arg(&file).arg("relay");
    let added = feed(&passwd, format!("{PASSWORD}\n").as_bytes());
    assert!(added.status.success(), "{}", shown(&added));
    fs::read(file).expect("a file")
});

/// A running receiver with the settings of the page.
pub struct Doors {
    ports: Vec<u16>,
    service: Service,
    folder: TempDir,
}

impl Doors {
    /// With a certificate for our name.
    pub fn open() -> Self {
        Self::named(NAME)
    }

    /// With a certificate for another name.
    pub fn named(name: &str) -> Self {
        let folder = folder();
        let place = folder.path();
        let authority = Authority::new();
        authority.issue(&[name]).write(place);
        fs::write(place.join("ca.pem"), &authority.pem).expect("a file");
        fs::write(place.join("other.pem"), &Authority::new().pem).expect("a file");
        for user in ["good", "sender"] {
            for part in ["new", "cur", "tmp"] {
                let maildir = place.join("maildirs/example.org").join(user);
                fs::create_dir_all(maildir.join(part)).expect("a folder");
            }
        }
        fs::write(place.join("users"), &*USERS).expect("a file");
        let configuration = place.join("maiasaura.yaml");
        fs::write(&configuration, sample(place)).expect("a file");
        let mut command = Command::new(MAIASAURA);
        command.arg("-c").arg(&configuration);
        let mut service = Service::start("maiasaura", &mut command, place);
        service.line(&["started"]);
        let ports = service
            .said()
            .lines()
            .filter_map(|line| line.trim().strip_prefix("listening  on 127.0.0.1:"))
            .map(|port| port.parse().expect("a port"))
            .collect();
        Self {
            ports,
            service,
            folder,
        }
    }

    pub fn port(&self, door: Door) -> u16 {
        let at = DOORS.iter().position(|other| *other == door);
        self.ports[at.expect("it is one of them")]
    }

    /// The way of the page to this door, for an MTA that trusts who has signed our certificate.
    pub fn to(&self, door: Door) -> Secure {
        let secure = Secure {
            door,
            port: self.port(door),
            changes: Vec::new(),
        };
        secure.with(AUTHORITIES, self.authority("ca.pem"))
    }

    /// A CA: `ca.pem` has signed our certificate, `other.pem` has not.
    pub fn authority(&self, file: &str) -> String {
        self.folder.path().join(file).display().to_string()
    }

    pub fn maildir(&self, mailbox: &str) -> Maildir {
        let (user, host) = mailbox.split_once('@').expect("user@host");
        Maildir(self.folder.path().join("maildirs").join(host).join(user))
    }

    /// Waits for a line of the log that contains all of `words`.
    pub fn logged(&mut self, words: &[&str]) -> String {
        self.service.line(words)
    }

    /// Lets it finish; it must end well and never have met a fault of its own.
    pub fn finish(mut self) {
        let ended = self.service.stop();
        let log = self.service.said();
        assert!(
            ended.success() && !log.contains(" ERROR "),
            "{ended}\n{log}"
        );
    }
}

/// The configuration of the page, with its files in `place`.
fn sample(place: &Path) -> String {
    let file = |name: &str| place.join(name).display().to_string();
    let addresses = DOORS.map(|door| format!("10.0.0.2:{}\"", door.port()));
    let mut replace: Vec<(&str, &str)> = addresses
        .iter()
        .map(|address| (&**address, "127.0.0.1:0\""))
        .collect();
    let (chain, key) = (file("cert.pem"), file("key.pem"));
    let (users, maildirs) = (file("users"), file("maildirs"));
    replace.extend([
        ("/etc/maiasaura/fullchain.pem", &*chain),
        ("/etc/maiasaura/privkey.pem", &key),
        ("/etc/maiasaura/users", &users),
        ("/var/mail", &maildirs),
    ]);
    block("maiasaura.yaml smtp", &replace)
}
