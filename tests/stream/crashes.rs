//! kill -9 of Redis, of the receiver and of workers in turn, under load: what was promised is
//! delivered, and what a worker has marked as done is not delivered again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::Signal;

use crate::house::{Folder, eventually};
use crate::pair::{lengths, worker_process, yaml};
use crate::process::{Program, command, configure};
use crate::server::Server;

/// Clients at once.
const CLIENTS: usize = 8;
/// Messages that each worker delivers at once.
const AT_ONCE: usize = 4;
/// How often each of them is killed.
const ROUNDS: usize = 3;
/// Messages that have to be promised between two murders.
const MEANWHILE: usize = 60;
/// A client that hears nothing for so long begins anew.
const PATIENCE: Duration = Duration::from_secs(20);

/// Clients that send until they are told to stop, each message until it is taken.
struct Load {
    stop: Arc<AtomicBool>,
    promised: Arc<Mutex<BTreeSet<String>>>,
    count: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn on(socket: &Path) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            promised: Arc::default(),
            count: Arc::default(),
            clients: Vec::new(),
        };
        for client in 0..CLIENTS {
            let (stop, count) = (Arc::clone(&load.stop), Arc::clone(&load.count));
            let (promised, socket) = (Arc::clone(&load.promised), socket.to_owned());
            load.clients.push(thread::spawn(move || {
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    let subject = format!("mail-{client}-{number}");
                    if deliver(&socket, &subject, client).is_some() {
                        promised.lock().expect("no panic").insert(subject);
                        count.fetch_add(1, Ordering::Relaxed);
                        number += 1;
                    } else {
                        // The same again, as a relay does.
                        thread::sleep(Duration::from_millis(20));
                    }
                }
            }));
        }
        load
    }

    fn meanwhile(&self) {
        let before = self.count.load(Ordering::Relaxed);
        eventually("more mail is promised", || {
            self.count.load(Ordering::Relaxed) >= before + MEANWHILE
        });
    }

    fn end(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("no panic");
        }
        let promised = self.promised.lock().expect("no panic");
        promised.clone()
    }
}

/// Delivers one message on a connection of its own; nothing if it was not promised.
fn deliver(socket: &Path, subject: &str, client: usize) -> Option<()> {
    let stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut replies = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    let mut step = |line: &str, code: &str| {
        stream.write_all(line.as_bytes()).ok()?;
        loop {
            let mut reply = String::new();
            replies.read_line(&mut reply).ok()?;
            if reply.get(3..4) == Some(" ") {
                return reply.starts_with(code).then_some(());
            }
            if reply.is_empty() {
                return None;
            }
        }
    };
    step("", "220")?;
    step("EHLO client.example\r\n", "250")?;
    step("MAIL FROM:<s@example.net>\r\n", "250")?;
    step(&format!("RCPT TO:<user{client}@example.org>\r\n"), "250")?;
    step("DATA\r\n", "354")?;
    step(&format!("Subject: {subject}\r\n\r\nbody\r\n.\r\n"), "250")
}

/// How many copies of each message are in Maildirs.
fn copies(folder: &Folder) -> BTreeMap<String, usize> {
    let mut copies = BTreeMap::new();
    for client in 0..CLIENTS {
        for path in folder.files(&format!("example.org/user{client}/new")) {
            let text = std::fs::read_to_string(path).expect("it is text");
            let subject = text.lines().find_map(|line| line.strip_prefix("Subject: "));
            let subject = subject.expect("it has a subject").to_owned();
            *copies.entry(subject).or_default() += 1;
        }
    }
    copies
}

fn murder(program: Program) {
    program.signal(Signal::KILL);
    program.end();
}

#[test]
fn nothing_is_lost_whoever_dies() {
    let mut server = Server::start();
    let (entrance, store) = (Folder::new(), Folder::new());
    let keys = format!(", at_once: {AT_ONCE}");
    let yaml = yaml(
        &server,
        &keys,
        "listeners: [{address: \"unix:${FOLDER}/in\"}]\n",
    );
    configure(&entrance, &yaml);
    let receive = || Program::introduced(command(&entrance, &["-c", "config.yaml"]), &yaml);
    let mut receiver = receive();
    let mut workers = [worker_process(&store, &yaml), worker_process(&store, &yaml)];
    let load = Load::on(&entrance.path("in"));
    for round in 0..ROUNDS {
        load.meanwhile();
        server.kill();
        server.run();
        load.meanwhile();
        // It listens at the same place, so the old one has to go first.
        murder(receiver);
        receiver = receive();
        load.meanwhile();
        let new = worker_process(&store, &yaml);
        murder(std::mem::replace(&mut workers[round % 2], new));
    }
    load.meanwhile();
    let promised = load.end();
    eventually("all is done with", || lengths(&server) == (0, 0));
    let copies = copies(&store);
    let lost: Vec<_> = promised
        .iter()
        .filter(|subject| !copies.contains_key(*subject))
        .collect();
    assert!(
        lost.is_empty(),
        "lost {} of {}: {lost:?}",
        lost.len(),
        promised.len()
    );
    // Only what a worker had under way when it died may be there twice.
    let twice: usize = copies.values().map(|count| count - 1).sum();
    assert!(
        twice <= ROUNDS * AT_ONCE,
        "{twice} copies too many of {}",
        promised.len()
    );
    for worker in workers {
        worker.stop();
    }
    receiver.stop();
}
