//! systemd: its sockets, what it is told, and the units that are shipped for it.

use std::fs;
use std::io::Read as _;
use std::net::TcpStream;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::content::awkward;
use crate::maildir::Maildir;
use crate::program::{MAIASAURA, program, run, shown, succeed};
use crate::receiver::folder;
use crate::service::{Service, free_port};

/// The most that `systemd-analyze security` may find: 10 is all rights, 0 none.
const EXPOSURE: &str = "20"; // tenths

/// A file of the repository.
fn shipped(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The value of a key in a unit.
fn value<'a>(unit: &'a str, key: &str) -> &'a str {
    let mut lines = unit.lines();
    let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {key}= in\n{unit}"))
}

/// systemd's own program that opens sockets and, when a client comes, becomes the receiver.
struct Activation {
    folder: TempDir,
    port: u16,
    command: Command,
    notices: UnixDatagram,
}

impl Activation {
    /// Sockets on a free port and at lmtp.sock, in this order, under these names.
    fn new(names: &str) -> Self {
        let port = free_port();
        let mut activation = Self::without_sockets();
        let socket = activation.lmtp().display().to_string();
        let listen = ["-l", &format!("127.0.0.1:{port}"), "-l", &socket];
        activation.command.args(listen);
        if !names.is_empty() {
            activation.command.arg(format!("--fdname={names}"));
        }
        activation.port = port;
        activation
    }

    fn without_sockets() -> Self {
        let folder = folder();
        let notify = folder.path().join("notify");
        let notices = UnixDatagram::bind(&notify).expect("a socket for notices");
        let patience = Some(Duration::from_mins(1));
        notices.set_read_timeout(patience).expect("a timeout");
        let mut command = program("systemd-socket-activate");
        command.current_dir(folder.path());
        let path = |name: &str| folder.path().join(name).display().to_string();
        for set in [
            format!("NOTIFY_SOCKET={}", notify.display()),
            format!("STATE_DIRECTORY={}", path("maildirs")),
            "WATCHDOG_USEC=100000".to_owned(),
        ] {
            command.args(["-E", &set]);
        }
        Self {
            folder,
            port: 0,
            command,
            notices,
        }
    }

    fn lmtp(&self) -> PathBuf {
        self.folder.path().join("lmtp.sock")
    }

    /// Waits for a first client with these settings of the receiver.
    fn start(&mut self, settings: &str) -> Service {
        let configuration = self.folder.path().join("maiasaura.yaml");
        fs::write(&configuration, settings).expect("a file");
        self.command
            .args([MAIASAURA, "serve", "-c"])
            .arg(configuration);
        let mut service = Service::start("activation", &mut self.command, self.folder.path());
        service.line(&["Listening on "]);
        service
    }

    /// The next notice that is no sign of life.
    fn notice(&self) -> String {
        loop {
            let notice = self.any_notice();
            if notice != "WATCHDOG=1\n" {
                return notice;
            }
        }
    }

    fn any_notice(&self) -> String {
        let mut notice = [0; 4096];
        let length = self.notices.recv(&mut notice).expect("a notice in time");
        String::from_utf8_lossy(&notice[..length]).into_owned()
    }

    /// Delivers a message over SMTP and one over LMTP.
    fn deliver(&self) {
        let message = self.folder.path().join("message");
        fs::write(&message, awkward("systemd")).expect("a file");
        let smtp = ["--server", &format!("127.0.0.1:{}", self.port)].map(str::to_owned);
        let lmtp = [
            "--protocol",
            "LMTP",
            "--socket",
            &self.lmtp().display().to_string(),
        ];
        for (way, user) in
            [(&smtp, "one"), (&lmtp.map(str::to_owned), "two")] as [(&[String], _); 2]
        {
            let mut swaks = program("swaks");
            let to = format!("{user}@example.org");
            swaks
                .args(way)
                .args(["--from", "me@localhost", "--to", &to]);
            succeed(swaks.arg("--data").arg(format!("@{}", message.display())));
            let maildir = self.folder.path().join("maildirs/example.org").join(user);
            let stored = Maildir(maildir).message();
            assert!(
                stored
                    .content()
                    .starts_with(b"From: me@localhost\nTo: you@example.org\n")
            );
        }
    }
}

