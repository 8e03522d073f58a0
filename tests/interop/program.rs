//! Programs that run to their end.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

/// The programs, and the Debian packages that bring them.
const PACKAGES: &[(&str, &str)] = &[
    ("curl", "curl"),
    ("doveadm", "dovecot-core"),
    ("dovecot", "dovecot-core"),
    ("gzip", "gzip"),
    ("haproxy", "haproxy"),
    ("id", "coreutils"),
    ("logrotate", "logrotate"),
    ("mutt", "mutt"),
    ("nginx", "nginx"),
    ("notmuch", "notmuch"),
    ("openssl", "openssl"),
    ("pebble", "pebble"),
    ("pebble-challtestsrv", "pebble"),
    ("php", "php-cli"),
    ("postfix", "postfix"),
    ("postqueue", "postfix"),
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
    ("python3", "python3"),
    ("script", "bsdutils"),
    ("sh", "dash"),
    ("smtp-source", "postfix"),
    ("strace", "strace"),
    ("swaks", "swaks"),
    ("systemd-analyze", "systemd"),
    ("systemd-socket-activate", "systemd"),
    ("testssl", "testssl.sh"),
    ("timeout", "coreutils"),
    ("unshare", "util-linux"),
];

/// Seconds that a command may take.
const LIMIT: u32 = 120;

/// The program under test.
pub const MAIASAURA: &str = env!("CARGO_BIN_EXE_maiasaura");

/// A command for one of the programs. Mail programs are often in /usr/sbin, which is not in the
/// path of an ordinary user.
pub fn program(name: &str) -> Command {
    let path = format!("{}:/usr/sbin:/sbin", env::var("PATH").unwrap_or_default());
    let file = path.split(':').map(|folder| Path::new(folder).join(name));
    let Some(file) = file.into_iter().find(|file| file.is_file()) else {
        let package = PACKAGES.iter().find(|(known, _)| *known == name);
        let package = package.map_or(name, |(_, package)| package);
        panic!("{name} is missing; install it with: apt-get install {package}");
    };
    let mut command = Command::new(file);
    command.env("PATH", path).env("LC_ALL", "C.UTF-8");
    command
}

/// A script that lies beside these tests, for `python3`.
pub fn script(name: &str) -> Command {
    let mut command = program("python3");
    command.arg("-B").arg(scripts().join(name));
    command
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/scripts")
}

/// Runs a command that must succeed, and returns its standard output.
pub fn succeed(command: &mut Command) -> Vec<u8> {
    let output = run(command);
    assert!(output.status.success(), "{command:?}\n{}", shown(&output));
    output.stdout
}

/// Runs a command.
pub fn run(command: &Command) -> Output {
    feed(command, b"")
}

/// Runs a command that may take so many seconds.
pub fn run_for(seconds: u32, command: &Command) -> Output {
    start(limited(command, seconds), b"")
}

/// Runs a command with `input` on its standard input.
pub fn feed(command: &Command, input: &[u8]) -> Output {
    start(limited(command, LIMIT), input)
}

fn start(mut command: Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    // A command that does not read all of it is no fault of ours.
    let writer = thread::spawn(move || stdin.write_all(&input).is_ok());
    let output = child.wait_with_output().expect("its output");
    writer.join().expect("the writer");
    output
}

/// The same command, which is killed when it takes much too long.
fn limited(command: &Command, seconds: u32) -> Command {
    let mut limited = program("timeout");
    limited.args(["--kill-after=5", &seconds.to_string()]);
    limited.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        limited.env(name, value.unwrap_or_default());
    }
    if let Some(folder) = command.get_current_dir() {
        limited.current_dir(folder);
    }
    limited
}

/// What a command said, for a person; of much only the end.
pub fn shown(output: &Output) -> String {
    let end = |octets: &[u8]| {
        let start = octets.len().saturating_sub(4000);
        String::from_utf8_lossy(&octets[start..]).into_owned()
    };
    format!(
        "{}\n{}\n{}",
        output.status,
        end(&output.stdout),
        end(&output.stderr)
    )
}
