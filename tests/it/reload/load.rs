//! A hundred reloads under load: no connection is refused, no mail lost, and none there twice.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use maiasaura::server::Address;
use rustix::process::Signal;

use crate::client::{Client, mail_data};
use crate::house::{Folder, Stored, eventually};
use crate::process::{Program, configure};

const RELOADS: usize = 100;
const CLIENTS: usize = 24;
/// Messages between two reloads, at least; in a build that is made to be fast, enough for thousands
/// a second.
const BETWEEN: usize = if cfg!(debug_assertions) { 10 } else { 100 };
/// What each reload takes turns in: hosts, limits, a listener, the chain, how mail is stored.
const TURNS: [&str; 5] = [
    "recipients: {hosts: [example.org]}",
    "recipients: {hosts: [example.org, '*.example.org']}\nlimits: {message_size: 1MB, deliveries: 3}\nlisteners: [{address: '127.0.0.1:0'}, {address: 'unix:${FOLDER}/s'}]",
    "save: HeadersParser|Header|MailDir\nmaildir: {path: '${ROOT}/{host}/{user}', durability: none}",
    "maildir: {path: '${ROOT}/{host}/{user}', durability: journal}",
    "hostname: other.test\nlimits: {deliveries: 20}\ntimeouts: {command: 20s}\nthreads: 3",
];

/// Delivers, some messages on each connection, until it is over; the subjects of what was
/// acknowledged.
fn deliver(
    address: &Address,
    client: usize,
    is_over: &AtomicBool,
    count: &AtomicUsize,
) -> Vec<String> {
    let mut subjects = Vec::new();
    for connection in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        // A connection that is refused is a panic.
        let mut stream = Client::greeted(address);
        for message in 0..=connection % 10 {
            let subject = format!("{client}-{connection}-{message}");
            let content = format!("Subject: {subject}\r\n\r\nbody\r\n");
            stream.send(b"MAIL FROM:<s@example.net>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n");
            stream.hears("250 2.1.0 ");
            stream.hears("250 2.1.5 ");
            stream.hears("354 ");
            stream.send(&mail_data(content.as_bytes()));
            stream.hears("250 2.0.0 ");
            subjects.push(subject);
            count.fetch_add(1, Ordering::Relaxed);
        }
        stream.wants("QUIT", "221 ");
    }
    subjects
}

/// Descriptors that are open, and octets of memory.
fn holds(program: &Program) -> (usize, u64) {
    let process = format!("/proc/{}", program.pid().as_raw_nonzero());
    let descriptors = fs::read_dir(format!("{process}/fd"))
        .expect("it runs")
        .count();
    let status = fs::read_to_string(format!("{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let memory: u64 = number
        .and_then(|it| it.parse().ok())
        .expect("a number of kB");
    (descriptors, 1024 * memory)
}

/// Changes the configuration, and waits until that is done.
fn reload(folder: &Folder, program: &Program, number: usize) {
    configure(folder, TURNS[number % TURNS.len()]);
    program.signal(Signal::HUP);
    program.stderr.wait(" reloaded: ", number);
}

/// Clients deliver while the configuration is changed so often; the subjects of what was
/// acknowledged.
fn reload_under_load(folder: &Folder, program: &Program) -> Vec<String> {
    let (is_over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let start = |client| {
            let (address, is_over, count) = (program.address(), &is_over, &count);
            scope.spawn(move || deliver(address, client, is_over, count))
        };
        let clients: Vec<_> = (0..CLIENTS).map(start).collect();
        for number in 1..=RELOADS {
            reload(folder, program, number);
            let enough = count.load(Ordering::Relaxed) + BETWEEN;
            while count.load(Ordering::Relaxed) < enough
                && !clients.iter().any(ScopedJoinHandle::is_finished)
            {
                thread::sleep(Duration::from_millis(1));
            }
        }
        is_over.store(true, Ordering::Relaxed);
        let subjects = clients
            .into_iter()
            .map(|client| client.join().expect("it hears no refusal"));
        subjects.flatten().collect()
    })
}

/// The subject of a stored message.
fn subject(mail: &Stored) -> String {
    let text = [mail.trace.as_bytes(), &mail.content].concat();
    let text = String::from_utf8(text).expect("it is text");
    let subject = text.lines().find_map(|line| line.strip_prefix("Subject: "));
    subject.expect("there is one").to_owned()
}

#[test]
fn a_hundred_reloads_under_load_are_not_noticed() {
    let folder = Folder::new();
    let program = Program::serve(&folder, TURNS[0]);
    let begun = Instant::now();
    let promised = reload_under_load(&folder, &program);
    let seconds = begun.elapsed().as_secs_f64();
    let ended = program.stop();
    let complaints = ended.stderr.iter().filter(|line| line.contains(" ERROR "));
    assert_eq!(complaints.count(), 0, "{:#?}", ended.stderr);
    let mails = folder.mails("example.org/bob");
    let subjects: BTreeSet<String> = mails.iter().map(subject).collect();
    assert_eq!(subjects.len(), mails.len(), "a message is there twice");
    let count = promised.len();
    assert_eq!(
        subjects,
        promised.into_iter().collect(),
        "a message is lost"
    );
    println!(
        "reload: {RELOADS} reloads under load in {seconds:.1} s, {:.0} messages/s, no connection refused, {count} promised, 0 lost, 0 twice",
        number(count) / seconds,
    );
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Nothing of the old ones stays: neither descriptors nor, beyond some slack, memory.
#[test]
fn reloads_leak_nothing() {
    let folder = Folder::new();
    let program = Program::serve(&folder, TURNS[0]);
    // Caches, pools of threads and the like come to be.
    (1..=40).for_each(|number| reload(&folder, &program, number));
    let before = holds(&program);
    (41..=140).for_each(|number| reload(&folder, &program, number));
    // What an old configuration had is closed a moment after the new one is in force.
    eventually("no descriptor stays", || holds(&program).0 <= before.0);
    let after = holds(&program);
    let growth = after.1.saturating_sub(before.1);
    assert!(growth < 4 << 20, "{growth} octets more");
    println!("reload: 100 more reloads took {growth} octets of memory and no descriptor");
    program.stop();
}