/// The sockets have the names that the shipped units give them, and the receiver the settings
/// that are shipped for these.
#[test]
fn receives_on_the_sockets_of_the_shipped_units() {
    let sockets = ["maiasaura.socket", "maiasaura-lmtp.socket"];
    let units = sockets.map(|unit| shipped(&format!("dist/systemd/{unit}")));
    let names = units
        .each_ref()
        .map(|unit| value(unit, "FileDescriptorName"));
    let mut activation = Activation::new(&names.join(":"));
    let mut service = activation.start(&shipped("config/recipes/systemd-socket.yaml"));
    activation.deliver();
    assert!(service.stop().success(), "{}", service.said());
    assert!(activation.lmtp().exists(), "the socket belongs to systemd");
}

/// The life of a service, as `Type=notify` and `WatchdogSec=` want to hear of it.
#[test]
fn tells_the_service_manager() {
    let mut activation = Activation::new("smtp:lmtp");
    let mut service = activation.start(&shipped("config/recipes/systemd-socket.yaml"));
    activation.deliver();
    let ready = "READY=1\nSTATUS=receiving on systemd:smtp, systemd:lmtp\n";
    assert_eq!(activation.notice(), ready);
    for _ in 0..3 {
        assert_eq!(activation.any_notice(), "WATCHDOG=1\n");
    }
    service.signal(Signal::HUP);
    let reloading = activation.notice();
    let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    let time = time.and_then(|time| time.trim_end().parse::<u64>().ok());
    assert!(time.is_some_and(|time| time > 0), "{reloading}");
    assert_eq!(activation.notice(), ready);
    // The sockets that were passed are kept.
    let mut greeting = [0; 4];
    let greeted = TcpStream::connect(("127.0.0.1", activation.port))
        .and_then(|mut client| client.read_exact(&mut greeting));
    greeted.expect("it is served");
    assert_eq!(&greeting, b"220 ");
    service.signal(Signal::TERM);
    let stopping = "STOPPING=1\nSTATUS=finishing what has begun\nEXTEND_TIMEOUT_USEC=";
    let notice = activation.notice();
    assert!(notice.starts_with(stopping), "{notice}");
    assert!(service.end().success(), "{}", service.said());
}

/// A process that hangs gives no sign of life, so that systemd ends it.
#[test]
fn gives_no_sign_of_life_when_it_does_not_live() {
    let mut activation = Activation::new("smtp:lmtp");
    let service = activation.start(&shipped("config/recipes/systemd-socket.yaml"));
    activation.deliver();
    activation.notice();
    service.signal(Signal::STOP);
    let silence = Some(Duration::from_millis(500));
    activation
        .notices
        .set_read_timeout(silence)
        .expect("a timeout");
    let mut notice = [0; 64];
    // What was sent before is still there; from one that lives, it would never end.
    let mut notices = (0..1000).map(|_| activation.notices.recv(&mut notice));
    assert!(notices.any(|notice| notice.is_err()), "it goes on");
    service.signal(Signal::CONT);
    let patience = Some(Duration::from_mins(1));
    activation
        .notices
        .set_read_timeout(patience)
        .expect("a timeout");
    assert_eq!(activation.any_notice(), "WATCHDOG=1\n");
}

