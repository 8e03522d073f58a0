//! Whose an entry is: what the dead have left is taken over, what the living have is not.

use std::fs;
use std::sync::Arc;

use redis::{Value, from_redis_value};

use crate::house::{Folder, House, eventually};
use crate::pair::{ALICE, BOB, delivers, lengths, worker, worker_with, yaml};
use crate::server::Server;
use crate::slow;

const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";
const OTHER: &[u8] = b"Subject: other\r\n\r\nbody\r\n";
const GROUP: &str = "maiasaura";

/// The stream of Bob's mailbox, with its group, and what is in it.
struct Stream<'a> {
    server: &'a Server,
    key: String,
}

impl<'a> Stream<'a> {
    /// That to which the first message has gone.
    fn of(server: &'a Server) -> Self {
        let key = server.keys("*:mail").remove(0);
        server.ask::<String>(&["XGROUP", "CREATE", &key, GROUP, "0"]);
        Self { server, key }
    }

    /// Takes what is new, as a worker of this name.
    fn take(&self, consumer: &str) -> Vec<String> {
        let key = &self.key;
        self.server.ask::<Value>(&[
            "XREADGROUP",
            "GROUP",
            GROUP,
            consumer,
            "COUNT",
            "1000",
            "STREAMS",
            key,
            ">",
        ]);
        let pending: Vec<(String, String, u64, u64)> = self
            .server
            .ask(&["XPENDING", key, GROUP, "-", "+", "1000", consumer]);
        pending.into_iter().map(|row| row.0).collect()
    }

    /// Of all that is taken: whose it is, for how many milliseconds nobody has said so, and how often it
    /// was begun with.
    fn pending(&self) -> Vec<(String, String, u64, u64)> {
        self.server
            .ask(&["XPENDING", &self.key, GROUP, "-", "+", "1000"])
    }

    /// Whose it is, and for how many milliseconds nobody has said so.
    fn owner(&self, id: &str) -> Option<(String, u64)> {
        let rows: Vec<(String, String, u64, u64)> = self
            .server
            .ask(&["XPENDING", &self.key, GROUP, id, id, "1"]);
        rows.into_iter().next().map(|row| (row.1, row.2))
    }

    /// Gives it to a worker of this name, who was last heard of so long ago.
    fn give(&self, id: &str, consumer: &str, idle: &str) {
        let key = &self.key;
        self.server.ask::<Value>(&[
            "XCLAIM", key, GROUP, consumer, "0", id, "IDLE", idle, "JUSTID",
        ]);
    }

    /// The key of the mark of an entry.
    fn mark(&self, id: &str) -> String {
        let range: Vec<Value> = self.server.ask(&["XRANGE", &self.key, id, id]);
        let entry: (String, Vec<Vec<u8>>) = from_redis_value(range[0].clone()).expect("an entry");
        let mut pairs = entry.1.chunks(2);
        let pair = pairs.find(|pair| pair[0] == b"mark").expect("it has one");
        let mark = String::from_utf8(pair[1].clone()).expect("it is text");
        self.key.replace(":mail", &format!(":mark:{mark}"))
    }

    /// The newest entry.
    fn last(&self) -> String {
        let range: Vec<(String, Value)> =
            self.server
                .ask(&["XREVRANGE", &self.key, "+", "-", "COUNT", "1"]);
        range.into_iter().next().expect("there is one").0
    }
}

/// Redis looks at some of the entries only each time it is asked.
#[test]
fn what_the_dead_have_left_is_found_behind_what_the_living_have() {
    let server = Server::start();
    let yaml = yaml(&server, "", "").replace("take_over_after: 2s", "take_over_after: 1h");
    let house = House::new(&yaml);
    delivers(&house, &[BOB], MAIL);
    let stream = Stream::of(&server);
    for _ in 0..400 {
        server.ask::<String>(&["XADD", &stream.key, "*", "what", "ever"]);
    }
    assert_eq!(stream.take("living").len(), 401);
    delivers(&house, &[BOB], OTHER);
    let left = stream.take("dead").remove(0);
    stream.give(&left, "dead", "7200000");
    let working = worker(&house.folder, &yaml);
    eventually("what was left is delivered", || {
        house.folder.mail_count() == 1
    });
    let mail = house.folder.mail("example.org/bob");
    assert_eq!(mail.content, b"Subject: other\n\nbody\n");
    working.shutdown();
    assert_eq!(lengths(&server), (401, 0));
}

/// A worker that was slow finds that another has taken over what it has.
#[test]
fn what_another_worker_has_taken_over_is_left_to_it() {
    let server = Server::start();
    let yaml = yaml(&server, "", "").replace("take_over_after: 2s", "take_over_after: 3s");
    let house = House::new(&yaml);
    // Each of two messages twice, the first of each is under way elsewhere.
    delivers(&house, &[BOB], MAIL);
    let stream = Stream::of(&server);
    delivers(&house, &[BOB], OTHER);
    let elsewhere = stream.take("other");
    let marks: Vec<String> = elsewhere.iter().map(|id| stream.mark(id)).collect();
    for (mark, id) in marks.iter().zip(&elsewhere) {
        server.ask::<String>(&["SET", mark, id]);
    }
    let again = [MAIL, OTHER].map(|mail| {
        delivers(&house, &[BOB], mail);
        stream.last()
    });
    let [taken, kept] = &again;
    let alive = || {
        for id in &elsewhere {
            stream.give(id, "other", "0");
        }
    };
    alive();
    let working = worker(&house.folder, &yaml);
    let worker_has = |id: &str| {
        alive();
        stream.owner(id).is_some_and(|owner| owner.0 != "other")
    };
    eventually("the worker has both", || {
        again.iter().all(|id| worker_has(id))
    });
    // Until Redis has been told twice what is whose.
    stream.give(taken, "other", "0");
    let (mut told, mut before) = (0, 0);
    eventually("the worker says what is its own", || {
        alive();
        let owner = stream.owner(taken).expect("it is there");
        assert_eq!(owner.0, "other", "it was taken back");
        stream.give(taken, "other", "0");
        let idle = stream.owner(kept).expect("it is there").1;
        told += u32::from(idle < before);
        before = idle;
        told >= 2
    });
    // Both may be delivered now, each by whoever has it.
    for mark in &marks {
        server.ask::<u64>(&["DEL", mark]);
    }
    eventually("one is delivered", || {
        alive();
        stream.give(taken, "other", "0");
        house.folder.mail_count() > 0 && stream.owner(kept).is_none()
    });
    working.shutdown();
    assert_eq!(house.folder.mail_count(), 1, "one is another worker's");
    assert_eq!(lengths(&server), (3, 0));
}

