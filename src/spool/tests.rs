//! Tests of the room as a whole.

mod letters;
mod plans;
mod trouble;
mod work;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

use super::*;
use crate::envelope::{Client, Destination, Envelope, Recipient, Transmission};
use crate::maildir::{self, Store};
use crate::smtp::address::{ForwardPath, ReversePath};

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_mins(1);
const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";

/// A spool of its own for one test.
struct Nest {
    folder: TempDir,
    store: Arc<Store>,
    queue: Queue,
    dead: DeadLetters,
}

impl Nest {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::new(maildir::Settings::default()));
        let place = Place::beside(&folder.path().into(), false);
        Self {
            queue: Queue::new(Arc::clone(&store), place.clone(), "App").unwrap(),
            dead: DeadLetters::new(Arc::clone(&store), place),
            folder,
            store,
        }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(".spool").join(below)
    }

    fn put(&self, id: &str) {
        self.queue.put(slip(id), &[MAIL]).unwrap();
    }

    /// The only letter that waits.
    #[track_caller]
    fn name(&self) -> String {
        let mut names = self.queue.letters().unwrap();
        assert_eq!(names.len(), 1, "{names:?}");
        names.remove(0)
    }

    /// A letter as it lies in its file, or in a bundle.
    fn text(&self, name: &str) -> Vec<u8> {
        let (file, start, octets) = self.queue.open(name).unwrap();
        let mut text = vec![0; usize::try_from(octets).unwrap()];
        file.read_exact_at(&mut text, start).unwrap();
        text
    }

    /// Starts a worker; what it asks is answered by `answer`.
    fn work(
        &self,
        settings: Settings,
        answer: impl Fn(&Letter, u32) -> Answer + Send + Sync + 'static,
    ) -> Work {
        let (asked, asks) = channel();
        let consumer = Asked {
            answer,
            asked: Mutex::new(asked),
        };
        let (queue, dead) = (self.queue.clone(), self.dead.clone());
        let worker = Worker::new(queue, dead, Arc::new(consumer), settings);
        let (stop, stopped) = smol::channel::bounded::<()>(1);
        let thread = thread::spawn(move || {
            smol::block_on(worker.run(async move {
                let _ = stopped.recv().await;
            }));
        });
        Work {
            asks,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

/// Tries again at once, or nearly so.
fn quick() -> Settings {
    Settings {
        schedule: Schedule {
            waits: vec![Duration::from_millis(1)],
            ..Schedule::default()
        },
        failures: 0,
        ..Settings::default()
    }
}

fn later() -> Answer {
    Answer::Later {
        after: None,
        why: "not now".into(),
    }
}

/// What was handed over: id, key, attempt.
type Ask = (String, String, u32);

struct Asked<F> {
    answer: F,
    asked: Mutex<Sender<Ask>>,
}

impl<F: Fn(&Letter, u32) -> Answer + Send + Sync> Consumer for Asked<F> {
    fn hand(&self, letter: Arc<Letter>, attempt: u32) -> Pending<'_, Answer> {
        Box::pin(async move {
            let slip = &letter.slip;
            let ask = (slip.id.clone(), slip.key.clone(), attempt);
            let _ = self.asked.lock().unwrap().send(ask);
            (self.answer)(&letter, attempt)
        })
    }
}

/// A worker at work.
struct Work {
    asks: Receiver<Ask>,
    stop: Option<smol::channel::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Work {
    #[track_caller]
    fn next(&self) -> Ask {
        self.asks.recv_timeout(PATIENCE).expect("it is handed over")
    }

    /// Stops and waits for the end.
    fn stop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.stop();
        }
    }
}

fn envelope(id: &str) -> Envelope {
    let (forward_path, _) = ForwardPath::parse("<bob@example.org>").unwrap();
    let ForwardPath::Mailbox(mailbox) = forward_path.clone() else {
        panic!("no mailbox");
    };
    let location = maildir::Location {
        root: std::path::Path::new("/nowhere").into(),
        components: vec!["bob".into()],
        folder: None,
        owner: None,
        create: true,
        quota: None,
    };
    Envelope {
        id: id.into(),
        received: SystemTime::now(),
        host: "mx.example.org".into(),
        client: Client {
            address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            helo: Some("client.example".into()),
            ..Client::default()
        },
        transmission: Transmission::Esmtp,
        reverse_path: ReversePath::parse("<s@example.net>").unwrap().0,
        recipients: vec![Recipient {
            forward_path,
            destinations: vec![Destination {
                mailbox,
                location,
                captures: BTreeMap::from([("name".into(), "bob \u{e9}".into())]),
                otherwise: None,
            }],
        }],
        binary: false,
    }
}

fn slip(id: &str) -> Slip {
    Slip::new("app", &envelope(id), 0, format!("key of {id}"))
}

/// Waits for what must come to be, of which no event tells.
#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
