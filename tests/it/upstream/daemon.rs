//! The daemon: its configuration, its start and its end.

use std::fs;

use rustix::process::Signal;

use super::{BOB, MAIL, SENDER, complaint};
use crate::client::{Client, mail_data};
use crate::house::{Folder, House, eventually, mode};
use crate::process::{Program, command, configure, shell};

/// Upstream: unknown keys are ignored, and bad values become defaults.
#[test]
fn what_is_not_understood_is_refused() {
    for (yaml, said) in [
        ("allowed_hosts: [a.test]", "unknown key \"allowed_hosts\""),
        ("backend_config: {}", "unknown key \"backend_config\""),
        (
            "listeners: [{listen_interface: \"127.0.0.1:0\"}]",
            "unknown key \"listen_interface\"",
        ),
        (
            "timeouts: {delivery: soon}",
            "timeouts.delivery: \"soon\" is not a time",
        ),
        (
            "limits: {connections: many}",
            "limits.connections: expected a whole number",
        ),
        ("log: {level: loud}", "log.level: unknown word \"loud\""),
        (
            "save: HeadersParser|Headr|MailDir",
            "did you mean \"Header\"",
        ),
    ] {
        let complaint = complaint(yaml);
        assert!(complaint.contains(said), "{complaint}");
    }
}

/// Upstream: of two servers with one address the second is ignored.
#[test]
fn an_address_has_one_listener() {
    let yaml = "listeners: [{address: \"127.0.0.1:2525\"}, {address: \"127.0.0.1:2525\"}]";
    let said = complaint(yaml);
    assert!(
        said.contains("another listener has 127.0.0.1:2525 already"),
        "{said}"
    );
}

/// Upstream: the check of the limit of file descriptors runs a shell's builtin as a program: never.
#[test]
fn too_few_descriptors_are_noticed() {
    let folder = Folder::new();
    configure(&folder, "");
    let few = shell(
        &folder,
        "ulimit -n 100; exec \"$@\"",
        &["-c", "config.yaml"],
    );
    let program = Program::introduced(few, "");
    let line = program.stderr.wait("few file descriptors", 1).remove(0);
    let needed = line.split(" needed=").nth(1).expect("it tells how many");
    assert!(line.contains("write LimitNOFILE="), "{line}");
    assert!(
        line.contains(", or lower maildir.cached_maildirs (takes "),
        "{line}"
    );
    assert!(line.contains(&format!("or ulimit -n {needed} ")), "{line}");
    program.stop();
    let arguments = ["-c", "config.yaml", "check"];
    let checked = Program::spawn(shell(&folder, "ulimit -n 100; exec \"$@\"", &arguments)).end();
    let said = "warn  file descriptors: 100 may be opened here, and limits allow for ";
    assert!(
        checked.stdout.iter().any(|line| line.starts_with(said)),
        "{checked:#?}"
    );
}

/// A soft limit that is too low is no reason to complain where it may be raised.
#[test]
fn the_limit_of_descriptors_is_raised() {
    let folder = Folder::new();
    configure(
        &folder,
        "limits: {connections: 200}\nmaildir: {cached_maildirs: 10}",
    );
    let low = shell(
        &folder,
        "ulimit -S -n 100; exec \"$@\"",
        &["-c", "config.yaml"],
    );
    let program = Program::introduced(low, "");
    let limits = format!("/proc/{}/limits", program.pid().as_raw_pid());
    let limits = fs::read_to_string(limits).expect("it runs");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let mut numbers = line.expect("it is there").split_whitespace().skip(3);
    assert_eq!(numbers.next(), numbers.next());
    let errors = program.stop().stderr.join("\n");
    assert!(!errors.contains("few file descriptors"), "{errors}");
}

/// Upstream: an idle client hears of the end only when it says something.
#[test]
fn the_end_is_said_at_once() {
    let mut house = House::new("");
    let mut idle = house.client();
    let mut busy = house.client();
    busy.begin(SENDER, &[BOB]);
    std::thread::scope(|scope| {
        scope.spawn(|| house.close());
        idle.hears("421 4.3.2 ");
        idle.is_left();
        busy.send(&mail_data(MAIL));
        busy.hears("250 2.0.0 ");
        busy.hears("421 4.3.2 ");
    });
    assert_eq!(house.folder.mail_count(), 1);
}

/// Upstream: the pid file stays when the program has ended.
#[test]
fn the_pid_file_ends_with_the_program() {
    let folder = Folder::new();
    let program = Program::serve(&folder, "pid_file: ./pid");
    let text = fs::read_to_string(folder.path("pid")).expect("it is there");
    assert_eq!(text.trim(), program.pid().as_raw_pid().to_string());
    program.stop();
    assert!(!folder.path("pid").exists());
}

/// Upstream: a second one with the same pid file writes over it, and signals go astray.
#[test]
fn the_pid_file_is_of_one_program() {
    let folder = Folder::new();
    let first = Program::serve(&folder, "pid_file: ./pid");
    let second = Program::spawn(command(&folder, &["-c", "config.yaml"])).end();
    assert_eq!(second.code, Some(69), "{second:#?}");
    let text = fs::read_to_string(folder.path("pid")).expect("it is there");
    assert_eq!(text.trim(), first.pid().as_raw_pid().to_string());
    first.stop();
}

/// Upstream: a change of a server's `log_file` moves the main log there, too, and one of `log_level`
/// moves the logs of all servers to the main one.
#[test]
fn logs_are_changed_one_by_one() {
    let folder = Folder::new();
    let yaml = |own: &str, level: &str| {
        format!(
            "listeners: [{{address: \"127.0.0.1:0\", log: {{file: ./{own}}}}}, {{address: \"unix:${{FOLDER}}/s\"}}]\n\
             log: {{level: {level}}}"
        )
    };
    let program = Program::serve(&folder, &yaml("one.log", "warn"));
    configure(&folder, &yaml("two.log", "warn"));
    program.signal(Signal::HUP);
    eventually("the listener has its file", || {
        folder.path("two.log").exists()
    });
    configure(&folder, &yaml("two.log", "info"));
    program.signal(Signal::HUP);
    program.stderr.wait("reloaded: changed: log.level", 1);
    for address in program.addresses() {
        let mut client = Client::greeted(address);
        client.deliver(SENDER, &[BOB], MAIL);
    }
    let own = || fs::read_to_string(folder.path("two.log")).unwrap_or_default();
    eventually("it is in its file", || own().contains("client=127.0.0.1"));
    program.stderr.wait("client=unix", 1);
    assert!(!own().contains("client=unix"));
    let main = program.stop().stderr.join("\n");
    assert!(!main.contains("client=127.0.0.1"), "{main}");
}

/// Upstream: everybody may read the log, which holds addresses.
#[test]
fn a_log_is_not_for_everybody() {
    let folder = Folder::new();
    let program = Program::serve(&folder, "log: {file: ./mail.log}");
    assert_eq!(mode(&folder.path("mail.log")) & 0o007, 0);
    program.stop();
}