/// It has taken over more than it can deliver before others would take that over in turn.
#[test]
fn a_slow_worker_goes_on_saying_what_is_its_own() {
    let server = Server::start();
    let fast = yaml(&server, "", "");
    let house = House::new(&fast);
    for number in 0..16 {
        let mail = format!("Subject: {number}\r\n\r\nbody\r\n");
        delivers(&house, &[BOB], mail.as_bytes());
    }
    let stream = Stream::of(&server);
    for id in stream.take("dead") {
        stream.give(&id, "dead", "3600000");
    }
    let slow = yaml(
        &server,
        ", at_once: 1, save: HeadersParser|Slow|MailDir",
        "",
    );
    let (open, processor) = slow::processor();
    let slow = worker_with(&house.folder, &slow, |daemon| {
        daemon.processor("Slow", move || Ok(Arc::clone(&processor)))
    });
    let of_the_dead = |row: &(String, String, u64, u64)| row.1 == "dead";
    eventually("it has all", || !stream.pending().iter().any(of_the_dead));
    let name = stream.pending().remove(0).1;
    let fast = worker(&house.folder, &fast);
    // For longer than it takes until others take over.
    let (mut told, mut before) = (0, 0);
    eventually("it says what is its own", || {
        let pending = stream.pending();
        assert!(pending.iter().all(|row| row.1 == name), "{pending:?}");
        let idle = pending[15].2;
        told += u32::from(idle < before);
        before = idle;
        told >= 5
    });
    let begun = stream.pending().iter().filter(|row| row.3 > 1).count();
    assert!(begun <= 2, "it has not begun with {begun}");
    drop(open);
    eventually("all are done with", || lengths(&server) == (0, 0));
    slow.shutdown();
    fast.shutdown();
    assert_eq!(house.folder.mail_count(), 16);
}

/// Restarts while mail cannot be delivered say nothing about the mail.
#[test]
fn a_worker_that_is_stopped_has_not_died_of_its_mail() {
    let server = Server::start();
    let folder = Folder::new();
    let yaml = yaml(&server, ", take_overs: 2", "");
    let house = House::new(&yaml);
    delivers(&house, &[BOB], MAIL);
    let stream = Stream::of(&server);
    let id = stream.last();
    // A file where a folder has to be.
    fs::create_dir_all(folder.path("maildirs")).expect("a folder");
    fs::write(folder.path("maildirs/example.org"), "").expect("a file");
    let mut before = None;
    for _ in 0..5 {
        let working = worker(&folder, &yaml);
        eventually("it has it, or nobody has", || {
            let owner = stream.owner(&id).map(|owner| owner.0);
            let is_new = owner != before;
            if is_new {
                before = owner;
            }
            is_new
        });
        working.shutdown();
        assert_eq!(lengths(&server), (1, 0));
    }
    fs::remove_file(folder.path("maildirs/example.org")).expect("it is there");
    let working = worker(&folder, &yaml);
    eventually("it is delivered", || folder.mail_count() == 1);
    working.shutdown();
    assert_eq!(lengths(&server), (0, 0));
}

/// The receiver could not keep its promise, so it made none; the client comes again.
#[test]
fn what_was_withdrawn_from_a_worker_that_died_bars_nothing() {
    let server = Server::start();
    let yaml = yaml(&server, "", "");
    let house = House::new(&yaml);
    delivers(&house, &[BOB], MAIL);
    let stream = Stream::of(&server);
    let withdrawn = stream.take("dead").remove(0);
    server.ask::<String>(&["SET", &stream.mark(&withdrawn), &withdrawn]);
    server.ask::<u64>(&["XDEL", &stream.key, &withdrawn]);
    delivers(&house, &[BOB], MAIL);
    delivers(&house, &[ALICE], MAIL);
    let working = worker(&house.folder, &yaml);
    eventually("both are delivered", || house.folder.mail_count() == 2);
    eventually("and removed", || lengths(&server) == (0, 0));
    working.shutdown();
}

/// Nothing can be marked while Redis is full; what is delivered makes room.
#[test]
fn a_full_redis_is_emptied_by_workers() {
    let server = Server::with("maxmemory-policy noeviction");
    let yaml = yaml(&server, "", "");
    let house = House::new(&yaml);
    // The groups are there.
    let working = worker(&house.folder, &yaml);
    eventually("there are groups", || server.keys("*:mail").len() == 4);
    working.shutdown();
    for number in 0..10 {
        let mail = format!("Subject: {number}\r\n\r\nbody\r\n");
        delivers(&house, &[BOB, ALICE], mail.as_bytes());
    }
    server.ask::<String>(&["CONFIG", "SET", "maxmemory", "1"]);
    let working = worker(&house.folder, &yaml);
    eventually("all are delivered", || house.folder.mail_count() == 20);
    eventually("and removed", || lengths(&server) == (0, 0));
    working.shutdown();
}
