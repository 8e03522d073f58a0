//! `kill -9` just before each system call of a delivery.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::audit::look;
use crate::client::{Client, Protocol, Reply};
use crate::letter::Letter;
use crate::program::{need_root, report, wait_for};
use crate::server::{Plan, Server};
use crate::strace::Strace;
use crate::volume::{EXT4, Volume, alone};

/// All that a delivery may ask of the kernel, and the reply.
const CALLS: &str = "openat,openat2,mkdirat,fstat,newfstatat,writev,sync_file_range,fdatasync,\
                     fsync,close,renameat2,unlinkat,sendto";

/// A message, the only one that a receiver gets.
struct Delivery {
    name: &'static str,
    protocol: Protocol,
    users: &'static [&'static str],
    /// Whether each of them had mail before, so that their Maildirs are open.
    known: bool,
}

const DELIVERIES: &[Delivery] = &[
    Delivery {
        name: "a Maildir that is open",
        protocol: Protocol::Smtp,
        users: &["bob"],
        known: true,
    },
    Delivery {
        name: "new Maildirs",
        protocol: Protocol::Smtp,
        users: &["bob", "ann"],
        known: false,
    },
    Delivery {
        name: "two over LMTP",
        protocol: Protocol::Lmtp,
        users: &["bob", "ann"],
        known: true,
    },
];

impl Delivery {
    fn users(&self) -> Vec<String> {
        self.users.iter().map(ToString::to_string).collect()
    }

    /// A receiver and a client, ready for the message.
    fn prepare(&self, root: &Path) -> (Server, Client) {
        let server = Server::start(&Plan {
            keys: "threads: 1\nlimits: {deliveries: 1}",
            ..Plan::new(root, "full")
        });
        let mut client =
            Client::connect(server.port(self.protocol), self.protocol).expect("a client");
        if self.known {
            let replies = client
                .send(&Letter::new("before"), &self.users())
                .expect("replies");
            assert!(replies.iter().all(Reply::is_ok), "{replies:?}");
        }
        (server, client)
    }

    /// The calls that it makes, each as often as it is made.
    fn calls(&self, place: &Path) -> Vec<(&'static str, usize)> {
        let root = tempfile::tempdir_in(place).expect("a temporary folder");
        let (server, mut client) = self.prepare(root.path());
        let strace = Strace::attach(&server, CALLS, &[]);
        let replies = client
            .send(&Letter::new("dry"), &self.users())
            .expect("replies");
        assert!(replies.iter().all(Reply::is_ok), "{replies:?}");
        let trace = strace.detach();
        let all = CALLS.split(',').map(|call| (call, trace.most(call)));
        all.filter(|(_, times)| *times > 0).collect()
    }

    /// Kills the receiver before the call of that number, and looks at what is left; says whether
    /// it came to that.
    fn kill_before(&self, place: &Path, call: &str, number: usize) -> bool {
        let case = format!("{}: killed before {call} {number}", self.name);
        let root = tempfile::tempdir_in(place).expect("a temporary folder");
        let letter = Letter::new("once");
        let (mut server, mut client) = self.prepare(root.path());
        let fault = format!("{call}:signal=SIGKILL:when={number}");
        let strace = Strace::attach(&server, call, &[&fault]);
        let replies = client.send(&letter, &self.users());
        if let Ok(replies) = &replies {
            // The last calls of a thread may come after the reply.
            assert!(replies.iter().all(Reply::is_ok), "{case}: {replies:?}");
        }
        let promised = replies.is_ok();
        if promised && number > 1 && outlives(&mut server) {
            // Two threads have shared the work this time, so that none came to that number.
            return false;
        }
        wait_for(&case, || !server.runs());
        drop(strace);
        let findings = look(root.path());
        assert!(findings.broken.is_empty(), "{case}: {:?}", findings.broken);
        let has = |user: &&&str| findings.has(user, &letter);
        assert!(
            !promised || self.users.iter().all(|user| has(&user)),
            "{case}: it is lost"
        );
        self.deliver_again(root.path(), &case);
        true
    }

    /// A receiver that starts after a kill delivers as ever.
    fn deliver_again(&self, root: &Path, case: &str) {
        let afresh = Self {
            known: false,
            ..*self
        };
        let (_server, mut client) = afresh.prepare(root);
        let again = Letter::new("again");
        let replies = client.send(&again, &self.users()).expect("replies");
        assert!(
            replies.iter().all(Reply::is_ok),
            "{case}, and then {replies:?}"
        );
        let findings = look(root);
        assert!(findings.broken.is_empty(), "{case}: {:?}", findings.broken);
        for user in self.users {
            assert!(
                findings.has(user, &again),
                "{case}, and then {user} has no mail"
            );
        }
    }
}

/// Whether a receiver is still there some time after its reply.
fn outlives(server: &mut Server) -> bool {
    let begun = Instant::now();
    while server.runs() && begun.elapsed() < Duration::from_millis(500) {
        thread::sleep(Duration::from_millis(5));
    }
    server.runs()
}

#[test]
fn a_kill_before_any_call_breaks_nothing() {
    need_root();
    let _alone = alone();
    let volume = Volume::new(EXT4);
    let place = volume.path();
    for delivery in DELIVERIES {
        let calls = delivery.calls(place);
        let mut kills = 0;
        for &(call, times) in &calls {
            for number in 1..=times {
                kills += u32::from(delivery.kill_before(place, call, number));
            }
        }
        report(format_args!(
            "kill -9 before each of {kills} calls, {}: {calls:?}",
            delivery.name
        ));
    }
}
