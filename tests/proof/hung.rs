//! A disk does not answer any more: `fsfreeze` makes all that write to a file system wait, in the
//! kernel, where not even `kill -9` reaches them.
//!
//! There are two disks, `left` and `right`, with a user of their own name for each number.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::audit::look;
use crate::client::{Client, Protocol};
use crate::letter::Letter;
use crate::load::Receipt;
use crate::program::{PROMISES, need_root, report, wait_for};
use crate::server::{Plan, Server};
use crate::volume::{EXT4, Frozen, Volume, alone};

/// Deliveries at once, to each disk.
const TURNS: usize = 4;
/// Clients that want to have a turn.
const MANY: usize = 10;
/// Users on each disk.
const USERS: usize = 20;
/// The client hears soon that it has no turn.
const IMPATIENT: &str = "limits: {deliveries: 4, connections_per_ip: 1000}\n\
                         timeouts: {delivery: 2s}";
/// It does not; and the end comes soon, or not at all.
const SHORT_END: &str = "limits: {deliveries: 4}\ntimeouts: {delivery: 1h, shutdown: 1s}";
const LONG_END: &str = "limits: {deliveries: 4}\ntimeouts: {delivery: 1h, shutdown: 1h}";

/// The disks, a receiver, and what clients hear from it. What waits for a disk goes first.
struct Scene {
    server: Server,
    plan: Plan,
    receipts: (Sender<Receipt>, Receiver<Receipt>),
    letters: usize,
    left: Volume,
    right: Volume,
}

impl Scene {
    fn new(durability: &'static str, keys: &'static str) -> Self {
        let (left, right) = (Volume::new(EXT4), Volume::new(EXT4));
        let path = format!("{}/{{host}}/{{user}}", left.root().display());
        let user = |number| format!("left-{number}: {{path: \"{path}\"}}, right-{number}: {{}}");
        let users: Vec<String> = (0..USERS).map(user).collect();
        let plan = Plan {
            users: format!("{{{}}}", users.join(", ")),
            keys,
            ..Plan::new(&right.root(), durability)
        };
        let mut scene = Self {
            server: Server::start(&plan),
            plan,
            receipts: channel(),
            letters: 0,
            left,
            right,
        };
        // Some Maildirs are there and open, the others are still to be made.
        for user in ["left-0", "left-1", "right-0", "right-1"] {
            scene.must_take(Protocol::Smtp, &[user]);
        }
        scene
    }

    fn letter(&mut self) -> Letter {
        self.letters += 1;
        Letter::new(format!("letter-{}", self.letters))
    }

    /// Sends a letter, and waits until it is taken for all.
    fn must_take(&mut self, protocol: Protocol, users: &[&str]) {
        self.send(protocol, users);
        for _ in users {
            let receipt = self.hear();
            assert!(
                receipt.reply.is_ok(),
                "{:?}\n{}",
                receipt,
                self.server.log()
            );
            self.wait_to_see(&receipt);
        }
    }

    /// Sends a letter, and does not wait for the replies.
    fn send(&mut self, protocol: Protocol, users: &[&str]) {
        let (letter, tell) = (self.letter(), self.receipts.0.clone());
        let users: Vec<String> = users.iter().map(ToString::to_string).collect();
        let mut client = Client::connect(self.server.port(protocol), protocol).expect("a greeting");
        thread::spawn(move || {
            // Nobody answers when the receiver has ended.
            for (user, reply) in users
                .iter()
                .zip(client.send(&letter, &users).unwrap_or_default())
            {
                let _ = tell.send(Receipt {
                    letter: letter.clone(),
                    user: user.clone(),
                    reply,
                    at: Instant::now(),
                });
            }
        });
    }

    fn hear(&self) -> Receipt {
        let heard = self.receipts.1.recv_timeout(Duration::from_secs(25));
        heard.unwrap_or_else(|_| panic!("no reply\n{}", self.server.log()))
    }

    /// Freezes the left disk, and sends more mail for it than there are turns.
    fn freeze_under_load(&mut self) -> Frozen {
        let frozen = self.left.freeze();
        for number in 0..MANY {
            self.send(Protocol::Smtp, &[&format!("left-{number}")]);
        }
        frozen
    }

    /// Hears so many replies that there was no turn in time.
    fn hear_refusals(&self, count: usize) -> Vec<Receipt> {
        let refused: Vec<Receipt> = (0..count).map(|_| self.hear()).collect();
        for receipt in &refused {
            assert!(receipt.reply.0.starts_with("451 4.3.0 "), "{receipt:?}");
        }
        refused
    }

    /// Another receiver works for the disk that answers. It waits for the other one when it goes.
    fn must_start_again(&mut self) -> Server {
        let next = Server::start(&self.plan);
        let letter = self.letter();
        let sent = next.client().send_to(&letter, "right-0");
        assert!(sent.expect("a reply").is_ok());
        assert!(self.is_there("right-0", &letter));
        next
    }

    /// With a journal a message is seen a moment after it is promised.
    fn wait_to_see(&self, receipt: &Receipt) {
        let (user, letter) = (&receipt.user, &receipt.letter);
        wait_for("the message", || self.is_there(user, letter));
    }

    fn is_there(&self, user: &str, letter: &Letter) -> bool {
        let disk = if user.starts_with("left") {
            &self.left
        } else {
            &self.right
        };
        look(&disk.root()).has(user, letter)
    }
}

