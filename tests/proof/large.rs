//! Large messages for a disk that does not answer any more.

use std::thread;
use std::time::{Duration, Instant};

use crate::audit::look;
use crate::letter::Letter;
use crate::program::{need_root, report};
use crate::server::{Plan, Server};
use crate::volume::{EXT4, Volume, alone};

/// More than there are threads of any kind.
const CLIENTS: usize = 40;
/// The clients hear long before.
const PATIENCE: Duration = Duration::from_mins(1);

/// Large messages that cannot be spooled hold up nobody else, and are answered in time.
#[test]
fn large_messages_for_a_hung_disk_hold_up_nobody() {
    need_root();
    let _alone = alone();
    let volume = Volume::new(EXT4);
    let root = volume.root();
    let server = Server::start(&Plan {
        keys: "limits: {connections_per_ip: 1000, deliveries: 4}\nthreads: 2\ntimeouts: {delivery: 2s}",
        ..Plan::new(&root, "full")
    });
    let mut other = server.client();
    let letter = Letter::new("before");
    assert!(other.send_to(&letter, "bob").expect("a reply").is_ok());
    let large = format!("Subject: large\n\n{}", "a line of it\n".repeat(300_000));
    let send = || {
        let replies = server.client().send_text(&large, &["bob".to_string()]);
        replies.expect("a reply").remove(0)
    };
    let frozen = volume.freeze();
    let begun = Instant::now();
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(send)).collect();
        while !waiting.iter().all(thread::ScopedJoinHandle::is_finished) {
            let asked = Instant::now();
            drop(server.client());
            assert!(asked.elapsed() < PATIENCE / 4, "the sockets hang, too");
            thread::sleep(Duration::from_millis(50));
        }
        for reply in waiting {
            let reply = reply.join().expect("no panic");
            assert!(reply.0.starts_with("451 4.3.0"), "{reply:?}");
        }
    });
    assert!(begun.elapsed() < PATIENCE, "they waited for the disk");
    drop(frozen);
    assert!(send().is_ok(), "{}", server.log());
    let letter = Letter::new("after");
    assert!(other.send_to(&letter, "bob").expect("a reply").is_ok());
    assert!(look(&root).has("bob", &letter));
    report(format_args!(
        "a hung disk: {CLIENTS} large messages deferred, everybody else served"
    ));
}
