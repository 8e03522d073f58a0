//! `kill -9` at any moment, under load.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::audit::{Verdict, look};
use crate::letter::Letter;
use crate::load::Load;
use crate::program::{PROMISES, any_below, need_root, report, rounds, time, wait_for};
use crate::server::{Plan, Server};
use crate::strace::Strace;

/// Clients that send at once.
const CLIENTS: usize = 8;

/// What was promised is there after each kill and at the end, for one recipient and for many, in
/// Maildirs that are there and in new ones. The receiver starts again in the same place each time.
#[test]
fn mail_survives_kill_9() {
    for durability in PROMISES.iter().chain(&["file", "none"]) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let plan = Plan::new(&folder.path().join("mail"), durability);
        let (mut receipts, mut round) = (Vec::new(), 0);
        let begun = Instant::now();
        while round < rounds(8) && begun.elapsed() < time(Duration::from_secs(6)) {
            let mut server = Server::start(&plan);
            let load = Load::start(&server, &format!("{durability}-{round}"), CLIENTS);
            load.wait_for(1);
            thread::sleep(Duration::from_micros(any_below(300_000)));
            server.kill();
            let killed = load.finish();
            // What the journal of a receiver has may come into the Maildirs at the next start.
            let restarted = Server::start(&plan);
            let verdict = look(&plan.root).compare(&killed, Instant::now());
            verdict.must_hold(&format!("{durability}, round {round}\n{}", restarted.log()));
            receipts.extend(killed);
            round += 1;
        }
        let verdict = look(&plan.root).compare(&receipts, Instant::now());
        verdict.must_hold(durability);
        let Verdict {
            promised, twice, ..
        } = verdict;
        report(format_args!(
            "kill -9, {durability}: {round} cycles, {promised} copies promised, 0 lost, 0 broken, {twice} twice"
        ));
    }
}

/// A message is on its way into the journal, and the receiver is killed when it has delivered and
/// ticked off the one before: it starts again, with all that was promised.
#[test]
fn a_journal_with_half_a_message_opens() {
    need_root();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plan = Plan::new(&folder.path().join("mail"), "journal");
    let mut server = Server::start(&plan);
    let mut clients = [server.client(), server.client()];
    let letters = ["whole", "half"].map(Letter::new);
    let tail = plan.root.join(".journal/tail");
    let read_tail = || fs::read(&tail).expect("the tail of the journal");
    let before = read_tail();
    // Each message is one of these calls: the second waits for the first, and is in it then.
    let strace = Strace::attach(&server, "pwritev", &["pwritev:delay_enter=2000000"]);
    let replies = thread::scope(|scope| {
        let senders = clients.iter_mut().zip(&letters);
        let senders = senders.map(|(client, letter)| {
            let sender = scope.spawn(|| client.send_to(letter, "bob"));
            thread::sleep(Duration::from_millis(200));
            sender
        });
        let senders: Vec<_> = senders.collect();
        wait_for("the tail", || read_tail() != before);
        server.kill();
        let replies = senders.into_iter().map(|it| it.join().expect("it ends"));
        replies
            .map(|it| it.is_ok_and(|reply| reply.is_ok()))
            .collect::<Vec<_>>()
    });
    drop(strace);
    assert_eq!(replies, [true, false]);
    let _restarted = Server::start(&plan);
    assert!(look(&plan.root).has("bob", &letters[0]));
}
