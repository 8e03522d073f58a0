//! `kill -9` at any moment, under load.

use std::thread;
use std::time::{Duration, Instant};

use crate::audit::{Verdict, look};
use crate::load::Load;
use crate::program::{PROMISES, any_below, report, rounds, time};
use crate::server::{Plan, Server};

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
