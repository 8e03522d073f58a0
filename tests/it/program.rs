//! The program at the command line: what it says, and with which code it ends.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use maiasaura::server::Address;

use crate::client::Client;
use crate::house::{Folder, mode};
use crate::process::{Ended, Program, configure, run, shell};

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";

/// Runs `maiasaura -c config.yaml` with these arguments.
#[track_caller]
pub fn configured(yaml: &str, arguments: &[&str]) -> (Folder, Ended) {
    let folder = Folder::new();
    configure(&folder, yaml);
    let ended = run(&folder, &[&["-c", "config.yaml"], arguments].concat(), b"");
    (folder, ended)
}

#[test]
fn it_introduces_itself() {
    let folder = Folder::new();
    let program = Program::serve(&folder, "");
    let Address::Tcp(address) = program.address() else {
        panic!("not {}", program.address());
    };
    assert!(address.ip().is_loopback() && address.port() != 0);
    program.stderr.wait("started", 1);
    let ended = program.stop();
    let said = ended.stdout.join("\n");
    for part in [
        concat!(
            "maiasaura ",
            env!("CARGO_PKG_VERSION"),
            " as mx.example.org, configured by config.yaml\n"
        ),
        "  accepts    mail for example.org, *.wild.example\n",
        "/maildirs/{host}/{user} (durability: full)\n",
        "  try it     printf ",
        " --mail-rcpt you@example.org -T -",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn it_listens_at_several_addresses() {
    let folder = Folder::new();
    let program = Program::serve(
        &folder,
        "listeners:\n  - {address: \"127.0.0.1:0\"}\n  - {address: \"127.0.0.1:0\", protocol: lmtp}\n  \
         - {address: \"unix:${FOLDER}/lmtp:0620\", protocol: lmtp}",
    );
    let socket = folder.path("lmtp");
    assert_eq!(mode(&socket), 0o620);
    for address in program.addresses() {
        let reply = Client::greeted(address).deliver(SENDER, &[BOB], MAIL);
        assert!(reply.starts_with("250 "), "{address}: {reply}");
    }
    program.stop();
    assert_eq!(folder.mail_count(), 3);
    assert!(!socket.exists());
}

/// As systemd does: the socket is descriptor 3, and the environment says whose it is.
#[test]
fn a_socket_may_be_passed() {
    let folder = Folder::new();
    let yaml = "listeners: [{address: \"systemd:smtp\"}]";
    configure(&folder, yaml);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = Address::Tcp(listener.local_addr().expect("it is bound"));
    let line =
        "export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=smtp; exec \"$@\" 3<&0 0</dev/null";
    let mut command = shell(&folder, line, &["-c", "config.yaml"]);
    command.stdin(Stdio::from(OwnedFd::from(listener)));
    let program = Program::introduced(command, yaml);
    assert_eq!(program.address(), &Address::Systemd("smtp".into()));
    let reply = Client::greeted(&address).deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("250 "), "{reply}");
    program.stop();
}

#[test]
fn an_address_that_cannot_be_had_is_a_complaint() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let taken = taken
        .local_addr()
        .map(|address| (taken, address))
        .expect("it is bound");
    for (address, hint) in [
        (taken.1.to_string(), "another program listens there"),
        ("192.0.2.1:2525".into(), "this machine has no such address"),
        ("unix:/nowhere/socket".into(), "make the folder first"),
        ("systemd:smtp".into(), "systemd passed no socket \"smtp\""),
    ] {
        let (folder, ended) = configured("", &["serve", "--listen", &address]);
        assert_eq!(ended.code, Some(69), "{ended:#?}");
        let start = format!("maiasaura: cannot listen on {address}: ");
        let complaint = ended.complaint();
        assert!(
            complaint.starts_with(&start) && complaint.contains(hint),
            "{complaint}"
        );
        assert!(ended.stdout.is_empty());
        assert_eq!(folder.tree(), ["config.yaml"]);
    }
}

/// An address of this machine that no other process of these tests has: 127.0.0.0/8 has room for
/// the numbers of all.
pub fn own_address() -> Ipv4Addr {
    let own = 1 << 22 | std::process::id() & 0x3f_ffff;
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 0, 0, 0).to_bits() | own)
}

/// A port that needs a right is had with it and refused without.
#[test]
fn a_privileged_port_needs_its_right() {
    let folder = Folder::new();
    let address = SocketAddr::from((own_address(), 79));
    let yaml = format!("listeners: [{{address: \"{address}\"}}]");
    configure(&folder, &yaml);
    if TcpListener::bind(address).is_ok() {
        Program::serve(&folder, &yaml).stop();
    } else {
        let ended = run(&folder, &["-c", "config.yaml"], b"");
        assert_eq!(ended.code, Some(69), "{ended:#?}");
        let complaint = ended.complaint();
        assert!(complaint.contains("CAP_NET_BIND_SERVICE"), "{complaint}");
    }
}