/// When all turns of one disk are taken and none comes back, mail for the other goes on: over both
/// protocols, into Maildirs that are there and into new ones. Who has no turn is told so in time
/// and its message is nowhere; who has one is answered after the thaw, truly.
#[test]
fn a_hung_disk_holds_up_only_its_own_mail() {
    need_root();
    let _alone = alone();
    for durability in PROMISES {
        let mut scene = Scene::new(durability, IMPATIENT);
        let frozen = scene.freeze_under_load();
        let mut refused = scene.hear_refusals(MANY - TURNS);
        for number in 0..MANY {
            let both = ["left-0", "left-12", "right-12", "right-0"];
            let users = if number % 2 == 0 {
                [both[0], both[3]]
            } else {
                [both[1], both[2]]
            };
            scene.send(Protocol::Smtp, &users);
        }
        refused.extend(scene.hear_refusals(2 * (MANY - TURNS)));
        for number in 0..USERS {
            let (one, other) = (
                format!("right-{number}"),
                format!("right-{}", USERS - 1 - number),
            );
            scene.must_take(Protocol::Smtp, &[&one]);
            scene.must_take(Protocol::Lmtp, &[&one, &other]);
        }
        drop(frozen);
        let taken: Vec<Receipt> = (0..3 * TURNS).map(|_| scene.hear()).collect();
        for receipt in &taken {
            assert!(receipt.reply.is_ok(), "{receipt:?}");
            scene.wait_to_see(receipt);
        }
        for receipt in &refused {
            let there = scene.is_there(&receipt.user, &receipt.letter);
            assert!(!there, "it had no turn: {receipt:?}");
        }
        report(format_args!(
            "hung disk, {durability}: {} letters to the other disk meanwhile, {} refused in time, {} taken after the thaw",
            3 * USERS,
            refused.len(),
            taken.len()
        ));
    }
}

/// Over LMTP each recipient has a fate of its own, also when one of them never comes.
#[test]
fn a_hung_disk_decides_for_its_own_recipients() {
    need_root();
    let _alone = alone();
    let mut scene = Scene::new("full", IMPATIENT);
    let frozen = scene.left.freeze();
    // More for the hung disk than are delivered at once.
    let left: Vec<String> = (0..16).map(|number| format!("left-{number}")).collect();
    let mut users = vec!["right-0"];
    users.extend(left.iter().map(String::as_str));
    users.extend(["right-1", "right-12"]);
    scene.send(Protocol::Lmtp, &users);
    for user in users {
        let receipt = scene.hear();
        let expected = match user.split_once('-') {
            Some(("left", _)) => "451 4.3.0 ",
            _ => "250 ",
        };
        assert!(receipt.reply.0.starts_with(expected), "{user}: {receipt:?}");
        if receipt.reply.is_ok() {
            scene.wait_to_see(&receipt);
        }
    }
    drop(frozen);
}

/// With one disk, and that one hung, clients are still received, and told.
#[test]
fn a_lone_hung_disk_turns_nobody_away() {
    need_root();
    let _alone = alone();
    let volume = Volume::new(EXT4);
    let mut server = Server::start(&Plan {
        keys: IMPATIENT,
        ..Plan::new(&volume.root(), "full")
    });
    let letter = Letter::new("before");
    let sent = server.client().send_to(&letter, "bob");
    assert!(sent.expect("a reply").is_ok());
    let (tell, replies) = channel();
    let frozen = volume.freeze();
    for number in 0..MANY * TURNS {
        let (mut client, tell) = (server.client(), tell.clone());
        thread::spawn(move || {
            let reply = client.send_to(&Letter::new(format!("letter-{number}")), "bob");
            let _ = tell.send((number, reply.expect("a reply").0));
        });
    }
    let next = || {
        replies
            .recv_timeout(Duration::from_secs(25))
            .expect("a reply")
    };
    for _ in 0..MANY * TURNS - TURNS {
        let (_, reply) = next();
        assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    }
    drop(frozen);
    for _ in 0..TURNS {
        let (number, reply) = next();
        assert!(reply.starts_with("250 "), "{reply}");
        let letter = Letter::new(format!("letter-{number}"));
        assert!(look(&volume.root()).has("bob", &letter));
    }
    server.kill();
}

/// Asked to stop while a disk hangs, the receiver ends in its time, asked twice at once: no one
/// listens any more, and of its threads only those are left that the kernel cannot end before the
/// disk answers. Another receiver works meanwhile, for the other disk. What was promised is there.
#[test]
fn a_hung_disk_does_not_keep_the_receiver_from_ending() {
    need_root();
    let _alone = alone();
    for (durability, keys, hurry) in [
        ("full", SHORT_END, false),
        ("journal", SHORT_END, false),
        ("full", LONG_END, true),
    ] {
        let mut scene = Scene::new(durability, keys);
        let frozen = scene.freeze_under_load();
        wait_for("the disk is waited for", || hangs(&scene.server));
        scene.must_take(Protocol::Smtp, &["right-0"]);
        scene.server.terminate();
        let port = scene.server.port(Protocol::Smtp);
        wait_for("no one listens", || {
            Client::connect(port, Protocol::Smtp).is_err()
        });
        if hurry {
            scene.server.terminate();
        }
        wait_for("it ends", || has_ended(&scene.server));
        // With a journal it would wait for the hung one.
        let next = (durability == "full").then(|| scene.must_start_again());
        drop(frozen);
        drop(next);
        let code = scene.server.end().code();
        assert_eq!(code, Some(i32::from(hurry)), "{}", scene.server.log());
        let heard = scene.receipts.1.try_recv();
        assert!(heard.is_err(), "an answer out of the grave: {heard:?}");
    }
    report("hung disk: the receiver ends in its time, and at once when asked twice");
}

/// Whether a thread waits for the disk.
fn hangs(server: &Server) -> bool {
    server.states().contains('D')
}

/// Whether nothing is left of it but what waits for the disk.
fn has_ended(server: &Server) -> bool {
    let states = server.states();
    let gone = states.chars().all(|state| "ZXD".contains(state));
    gone && states.contains('Z')
}
