//! A reload that is asked for while there is one.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread;

use maiasaura::daemon::Running;
use maiasaura::failure::Failure;
use maiasaura::processor::{Delivery, Pending, Processor, Staged};
use maiasaura::{Config, Daemon};

use crate::client::PATIENCE;
use crate::house::{Folder, House, configuration};

/// Who asks for one when it is started.
#[derive(Clone)]
struct Eager {
    daemon: Arc<OnceLock<Weak<Running>>>,
    config: Config,
    /// Whether it leaves that to another thread, and waits for it.
    apart: bool,
    told: Arc<Mutex<Sender<String>>>,
}

impl Processor for Eager {
    fn name(&self) -> &'static str {
        "Eager"
    }

    fn start(&self) -> Pending<'_, Result<(), String>> {
        let Some(running) = self.daemon.get().and_then(Weak::upgrade) else {
            return Box::pin(async { Ok(()) });
        };
        let config = self.config.clone();
        let reload = move || running.reload(config).map_err(|error| error.to_string());
        Box::pin(async move {
            let outcome = if self.apart {
                smol::unblock(reload).await
            } else {
                reload()
            };
            let error = outcome.map(|reloaded| reloaded.to_string());
            let told = self.told.lock().expect("nobody panics with it");
            told.send(error.unwrap_or_else(|error| error))
                .map_err(|error| error.to_string())
        })
    }

    fn stage<'a>(&'a self, _: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async { Ok(Staged::Done) })
    }
}

/// It is refused, and the one that is there is not: nobody waits for ever.
#[test]
fn a_processor_that_is_started_cannot_reload() {
    for (apart, why) in [
        (false, "this one was asked for from within another"),
        (true, "another one is under way"),
    ] {
        let folder = Folder::new();
        let yaml = configuration("save: Eager|MailDir");
        let environment = folder.variables().into_iter().collect();
        let config = Config::parse(&yaml, "test", &environment).expect("it is sound");
        let (told, heard) = channel();
        let eager = Eager {
            daemon: Arc::default(),
            config: config.clone(),
            apart,
            told: Arc::new(Mutex::new(told)),
        };
        let slot = Arc::clone(&eager.daemon);
        let daemon = Daemon::new(config.clone());
        let daemon = daemon.processor("Eager", move || Ok(Arc::new(eager.clone())));
        let running = Arc::new(daemon.start().expect("it is sound"));
        slot.set(Arc::downgrade(&running))
            .expect("nobody was before us");
        let (ended, end) = channel();
        let reloading = Arc::clone(&running);
        thread::spawn(move || {
            let reloaded = reloading.reload(config);
            drop(reloading);
            ended.send(reloaded.map(|reloaded| reloaded.generation))
        });
        let reloaded = end.recv_timeout(PATIENCE).expect("it ends");
        assert_eq!(reloaded.expect("it is sound"), 2);
        let refused = heard.recv_timeout(PATIENCE).expect("it has asked");
        assert!(refused.contains(why), "{refused}");
        assert!(refused.contains("Processor::start"), "{refused}");
        let running = Arc::into_inner(running).expect("nobody else has it");
        running.shutdown();
    }
}

/// From several threads they come one after the other.
#[test]
fn they_wait_for_each_other() {
    let house = House::new("");
    let config = house.running().config();
    let reload = || house.running().reload(Config::clone(&config));
    let mut generations: Vec<u64> = thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(reload));
        let ended = threads.map(|thread| thread.join().expect("it does not panic"));
        let reloaded = ended.map(|ended| ended.expect("it is sound"));
        reloaded
            .iter()
            .map(|reloaded| reloaded.generation)
            .collect()
    });
    generations.sort_unstable();
    assert_eq!(generations, [2, 3, 4, 5]);
}
