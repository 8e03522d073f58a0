//! Mail for applications that get it later: who they are, and who hands it over.

use std::sync::Arc;
use std::time::Duration;

use crate::chain::Registry;
use crate::config::Config;
use crate::disks::Disks;
use crate::maildir::Store;
use crate::processor::{Processor, Queued};
use crate::spool::{self, Consumer, DeadLetters, Place, Queue};

/// The consumers of a daemon.
#[derive(Clone, Default)]
pub(super) struct Consumers(Vec<Entry>);

#[derive(Clone)]
struct Entry {
    /// The name of its queue.
    name: String,
    consumer: Arc<dyn Consumer>,
    habits: Option<Habits>,
}

/// How a consumer is treated, where that is not as the section `spool` says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Habits {
    /// How long an attempt may take.
    pub(super) timeout: Duration,
    /// Attempts at once, at most.
    pub(super) at_once: usize,
}

/// What mail for applications is put into.
pub(super) struct Queues<'a> {
    /// Where they are.
    pub(super) place: Result<Place, String>,
    pub(super) store: &'a Arc<Store>,
    pub(super) disks: &'a Arc<Disks>,
}

impl Queues<'_> {
    /// What fills the queue of the consumer `name`.
    pub(super) fn filler(&self, name: &str) -> Result<Queued, String> {
        let queue = Queue::new(Arc::clone(self.store), self.place.clone()?, name)?;
        Ok(Queued::new(name, queue, Arc::clone(self.disks)))
    }
}

impl Consumers {
    pub(super) fn add(&mut self, name: &str, consumer: Arc<dyn Consumer>) {
        self.push(name, consumer, None);
    }

    /// The same, for one with habits of its own.
    #[cfg(any(feature = "fastcgi", feature = "mysql", feature = "redis"))]
    pub(super) fn add_with(&mut self, name: &str, consumer: Arc<dyn Consumer>, habits: Habits) {
        self.push(name, consumer, Some(habits));
    }

    fn push(&mut self, name: &str, consumer: Arc<dyn Consumer>, habits: Option<Habits>) {
        self.0.push(Entry {
            name: name.to_owned(),
            consumer,
            habits,
        });
    }

    /// A processor for each, which fills its queue.
    pub(super) fn register(&self, registry: &mut Registry, queues: &Queues<'_>) {
        for Entry { name, .. } in &self.0 {
            let filler = queues.filler(name);
            let filler = filler.map(|filler| Arc::new(filler) as Arc<dyn Processor>);
            registry.add(name, move || filler.clone());
        }
    }

    /// Where their mail waits; nowhere if there are none.
    pub(super) fn place(&self, config: &Config) -> Option<Place> {
        let place = config.spool().ok();
        place.filter(|_| !self.0.is_empty())
    }

    /// What there is to do for them.
    pub(super) fn jobs(&self, config: &Config, store: &Arc<Store>) -> Vec<Job> {
        let Some(place) = self.place(config) else {
            return Vec::new();
        };
        let job = |entry: &Entry| {
            // One that cannot have a queue has no processor either, which was said before.
            let queue = Queue::new(Arc::clone(store), place.clone(), &entry.name).ok()?;
            let mut settings = config.spool_worker();
            if let Some(habits) = entry.habits {
                settings.timeout = habits.timeout;
                settings.at_once = settings.at_once.min(habits.at_once);
            }
            Some(Job {
                dead: DeadLetters::new(Arc::clone(store), place.clone()),
                queue,
                consumer: Arc::clone(&entry.consumer),
                settings,
            })
        };
        self.0.iter().filter_map(job).collect()
    }
}

/// A queue, and what is to be done with the letters in it.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) queue: Queue,
    pub(super) dead: DeadLetters,
    pub(super) consumer: Arc<dyn Consumer>,
    pub(super) settings: spool::Settings,
}
