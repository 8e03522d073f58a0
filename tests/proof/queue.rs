//! Letters for an application that is down: whatever is promised waits for it as surely as it is in
//! the Maildir.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use maiasaura::config::{Config, Environment};
use maiasaura::daemon::{Daemon, Running};
use maiasaura::maildir::{self, Store};
use maiasaura::server::Address;
use maiasaura::spool::{Answer, Consumer, Pending, Place, Queue};

use crate::audit::look;
use crate::client::{Client, HOST, Protocol, Reply};
use crate::letter::Letter;
use crate::program::{need_root, report};
use crate::volume::{EXT4, Kind, Mount, Volume, XFS, alone};

/// A disk of two megabytes.
const SMALL: Kind = Kind {
    name: "a queue on a full disk",
    system: "tmpfs",
    options: "size=2m",
    ..EXT4
};

/// An application that is down.
struct Down;

impl Consumer for Down {
    fn hand(&self, _: Arc<maiasaura::spool::Letter>, _: u32) -> Pending<'_, Answer> {
        let why = "it is down".into();
        Box::pin(async move { Answer::Later { after: None, why } })
    }
}

/// A receiver with its Maildirs below `root`, and its queue there or elsewhere.
fn start(root: &Path, queue: &Path, durability: &str) -> (Running, u16) {
    let spool = if root == queue {
        String::new()
    } else {
        format!("spool: {{path: \"{}\"}}\n", queue.display())
    };
    let root = root.display();
    let yaml = format!(
        "hostname: mx.example.org\nlisteners: [{{address: \"127.0.0.1:0\"}}]\n\
         recipients: {{hosts: [{HOST}]}}\nmaildir: {{path: \"{root}/{{host}}/{{user}}\", durability: {durability}}}\n\
         save: HeadersParser|Hasher|Header|MailDir|App\nthreads: 2\n{spool}"
    );
    let config = Config::parse(&yaml, "proof", &Environment::default()).expect("it is right");
    let running = Daemon::new(config).consumer("App", Arc::new(Down));
    let running = running.start().expect("it starts");
    let Address::Tcp(address) = running.addresses()[0] else {
        panic!("no port");
    };
    (running, address.port())
}

fn client(port: u16) -> Client {
    Client::connect(port, Protocol::Smtp).expect("a connection")
}

/// The letters that wait and are whole.
fn waiting(place: Place) -> Vec<Letter> {
    let store = Arc::new(Store::new(maildir::Settings::default()));
    let queue = Queue::new(store, place, "app").expect("it is a name");
    let read = |name: &String| {
        let content = queue.letter(name).and_then(|letter| letter.content());
        let stored = String::from_utf8(content.ok()?).ok()?.replace("\r\n", "\n");
        let letter = Letter::of(&stored)?;
        stored.ends_with(&letter.text()).then_some(letter)
    };
    let letters = queue.letters().expect("they can be listed");
    letters.iter().filter_map(read).collect()
}

#[test]
fn a_full_disk_takes_neither_copy_nor_letter() {
    need_root();
    let _alone = alone();
    let point = tempfile::tempdir().expect("a mount point");
    let _mount = Mount::new(SMALL, "proof", point.path());
    let root = point.path().join("mail");
    let ballast = point.path().join("ballast");
    fs::write(&ballast, vec![7; 1 << 20]).expect("room for ballast");
    let (running, port) = start(&root, &root, "full");
    let mut client = client(port);
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    while refused.len() < 40 {
        let letter = Letter::new(format!("letter-{}", taken.len() + refused.len()));
        let Reply(reply) = client.send_to(&letter, "bob").expect("a reply");
        if reply.starts_with("250 ") {
            taken.push(letter);
        } else {
            assert!(reply.starts_with("452 4.3.1"), "{reply}");
            refused.push(letter);
        }
    }
    let beside = || Place::beside(&root.as_path().into(), false);
    let (found, letters) = (look(&root), waiting(beside()));
    assert_eq!((found.unfinished, &found.broken), (0, &Vec::new()));
    assert_eq!(letters.len(), taken.len(), "only what was promised waits");
    for letter in &taken {
        assert!(
            found.has("bob", letter) && letters.contains(letter),
            "{letter:?} is lost"
        );
    }
    for letter in &refused {
        assert!(
            !found.has("bob", letter) && !letters.contains(letter),
            "{letter:?} is there"
        );
    }
    fs::remove_file(ballast).expect("it goes");
    let letter = Letter::new("afterwards");
    assert!(client.send_to(&letter, "bob").expect("a reply").is_ok());
    assert!(waiting(beside()).contains(&letter));
    drop(client);
    running.shutdown();
    report(format_args!(
        "{}: {} letters promised, there and waiting, {} refused and neither",
        SMALL.name,
        taken.len(),
        refused.len()
    ));
}

/// Sends letters, cuts the power where the queue is, and says how many of those that were promised
/// are not both waiting and in the Maildir, of how many. The Maildirs are beside the queue, or on a
/// disk that stays.
fn lost_to_a_cut(kind: Kind, durability: &str, is_apart: bool) -> (usize, usize) {
    let other = is_apart.then(|| Volume::new(kind));
    let mut volume = Volume::new(kind);
    let queue = volume.root();
    let (root, place) = match &other {
        Some(other) => (other.root(), Place::at(&queue, false)),
        None => (queue.clone(), Place::beside(&queue.as_path().into(), false)),
    };
    let (running, port) = start(&root, &queue, durability);
    let letters = send(port);
    volume.cut();
    running.shutdown();
    drop(running);
    volume.unmount();
    volume.mount();
    let (found, waiting) = (look(&root), waiting(place));
    let is_there = |it: &&Letter| found.has("bob", it) && waiting.contains(it);
    let there = letters.iter().filter(is_there).count();
    (letters.len() - there, letters.len())
}

/// Sends letters that must all be promised: several at once, so that they share a bundle, and each
/// bundle is written to many times.
fn send(port: u16) -> Vec<Letter> {
    let letters: Vec<Letter> = (0..100)
        .map(|it| Letter::new(format!("letter-{it}")))
        .collect();
    thread::scope(|scope| {
        for letters in letters.chunks(25) {
            scope.spawn(move || {
                let mut client = client(port);
                for letter in letters {
                    assert!(client.send_to(letter, "bob").expect("a reply").is_ok());
                }
            });
        }
    });
    letters
}

/// Cuts the power, with the control beside it: the same machinery finds what is not durable.
fn survives_a_cut(is_apart: bool, what: &str) {
    need_root();
    let _alone = alone();
    for kind in [EXT4, XFS] {
        let (lost, promised) = lost_to_a_cut(kind, "full", is_apart);
        assert_eq!(lost, 0, "{}", kind.name);
        report(format_args!(
            "a power cut on {}{what}: {promised} letters promised, there and waiting",
            kind.name
        ));
        assert!(lost_to_a_cut(kind, "none", is_apart).0 > 0, "{}", kind.name);
    }
}

#[test]
fn a_power_cut_loses_neither_copy_nor_letter() {
    survives_a_cut(false, "");
}

/// The sync of a folder takes along what is on its disk, and nothing of another one.
#[test]
fn nor_where_letters_have_a_disk_of_their_own() {
    survives_a_cut(true, " with nothing but letters");
}