#[test]
fn one_listener_serves_all_sockets_of_its_name() {
    let mut activation = Activation::new("mail:mail");
    let settings = "
        hostname: mx.example.org
        listeners: [{address: \"systemd:mail\", protocol: lmtp}]
        recipients: {hosts: [example.org]}
        maildir: {path: \"${STATE_DIRECTORY}/{host}/{user}\"}";
    let mut service = activation.start(settings);
    let port = format!("127.0.0.1:{}", activation.port);
    let socket = activation.lmtp().display().to_string();
    for way in [["--server", &port], ["--socket", &socket]] {
        let mut swaks = program("swaks");
        swaks
            .args(["--protocol", "LMTP", "--from", "me@localhost"])
            .args(way);
        succeed(swaks.args(["--to", "one@example.org"]));
    }
    let maildir = activation.folder.path().join("maildirs/example.org/one");
    assert_eq!(Maildir(maildir).messages().len(), 2);
    assert!(service.stop().success(), "{}", service.said());
}

/// Which sockets are passed, which are wanted, and what is said about it.
#[test]
fn says_what_is_wrong_with_the_sockets() {
    for (names, wanted, complaint) in [
        (
            "smtp:lmtp",
            &["other"][..],
            "systemd passed no socket \"other\", but \"smtp\", \"lmtp\"",
        ),
        (
            "smtp:lmtp",
            &["smtp"],
            "no listener has the address systemd:lmtp; give one to every FileDescriptorName=",
        ),
        (
            "",
            &["smtp"],
            "systemd passed no socket \"smtp\", but \"unknown\", \"unknown\"",
        ),
    ] {
        let mut activation = Activation::new(names);
        let mut service = activation.start(&listeners(wanted));
        TcpStream::connect(("127.0.0.1", activation.port)).expect("it listens");
        complains(&activation, &mut service, complaint);
    }
}

#[test]
fn says_which_sockets_are_not_for_mail() {
    let complaint =
        "what systemd passed as \"smtp\" takes no connections; write ListenStream= and Accept=no";
    // Accept=yes: a connection is passed and no socket that listens.
    let mut activation = Activation::without_sockets();
    let socket = activation.lmtp();
    activation
        .command
        .args(["--accept", "--fdname=smtp", "-l"])
        .arg(&socket);
    let mut service = activation.start(&listeners(&["smtp"]));
    let client = UnixStream::connect(&socket).expect("it listens");
    service.line(&[complaint]);
    drop(client);
    // ListenDatagram=
    let mut activation = Activation::without_sockets();
    let socket = activation.lmtp();
    activation
        .command
        .args(["--datagram", "--fdname=smtp", "-l"])
        .arg(&socket);
    let mut service = activation.start(&listeners(&["smtp"]));
    let datagram = UnixDatagram::unbound().expect("a socket");
    datagram.send_to(b"EHLO", &socket).expect("it is sent");
    complains(&activation, &mut service, complaint);
}

#[test]
fn says_that_no_socket_was_passed() {
    let folder = folder();
    let configuration = folder.path().join("maiasaura.yaml");
    fs::write(&configuration, listeners(&["smtp"])).expect("a file");
    let output = run(Command::new(MAIASAURA).arg("-c").arg(configuration));
    assert_eq!(output.status.code(), Some(69), "{}", shown(&output));
    let said = String::from_utf8_lossy(&output.stderr);
    let complaint = "systemd passed no socket \"smtp\", nor any other; start the socket unit";
    assert!(said.contains(complaint), "{said}");
}

fn listeners(names: &[&str]) -> String {
    let addresses = names
        .iter()
        .map(|name| format!("{{address: \"systemd:{name}\"}}"));
    format!(
        "listeners: [{}]\n",
        addresses.collect::<Vec<_>>().join(", ")
    )
}

/// It ends, and says why on standard error and in its status.
fn complains(activation: &Activation, service: &mut Service, complaint: &str) {
    let line = service.line(&[complaint]);
    assert_eq!(service.end().code(), Some(69), "{line}");
    let notice = activation.notice();
    assert!(
        notice.starts_with("STATUS=cannot listen on systemd:"),
        "{notice}"
    );
    assert!(notice.contains(complaint), "{notice}");
}

/// systemd finds nothing wrong with the units, and little that a receiver or a worker could do beside mail.
#[test]
fn the_shipped_units_are_sound() {
    let folder = folder();
    let mut paths = Vec::new();
    for name in [
        "maiasaura.service",
        "maiasaura-work.service",
        "maiasaura.socket",
        "maiasaura-lmtp.socket",
    ] {
        let unit = shipped(&format!("dist/systemd/{name}"));
        let path = folder.path().join(name);
        fs::write(&path, unit.replace("/usr/bin/maiasaura", MAIASAURA)).expect("a file");
        paths.push(path);
    }
    // Manuals need not be installed.
    let output = run(program("systemd-analyze")
        .args(["verify", "--man=no"])
        .args(&paths));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && !said.contains("maiasaura"),
        "{}",
        shown(&output)
    );
    let mut security = program("systemd-analyze");
    security.args([
        "security",
        "--offline=true",
        &format!("--threshold={EXPOSURE}"),
    ]);
    succeed(security.args(&paths[..2]));
}