#[test]
fn a_configuration_that_cannot_hold_is_a_complaint() {
    for (yaml, complaint) in [
        (
            "limits: {conections: 5}",
            "conections\"; did you mean \"connections\"",
        ),
        ("limits: {connections: many}", "limits.connections"),
        ("limits: {connections: 0}", "limits.connections"),
        (
            "recipients: {hosts: [\"exa mple.org\"]}",
            "recipients.hosts",
        ),
        ("save: HeadersParser|MailDri", "did you mean \"MailDir\""),
        ("log: {file: /nowhere/log}", "log.file"),
        ("maildir: {path: \"maildirs/{hots}\"}", "maildir.path"),
    ] {
        for command in ["serve", "check", "explain", "deliver"] {
            let arguments = [command, BOB];
            let count = if matches!(command, "serve" | "check") {
                1
            } else {
                2
            };
            if command != "serve" && yaml.starts_with("log") {
                continue;
            }
            let (folder, ended) = configured(yaml, &arguments[..count]);
            // Postfix and Exim return mail for 78, and keep it for 75.
            let code = if command == "deliver" { 75 } else { 78 };
            assert_eq!(ended.code, Some(code), "{command}: {ended:#?}");
            let line = ended.complaint();
            assert!(
                line.starts_with("maiasaura: config.yaml:"),
                "{command}: {line}"
            );
            assert!(line.contains(complaint), "{command}: {line}");
            assert_eq!(folder.tree(), ["config.yaml"]);
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_complaint() {
    let folder = Folder::new();
    for file in ["missing.yaml", "."] {
        let ended = run(&folder, &["-c", file], b"");
        assert_eq!(ended.code, Some(78), "{ended:#?}");
        assert!(ended.complaint().contains(file), "{ended:#?}");
    }
}

#[test]
fn explain_tells_where_mail_goes() {
    let yaml = "recipients: {hosts: [example.org], aliases: {info@example.org: [bob@example.org]}}";
    let (folder, ended) = configured(yaml, &["explain", "info@example.org"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let said = ended.stdout.join("\n");
    for part in [
        "bob@example.org",
        "/maildirs/example.org/bob",
        "save: HeadersParser | Hasher",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (_, ended) = configured(yaml, &["explain", "<info@example.org>"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let (_, ended) = configured(yaml, &["explain", "bob@example.com"]);
    assert_eq!(ended.code, Some(67), "{ended:#?}");
    assert!(ended.stderr.is_empty(), "{ended:#?}");
    assert!(ended.stdout.join("\n").contains("550 5.7.1"), "{ended:#?}");
    let (_, ended) = configured(yaml, &["explain", "bob"]);
    assert_eq!(ended.code, Some(64), "{ended:#?}");
    assert_eq!(folder.tree(), ["config.yaml"]);
}

#[test]
fn it_tells_about_itself() {
    let folder = Folder::new();
    for (arguments, code, said) in [
        (
            &["version"][..],
            0,
            concat!("maiasaura ", env!("CARGO_PKG_VERSION")),
        ),
        (
            &["--version"],
            0,
            concat!("maiasaura ", env!("CARGO_PKG_VERSION")),
        ),
        (&["--help"], 0, "Usage: maiasaura"),
        (&["deliver", "--help"], 0, "Exit codes: 0 delivered"),
        (&["serve", "--help"], 0, "HUP takes the configuration"),
        #[cfg(feature = "redis")]
        (&["work", "--help"], 0, "HUP takes the configuration"),
        (&["sevre"], 64, "serve"),
        (&["--listen", "127.0.0.1:0", "check"], 64, "--listen"),
        (&["serve", "--listen", "nowhere"], 64, "--listen"),
    ] {
        let ended = run(&folder, arguments, b"");
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:#?}");
        let (says, keeps) = match code {
            0 => (&ended.stdout, &ended.stderr),
            _ => (&ended.stderr, &ended.stdout),
        };
        assert!(says.join("\n").contains(said), "{arguments:?}: {ended:#?}");
        assert!(keeps.is_empty(), "{arguments:?}: {ended:#?}");
    }
}

/// Without a file and with an empty one, all is at its default.
#[test]
fn no_configuration_is_needed() {
    let folder = Folder::new();
    let empty = folder.path("empty.yaml");
    fs::write(&empty, "").expect("it can be written");
    let empty = empty.display().to_string();
    for (arguments, name) in [
        (&["explain", "you@localhost"][..], "built-in defaults"),
        (&["-c", &empty, "explain", "you@localhost"], &empty),
    ] {
        let ended = run(&folder, arguments, b"");
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        let said = ended.stdout.join("\n");
        assert!(said.contains("maildirs/localhost/you"), "{said}");
        assert!(said.contains(&format!("configuration: {name}")), "{said}");
    }
}
