//! Those that take their time, at the end and at the start.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use maiasaura::Daemon;
use maiasaura::config::Config;
use maiasaura::failure::Failure;
use maiasaura::processor::{Delivery, Pending, Processor, Staged};

use super::{Deeds, furnished, noted};
use crate::client::PATIENCE;
use crate::house::{House, configuration, eventually};

/// Does not end when it is shut down, until it is told to go on.
struct Blocking {
    /// Its thread is blocked meanwhile.
    blocks: bool,
    go_on: Mutex<mpsc::Receiver<()>>,
    has_ended: AtomicBool,
}

impl Blocking {
    fn new(blocks: bool) -> (Arc<Self>, mpsc::Sender<()>) {
        let (end, go_on) = mpsc::channel();
        let blocking = Self {
            blocks,
            go_on: Mutex::new(go_on),
            has_ended: AtomicBool::new(false),
        };
        (Arc::new(blocking), end)
    }

    fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }
}

impl Processor for Blocking {
    fn name(&self) -> &'static str {
        "Blocking"
    }

    fn stage<'a>(&'a self, _: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async { Ok(Staged::Done) })
    }

    fn shutdown(&self) -> Pending<'_, ()> {
        if !self.blocks {
            return Box::pin(std::future::pending());
        }
        let go_on = self.go_on.lock().expect("nobody panics with it");
        let _ = go_on.recv_timeout(PATIENCE);
        self.has_ended.store(true, Ordering::Relaxed);
        Box::pin(async {})
    }
}

/// Adds `Blocking`.
fn blocked(daemon: Daemon, blocking: &Arc<Blocking>) -> Daemon {
    let blocking: Arc<dyn Processor> = Arc::clone(blocking) as _;
    daemon.processor("Blocking", move || Ok(Arc::clone(&blocking)))
}

/// The daemon ends all the same, the others are shut down, and who blocks ends by itself.
#[test]
fn who_blocks_at_the_end_holds_nobody_up() {
    for blocks in [true, false] {
        let (blocking, end) = Blocking::new(blocks);
        let deeds = Deeds::default();
        let with = "validate: []\nsave: Blocking|One|Two|MailDir\ntimeouts: {shutdown: 100ms}";
        let mut house = House::with(with, |daemon| blocked(furnished(daemon, &deeds), &blocking));
        house.close();
        assert!(!blocking.has_ended());
        eventually("the others are shut down", || noted(&deeds).len() == 4);
        assert!(!blocking.has_ended());
        let mut shut_down = noted(&deeds).split_off(2);
        shut_down.sort();
        assert_eq!(shut_down, ["One shutdown", "Two shutdown"]);
        drop(end);
        if blocks {
            eventually("it goes on by itself", || blocking.has_ended());
        }
    }
}

/// Nor where what it was started for is refused: the next reload has its turn.
#[test]
fn who_blocks_holds_up_no_start_and_no_reload() {
    let (blocking, _end) = Blocking::new(true);
    let deeds = Deeds::default();
    let mut house = House::with("", |daemon| blocked(furnished(daemon, &deeds), &blocking));
    let start = "save: Blocking|Two|MailDir\nprocessors: {Two: {fault: no}}";
    let settle = "save: Blocking|MailDir\npid_file: \"${FOLDER}/no/pid\"";
    for (yaml, why) in [(start, "Two cannot start: no"), (settle, "pid_file: ")] {
        let yaml = format!("{yaml}\ntimeouts: {{shutdown: 100ms}}");
        let refused = house.reload(&yaml).expect_err("it is refused");
        assert!(refused.contains(why), "{refused}");
        assert!(!blocking.has_ended());
    }
    house.reload("limits: {errors: 5}").expect("it is sound");
}

/// Takes its time to start, until it is told to go on.
struct Late {
    begun: mpsc::Sender<()>,
    go_on: Mutex<mpsc::Receiver<()>>,
    is_shut_down: AtomicBool,
}

impl Processor for Late {
    fn name(&self) -> &'static str {
        "Late"
    }

    fn start(&self) -> Pending<'_, Result<(), String>> {
        let _ = self.begun.send(());
        let go_on = self.go_on.lock().expect("nobody panics with it");
        let outcome = go_on.recv_timeout(PATIENCE);
        Box::pin(async move { outcome.map_err(|error| error.to_string()) })
    }

    fn stage<'a>(&'a self, _: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async { Ok(Staged::Done) })
    }

    fn shutdown(&self) -> Pending<'_, ()> {
        self.is_shut_down.store(true, Ordering::Relaxed);
        Box::pin(async {})
    }
}

/// What is started while the daemon ends is shut down again, and leaves no pid file.
#[test]
fn who_is_asked_to_end_in_a_reload_does_not_take_it() {
    let ((begun, has_begun), (end, go_on)) = (mpsc::channel(), mpsc::channel());
    let late = Arc::new(Late {
        begun,
        go_on: Mutex::new(go_on),
        is_shut_down: AtomicBool::new(false),
    });
    let mine: Arc<dyn Processor> = Arc::clone(&late) as _;
    let house = House::with("", |daemon| {
        daemon.processor("Late", move || Ok(Arc::clone(&mine)))
    });
    let yaml = "save: Late|MailDir\npid_file: \"${FOLDER}/pid\"";
    let environment = house.folder.variables().into_iter().collect();
    let config = Config::parse(&configuration(yaml), "test", &environment).expect("it is sound");
    let error = thread::scope(|scope| {
        let reload = scope.spawn(|| house.running().reload(config));
        has_begun.recv_timeout(PATIENCE).expect("it is started");
        house.running().shutdown();
        end.send(()).expect("it waits for that");
        let refused = reload.join().expect("it does not panic");
        refused.expect_err("it is refused").to_string()
    });
    assert!(error.contains("it was shut down"), "{error}");
    assert!(late.is_shut_down.load(Ordering::Relaxed));
    assert!(!house.folder.path("pid").exists());
}
