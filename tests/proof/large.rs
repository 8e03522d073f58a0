//! Large messages for a disk that does not answer any more.

use std::sync::Barrier;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crate::audit::look;
use crate::client::Reply;
use crate::letter::Letter;
use crate::program::{need_root, report, wait_for};
use crate::server::{Plan, Server};
use crate::volume::{EXT4, Volume, alone};

/// More than there are threads of any kind.
const CLIENTS: usize = 40;
/// The clients hear long before.
const PATIENCE: Duration = Duration::from_mins(1);

/// A disk, and a receiver whose clients hear soon that it is busy; that goes first.
fn scene() -> (Volume, Server) {
    let volume = Volume::new(EXT4);
    let server = Server::start(&Plan {
        keys: "limits: {connections_per_ip: 1000, deliveries: 4}\nthreads: 2\ntimeouts: {delivery: 2s}",
        ..Plan::new(&volume.root(), "full")
    });
    (volume, server)
}

fn large() -> String {
    "a line of it\n".repeat(300_000)
}

/// Waits for all these clients, which must be told to come again; everybody else is served.
fn must_be_deferred(server: &Server, waiting: Vec<ScopedJoinHandle<'_, Reply>>) {
    let begun = Instant::now();
    while !waiting.iter().all(ScopedJoinHandle::is_finished) {
        let asked = Instant::now();
        drop(server.client());
        assert!(asked.elapsed() < PATIENCE / 4, "the sockets hang, too");
        thread::sleep(Duration::from_millis(50));
    }
    for reply in waiting {
        let reply = reply.join().expect("no panic");
        assert!(reply.0.starts_with("451 4.3.0"), "{reply:?}");
    }
    assert!(begun.elapsed() < PATIENCE, "they waited for the disk");
}

/// Mail flows, small and large.
fn must_flow(server: &Server, volume: &Volume) {
    let mut client = server.client();
    let replies = client.send_text(&large(), &["bob".to_string()]);
    assert!(replies.expect("a reply")[0].is_ok(), "{}", server.log());
    let letter = Letter::new("after");
    assert!(client.send_to(&letter, "bob").expect("a reply").is_ok());
    assert!(look(&volume.root()).has("bob", &letter));
}

/// Large messages that cannot be spooled hold up nobody else, and are answered in time.
#[test]
fn large_messages_for_a_hung_disk_hold_up_nobody() {
    need_root();
    let _alone = alone();
    let (volume, server) = scene();
    must_flow(&server, &volume);
    let frozen = volume.freeze();
    let send = || {
        let replies = server.client().send_text(&large(), &["bob".to_string()]);
        replies.expect("a reply").remove(0)
    };
    thread::scope(|scope| {
        let waiting = (0..CLIENTS).map(|_| scope.spawn(send)).collect();
        must_be_deferred(&server, waiting);
    });
    drop(frozen);
    must_flow(&server, &volume);
    report(format_args!(
        "a hung disk: {CLIENTS} large messages deferred, everybody else served"
    ));
}

/// The same with messages that are on that disk in part: not even closing their files may hold
/// anybody up.
#[test]
fn half_a_large_message_on_a_hung_disk_holds_up_nobody() {
    need_root();
    let _alone = alone();
    let (volume, server) = scene();
    must_flow(&server, &volume);
    let go_on = Barrier::new(CLIENTS + 1);
    let send = || {
        let parts = [&*large(), &*large()];
        let wait = || {
            go_on.wait();
        };
        let replies = server
            .client()
            .send_parts(parts, &["bob".to_string()], wait);
        replies.expect("a reply").remove(0)
    };
    thread::scope(|scope| {
        let waiting = (0..CLIENTS).map(|_| scope.spawn(send)).collect();
        wait_for("every message is spooled in part", || {
            server.unnamed_files() >= CLIENTS
        });
        let frozen = volume.freeze();
        go_on.wait();
        must_be_deferred(&server, waiting);
        drop(frozen);
    });
    must_flow(&server, &volume);
    wait_for("all of it is given back", || server.unnamed_files() == 0);
    report(format_args!(
        "a hung disk: {CLIENTS} large messages deferred half-way, everybody else served"
    ));
}
