//! A worker inside a program, with processors of that program.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread;

use maiasaura::Config;
use maiasaura::daemon::RunningWorker;
use maiasaura::failure::Failure;
use maiasaura::processor::{Delivery, Pending, Processor, Staged};

use crate::client::PATIENCE;
use crate::house::{Folder, configuration};
use crate::pair::{worker_with, yaml};
use crate::server::Server;

/// Asks its worker for all that can be asked when it is started.
struct Curious {
    worker: Arc<OnceLock<Weak<RunningWorker>>>,
    told: Mutex<Sender<(Arc<Config>, bool, String)>>,
}

impl Processor for Curious {
    fn name(&self) -> &'static str {
        "Curious"
    }

    fn start(&self) -> Pending<'_, Result<(), String>> {
        let Some(worker) = self.worker.get().and_then(Weak::upgrade) else {
            return Box::pin(async { Ok(()) });
        };
        let (config, has_pid_file) = (worker.config(), worker.pid_file().is_some());
        let again = worker.reload(Config::clone(&config));
        let refused = again.expect_err("there is one already").to_string();
        let told = self.told.lock().expect("nobody panics with it");
        let told = told.send((config, has_pid_file, refused));
        Box::pin(async move { told.map_err(|error| error.to_string()) })
    }

    fn stage<'a>(&'a self, _: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async { Ok(Staged::Done) })
    }
}

/// What there is now is shown while the next one is prepared, and a reload within it is refused.
#[test]
fn a_processor_that_is_started_may_ask_the_worker() {
    let (server, folder) = (Server::start(), Folder::new());
    let keys = yaml(
        &server,
        ", save: Curious|MailDir",
        "pid_file: \"${FOLDER}/pid\"\n",
    );
    let (told, heard) = channel();
    let slot = Arc::new(OnceLock::new());
    let worker = Arc::new(worker_with(&folder, &keys, |daemon| {
        let worker = Arc::clone(&slot);
        daemon.processor("Curious", move || {
            let told = Mutex::new(told.clone());
            let worker = Arc::clone(&worker);
            Ok(Arc::new(Curious { worker, told }))
        })
    }));
    slot.set(Arc::downgrade(&worker))
        .expect("nobody was before us");
    let config = worker.config();
    let (ended, end) = channel();
    let (reloading, next) = (Arc::clone(&worker), Config::clone(&config));
    thread::spawn(move || {
        let reloaded = reloading.reload(next);
        drop(reloading);
        ended.send(reloaded.map(|reloaded| reloaded.generation))
    });
    let reloaded = end.recv_timeout(PATIENCE).expect("it ends");
    assert_eq!(reloaded.expect("it is sound"), 2);
    let (seen, has_pid_file, refused) = heard.recv_timeout(PATIENCE).expect("it has asked");
    assert!(Arc::ptr_eq(&seen, &config));
    assert!(has_pid_file);
    assert!(refused.contains("Processor::start"), "{refused}");
    let worker = Arc::into_inner(worker).expect("nobody else has it");
    worker.shutdown();
}

/// Blocks its thread when it is shut down, until it is told to go on.
struct Blocking {
    go_on: Mutex<Receiver<()>>,
    has_ended: AtomicBool,
}

impl Processor for Blocking {
    fn name(&self) -> &'static str {
        "Blocking"
    }

    fn stage<'a>(&'a self, _: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async { Ok(Staged::Done) })
    }

    fn shutdown(&self) -> Pending<'_, ()> {
        let go_on = self.go_on.lock().expect("nobody panics with it");
        let _ = go_on.recv_timeout(PATIENCE);
        self.has_ended.store(true, Ordering::Relaxed);
        Box::pin(async {})
    }
}

/// Neither a reload that is refused nor the end waits for it.
#[test]
fn who_blocks_at_the_end_holds_no_worker_up() {
    let (server, folder) = (Server::start(), Folder::new());
    let (_end, go_on) = channel();
    let blocking = Arc::new(Blocking {
        go_on: Mutex::new(go_on),
        has_ended: AtomicBool::new(false),
    });
    let mine: Arc<dyn Processor> = Arc::clone(&blocking) as _;
    let plain = yaml(&server, "", "timeouts: {shutdown: 100ms}\n");
    let blocked = yaml(
        &server,
        ", save: Blocking|MailDir",
        "timeouts: {shutdown: 100ms}\n",
    );
    let worker = worker_with(&folder, &plain, |daemon| {
        daemon.processor("Blocking", move || Ok(Arc::clone(&mine)))
    });
    let read = |yaml: &str| {
        let environment = folder.variables().into_iter().collect();
        Config::parse(&configuration(yaml), "test", &environment)
    };
    let wrong = blocked.clone() + "pid_file: \"${FOLDER}/no/pid\"\n";
    let refused = worker.reload(read(&wrong).expect("it can be read"));
    let refused = refused.expect_err("it is refused").to_string();
    assert!(refused.contains("pid_file"), "{refused}");
    assert!(!blocking.has_ended.load(Ordering::Relaxed));
    worker
        .reload(read(&blocked).expect("it can be read"))
        .expect("it is sound");
    worker.shutdown();
    assert!(!blocking.has_ended.load(Ordering::Relaxed));
}
