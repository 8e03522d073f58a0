//! `kill -9` of the receiver and of the server at any moment: what was promised has its row, and what is
//! sent again has one only.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use maiasaura::server::Address;
use rustix::process::Signal;

use crate::client::{Client, Stream, mail_data};
use crate::house::{Folder, eventually};
use crate::mariadb::{Database, Server, at_once};
use crate::process::Program;
use crate::rows::CHAIN;

/// Clients, and how often something is killed.
const CLIENTS: usize = 6;
const CYCLES: usize = 5;

/// A client that sends one message after another, and one again that it was not promised.
#[derive(Default)]
struct Sender {
    name: String,
    next: u32,
    promised: Vec<String>,
}

impl Sender {
    fn subject(&self) -> String {
        format!("{}-{}", self.name, self.next)
    }

    /// Sends until the server is gone, or it is told to stop.
    fn send(&mut self, address: &Address, stop: &AtomicBool) {
        let Ok(stream) = Stream::connect(address) else {
            return;
        };
        let mut client = Client::over(stream);
        if last_line(&mut client).is_none() || !try_say(&mut client, "EHLO c.example", "250") {
            return;
        }
        while !stop.load(Ordering::Relaxed) {
            let subject = self.subject();
            let mail = format!("Subject: {subject}\r\n\r\nbody of {subject}\r\n");
            let begin = [
                "MAIL FROM:<s@example.net>",
                "RCPT TO:<a@example.org>",
                "RCPT TO:<b@example.org>",
                "DATA",
            ];
            if !begin.iter().all(|line| {
                try_say(
                    &mut client,
                    line,
                    if *line == "DATA" { "354" } else { "250" },
                )
            }) {
                return;
            }
            if client.try_send(&mail_data(mail.as_bytes())).is_err() {
                return;
            }
            match last_line(&mut client) {
                Some(reply) if reply.starts_with("250 ") => {
                    self.promised.push(subject);
                    self.next += 1;
                }
                Some(reply) => assert!(reply.starts_with("451 "), "{reply}"),
                None => return,
            }
        }
    }
}

fn try_say(client: &mut Client, line: &str, expected: &str) -> bool {
    let is_sent = client.try_send(format!("{line}\r\n").as_bytes()).is_ok();
    is_sent && last_line(client).is_some_and(|reply| reply.starts_with(expected))
}

/// The last line of a reply, from a server that may have gone.
fn last_line(client: &mut Client) -> Option<String> {
    loop {
        let line = client.try_reply()?;
        if line.as_bytes().get(3) != Some(&b'-') {
            return Some(line);
        }
    }
}

fn senders() -> Vec<Sender> {
    let sender = |number| Sender {
        name: format!("s{number}"),
        ..Sender::default()
    };
    (0..CLIENTS).map(sender).collect()
}

/// Has all of them send, while something happens.
fn meanwhile(senders: &mut [Sender], address: &Address, happens: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for sender in senders {
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) && Stream::connect(address).is_ok() {
                    sender.send(address, stop);
                }
            });
        }
        happens();
        stop.store(true, Ordering::Relaxed);
    });
}

/// Every message that was promised has a row for each recipient, and no more; so has what was not.
#[track_caller]
fn audit(database: &Database, folder: &Folder, senders: &[Sender]) {
    let rows = database.sql("SELECT CONCAT(subject, ' ', recipient), COUNT(*) FROM new_mail GROUP BY subject, recipient");
    let rows: std::collections::HashMap<&str, &str> = rows
        .lines()
        .filter_map(|row| row.split_once('\t'))
        .collect();
    assert!(rows.values().all(|count| *count == "1"), "twice: {rows:?}");
    let mut promised = 0;
    for subject in senders.iter().flat_map(|sender| &sender.promised) {
        for who in ["a", "b"] {
            let row = format!("{subject} {who}@example.org");
            assert!(rows.contains_key(&*row), "{row} was promised");
            promised += 1;
        }
    }
    assert!(
        promised > 2 * CYCLES,
        "hardly anything was sent: {promised}"
    );
    let files = folder.mails("example.org/a").len();
    assert!(2 * files >= promised, "{files} files, {promised} promised");
}

fn waits() -> Duration {
    // Something is under way then; how much makes no difference to what is asked.
    Duration::from_millis(400)
}

/// Upstream: 250 up to three seconds before the row is written; a crash loses it.
#[test]
fn the_receiver_is_killed() {
    let database = Database::with_table();
    let folder = Folder::new();
    let yaml = format!("{CHAIN}{}", database.section("delivery: inline"));
    let mut senders = senders();
    for _ in 0..CYCLES {
        let program = Program::serve(&folder, &yaml);
        let address = program.address().clone();
        meanwhile(&mut senders, &address, || {
            thread::sleep(waits());
            program.signal(Signal::KILL);
        });
    }
    // What was under way comes again, and has its row then.
    let program = Program::serve(&folder, &yaml);
    let address = program.address().clone();
    meanwhile(&mut senders, &address, || thread::sleep(waits()));
    program.stop();
    audit(&database, &folder, &senders);
}

#[test]
fn the_database_is_killed() {
    for keys in ["delivery: inline", "delivery: queued"] {
        let server = Server::start(&[]);
        let database = server.database();
        database.make_table();
        let folder = Folder::new();
        let section = database.section(&format!("{keys}, timeout: 5s, connect_timeout: 2s"));
        let yaml = format!("{CHAIN}spool: {{longest_pause: 1s}}\n{section}");
        let program = Program::serve(&folder, &yaml);
        let address = program.address().clone();
        let mut senders = senders();
        for _ in 0..CYCLES {
            meanwhile(&mut senders, &address, || {
                thread::sleep(waits());
                server.kill();
                server.run();
                thread::sleep(waits());
            });
        }
        if keys.ends_with("queued") {
            let promised = |senders: &[Sender]| {
                2 * senders
                    .iter()
                    .map(|sender| sender.promised.len())
                    .sum::<usize>()
            };
            let wanted = promised(&senders);
            eventually("the queue is written", || {
                let mut retry = crate::process::command(
                    &folder,
                    &["-c", "config.yaml", "queue", "retry", "--all"],
                );
                let _ = retry.output();
                database.count() >= wanted
            });
        }
        program.stop();
        audit(&database, &folder, &senders);
    }
}

/// The control: without a key the same message would have several rows, so that this would be seen.
#[test]
fn the_audit_sees_what_is_there_twice() {
    let database = Database::with_table();
    let rows = at_once(4, |number| maiasaura::mysql::Row {
        key: format!("{number}"),
        subject: "s0-0".into(),
        recipient: "a@example.org".into(),
        received: 1_700_000_000,
        ..maiasaura::mysql::Row::default()
    });
    let inserted = maiasaura::mysql::Database::new(database.settings()).insert(rows);
    assert_eq!(inserted.map(|keys| keys.len()), Ok(4));
    let seen = std::panic::catch_unwind(|| audit(&database, &Folder::new(), &[]));
    assert!(seen.is_err());
}
