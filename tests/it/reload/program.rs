//! SIGHUP, and what the program says to it.

use std::fs;

use rustix::process::Signal;

use crate::client::Client;
use crate::house::{Folder, eventually};
use crate::process::{Program, command, configure};

const RELOADED: &str = " reloaded: ";

#[test]
fn the_file_is_read_again() {
    let folder = Folder::new();
    let program = Program::serve(&folder, "hostname: one.test");
    let mut old = program.client();
    configure(
        &folder,
        "hostname: two.test\nlisteners: [{address: '127.0.0.1:0'}, {address: 'unix:${FOLDER}/s'}]",
    );
    program.signal(Signal::HUP);
    let line = &program.stderr.wait(RELOADED, 1)[0];
    assert!(
        line.contains(" INFO ") && line.contains("generation=2"),
        "{line}"
    );
    let opened = format!(
        "changed: hostname, listeners; opened: unix:{}",
        folder.path("s").display()
    );
    assert!(line.contains(&opened), "{line}");
    Client::connect(program.address()).hears("220 two.test ");
    old.wants("NOOP", "250 ");
    assert!(folder.path("s").exists());
    program.stop();
    assert!(!folder.path("s").exists(), "it is left behind");
}

/// One line, and all is as before; when it is mended, it is taken.
#[test]
fn a_file_that_is_wrong_is_complained_about() {
    let folder = Folder::new();
    let program = Program::serve(&folder, "hostname: one.test");
    let wrong = [
        ("hostname: [", "config.yaml:"),
        ("hostname: two.test\nlimits: {conections: 5}", "connections"),
        ("hostname: two.test\nsave: MailDir|Mine", "Mine"),
        (
            "hostname: two.test\nlog: {file: /proc/none/log}",
            "log.file",
        ),
    ];
    for (count, (yaml, why)) in wrong.iter().enumerate() {
        configure(&folder, yaml);
        program.signal(Signal::HUP);
        let lines = program.stderr.wait("ERROR not reloaded", count + 1);
        let line = lines.last().expect("there is one");
        assert!(
            line.contains("the configuration from before stays") && line.contains(why),
            "{line}"
        );
        Client::connect(program.address()).hears("220 one.test ");
    }
    fs::remove_file(folder.path("config.yaml")).expect("it is there");
    program.signal(Signal::HUP);
    program.stderr.wait("there is no such file", 1);
    configure(&folder, "hostname: two.test");
    program.signal(Signal::HUP);
    program.stderr.wait(RELOADED, 1);
    Client::connect(program.address()).hears("220 two.test ");
    let ended = program.stop();
    let errors = ended.stderr.iter().filter(|line| line.contains(" ERROR "));
    assert_eq!(errors.count(), wrong.len() + 1, "{:#?}", ended.stderr);
}

/// Level, form and target of the log.
#[test]
fn the_log_is_changed_too() {
    let folder = Folder::new();
    let program = Program::serve(&folder, "log: {level: error}");
    let log = folder.path("mail.log");
    configure(
        &folder,
        "log: {level: debug, format: json, addresses: none, file: '${FOLDER}/mail.log'}",
    );
    program.signal(Signal::HUP);
    let text = || fs::read_to_string(&log).unwrap_or_default();
    eventually("it is in the file", || {
        text().contains("reloaded: changed: log")
    });
    program
        .client()
        .deliver("s@example.net", &["bob@example.org"], b"Subject: t\r\n\r\n");
    eventually("a message is in the file", || {
        text().contains("\"message\"")
    });
    assert!(!text().contains("bob@"), "{}", text());
    assert!(
        text().lines().all(|line| line.starts_with('{')),
        "{}",
        text()
    );
    configure(&folder, "log: {level: info, file: stderr}");
    program.signal(Signal::HUP);
    program.stderr.wait(RELOADED, 1);
    let before = text();
    program
        .client()
        .deliver("s@example.net", &["bob@example.org"], b"Subject: t\r\n\r\n");
    program.stderr.wait(" message ", 1);
    assert_eq!(text(), before);
    program.stop();
}

/// More deliveries at once need more threads, fewer do not end any.
#[test]
fn there_are_threads_enough() {
    let folder = Folder::new();
    let program = Program::serve(&folder, "limits: {deliveries: 2}");
    let threads = || {
        let tasks = format!("/proc/{}/task", program.pid().as_raw_nonzero());
        let tasks = fs::read_dir(tasks).expect("it runs").flatten();
        let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name.starts_with("serve-")).count()
    };
    // Each gives itself its name when it begins.
    eventually("they have begun", || threads() == 2 + 2 * 2);
    for (count, (deliveries, expected)) in [(5, 12), (3, 12), (6, 14)].iter().enumerate() {
        configure(&folder, &format!("limits: {{deliveries: {deliveries}}}"));
        program.signal(Signal::HUP);
        program.stderr.wait(RELOADED, count + 1);
        eventually("they have begun", || threads() == *expected);
        let reply = program
            .client()
            .deliver("s@example.net", &["bob@example.org"], b"\r\n");
        assert!(reply.starts_with("250 "), "{reply}");
    }
    program.stop();
}

/// What was said at the start still holds.
#[test]
fn arguments_stay() {
    let folder = Folder::new();
    configure(
        &folder,
        "hostname: one.test\nlisteners: [{address: 'unix:${FOLDER}/s'}]",
    );
    let command = command(&folder, &["-c", "config.yaml", "--listen", "127.0.0.1:0"]);
    let program = Program::introduced(command, "");
    configure(
        &folder,
        "hostname: two.test\nlisteners: [{address: 'unix:${FOLDER}/s'}]",
    );
    program.signal(Signal::HUP);
    program.stderr.wait(RELOADED, 1);
    Client::connect(program.address()).hears("220 two.test ");
    assert!(!folder.path("s").exists());
    program.stop();
}
