//! logrotate, with the file that comes with the program, while mail comes in.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::program::{MAIASAURA, program, succeed};
use crate::receiver::folder;
use crate::service::Service;

/// What is installed on a machine.
const SAMPLE: &str = include_str!("../../dist/logrotate/maiasaura");
const CONFIGURATION: &str = r#"
hostname: mx.example.org
listeners:
  - {address: "127.0.0.1:0", log: {file: FOLDER/log/one.log}}
  - {address: "127.0.0.1:0", log: {file: FOLDER/log/two.log}}
recipients: {hosts: [localhost]}
maildir: {durability: none}
limits: {connections_per_ip: 1000}
pid_file: FOLDER/maiasaura.pid
"#;
/// Messages that are handed over in one go.
const MESSAGES: usize = 200;
const ROTATIONS: usize = 4;
const PATIENCE: Duration = Duration::from_mins(1);

/// What the sample says, for a folder and a user of this machine.
fn sample(place: &str) -> String {
    let id = |flag| {
        let name = succeed(program("id").arg(flag));
        String::from_utf8(name).expect("a name").trim().to_owned()
    };
    let adapted = SAMPLE
        .replace("/var/log/maiasaura/", &format!("{place}/log/"))
        .replace(
            "/run/maiasaura/maiasaura.pid",
            &format!("{place}/maiasaura.pid"),
        )
        .replace(
            "su maiasaura maiasaura",
            &format!("su {} {}", id("-un"), id("-gn")),
        );
    assert_eq!(adapted.matches(place).count(), 3);
    adapted
}

/// Hands messages over, through several connections, until it is `done`; returns how many.
fn traffic(port: &str, sender: &str, done: &AtomicBool) -> usize {
    let mut source = program("smtp-source");
    source.args([
        "-s",
        "4",
        "-m",
        &MESSAGES.to_string(),
        "-l",
        "300",
        "-f",
        sender,
    ]);
    source.args(["-t", "you@localhost", &format!("inet:127.0.0.1:{port}")]);
    let mut count = 0;
    while !done.load(Ordering::Relaxed) {
        succeed(&mut source);
        count += MESSAGES;
    }
    count
}

/// The lines about messages in a log and in all that it was renamed to, packed or not.
fn lines(folder: &Path, name: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let file = path.file_name().and_then(|name| name.to_str());
        if !file.is_some_and(|file| file.starts_with(name)) {
            continue;
        }
        let is_packed = path.extension().is_some_and(|extension| extension == "gz");
        let octets = if is_packed {
            succeed(program("gzip").arg("-dc").arg(&path))
        } else {
            fs::read(&path).expect("a log")
        };
        let text = String::from_utf8(octets).expect("text");
        assert!(
            text.ends_with('\n') || text.is_empty(),
            "{}",
            path.display()
        );
        let about = text.lines().filter(|line| line.contains(" message id="));
        lines.extend(about.map(str::to_owned));
    }
    lines
}

fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn no_line_is_lost_while_logs_are_rotated() {
    let folder = folder();
    let place = folder.path().display().to_string();
    let logs = folder.path().join("log");
    fs::create_dir(&logs).expect("a folder");
    let configuration = folder.path().join("maiasaura.yaml");
    fs::write(&configuration, CONFIGURATION.replace("FOLDER", &place)).expect("a file");
    let rules = folder.path().join("rules");
    fs::write(&rules, sample(&place)).expect("a file");
    let mut command = Command::new(MAIASAURA);
    command
        .arg("-c")
        .arg(&configuration)
        .current_dir(folder.path());
    let mut service = Service::start("maiasaura", &mut command, folder.path());
    service.line(&["try it"]);
    let said = service.said();
    let ports = said
        .lines()
        .filter_map(|line| line.split_once("listening  on 127.0.0.1:"));
    let ports: Vec<&str> = ports.map(|(_, port)| port.trim()).collect();

    let done = AtomicBool::new(false);
    let sent: Vec<usize> = thread::scope(|scope| {
        let send = |(number, port): (usize, &&str)| {
            let (port, done) = (port.to_string(), &done);
            scope.spawn(move || traffic(&port, &format!("s{number}@example.net"), done))
        };
        let senders: Vec<_> = ports.iter().enumerate().map(send).collect();
        for _ in 0..ROTATIONS {
            for name in ["one.log", "two.log"] {
                let file = logs.join(name);
                wait("the log has lines", || {
                    fs::metadata(&file).is_ok_and(|file| file.len() > 0)
                });
            }
            let state = folder.path().join("state");
            succeed(
                program("logrotate")
                    .arg("-f")
                    .arg("-s")
                    .arg(state)
                    .arg(&rules),
            );
        }
        done.store(true, Ordering::Relaxed);
        let senders = senders.into_iter();
        senders
            .map(|sender| sender.join().expect("it ends"))
            .collect()
    });
    for (number, name) in ["one.log", "two.log"].into_iter().enumerate() {
        wait("every message has its line", || {
            lines(&logs, name).len() >= sent[number]
        });
        let lines = lines(&logs, name);
        assert_eq!(lines.len(), sent[number]);
        let own = format!(" from=s{number}@example.net ");
        assert!(lines.iter().all(|line| line.contains(&own)));
        assert!(logs.join(format!("{name}.{ROTATIONS}.gz")).exists());
    }
    assert!(service.stop().success(), "{}", service.said());
    assert!(!folder.path().join("maiasaura.pid").exists());
}
