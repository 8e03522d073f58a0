//! A processor that brings mail to somebody else: while the client waits, or later, out of a queue.

use std::sync::Arc;

use super::handing::{Consumers, Habits, Queues};
use crate::chain::Registry;
use crate::config::{Config, Handover};
use crate::maildir::Store;
use crate::processor::{Processor, Queued};
use crate::spool::{Consumer, Queue};

/// Such a processor, and who empties its queue.
pub(super) struct Outlet<C> {
    /// The name of the processor, and of the queue.
    name: &'static str,
    /// Whether mail goes into the queue.
    is_queued: bool,
    consumer: Result<Arc<C>, String>,
    habits: Habits,
}

impl<C: Consumer + PartialEq + 'static> Outlet<C> {
    /// `consumer` empties the queue, or it is told what is missing for that. One from before that is
    /// equal goes on instead, and with it the worker that has it, with all it knows.
    pub(super) fn new(
        name: &'static str,
        is_queued: bool,
        consumer: Result<(C, Habits), String>,
        before: Option<&Self>,
    ) -> Self {
        let known = before.and_then(|before| before.consumer.as_ref().ok());
        let (consumer, habits) = match consumer {
            Ok((consumer, habits)) => {
                let known = known.filter(|known| ***known == consumer);
                let consumer = known.map_or_else(|| Arc::new(consumer), Arc::clone);
                (Ok(consumer), habits)
            }
            Err(error) => (Err(error), Habits::default()),
        };
        Self {
            name,
            is_queued,
            consumer,
            habits,
        }
    }

    /// Who empties the queue.
    ///
    /// # Errors
    ///
    /// What is missing for that.
    #[cfg(all(feature = "mysql", feature = "redis"))]
    pub(super) fn consumer(&self) -> Result<&C, String> {
        self.consumer.as_deref().map_err(Clone::clone)
    }

    /// Adds who empties the queue: mail will be put there, or some was before the configuration was
    /// changed.
    pub(super) fn add_consumer(&self, config: &Config, store: &Arc<Store>, all: &mut Consumers) {
        let Ok(consumer) = &self.consumer else {
            return;
        };
        if self.is_queued || has_letters(self.name, config, store) {
            let consumer: Arc<dyn Consumer> = Arc::clone(consumer) as _;
            all.add_with(self.name, consumer, self.habits);
        }
    }

    /// Adds the processor, made to fill the queue by `queueing` if that is its way.
    pub(super) fn register<P: Processor + 'static>(
        &self,
        registry: &mut Registry,
        queues: &Queues<'_>,
        processor: Result<P, String>,
        queueing: impl FnOnce(P, Queued) -> P,
    ) {
        let made = processor.and_then(|processor| {
            if !self.is_queued {
                return Ok(processor);
            }
            Ok(queueing(processor, queues.filler(self.name)?))
        });
        let made = made.map(|processor| Arc::new(processor) as Arc<dyn Processor>);
        registry.add(self.name, move || made.clone());
    }
}

/// Whether mail for the processor `name` goes into its queue.
pub(super) fn is_queued(name: &str, delivery: Option<Handover>, config: &Config) -> bool {
    delivery == Some(Handover::Queued) && is_in_save(name, config)
}

/// The level that Compressor has, if `save` names it.
#[cfg(any(feature = "mysql", feature = "redis"))]
pub(super) fn compression(config: &Config) -> Option<u32> {
    is_in_save("Compressor", config).then_some(config.compressor.level)
}

/// Whether `save` names this processor.
pub(super) fn is_in_save(name: &str, config: &Config) -> bool {
    let is_named = |link: &String| link.trim().eq_ignore_ascii_case(name);
    config.save.iter().any(is_named)
}

/// Whether something waits in this queue.
fn has_letters(name: &str, config: &Config, store: &Arc<Store>) -> bool {
    let queue = config
        .spool()
        .and_then(|place| Queue::new(Arc::clone(store), place, name));
    queue.is_ok_and(|queue| queue.letters().is_ok_and(|letters| !letters.is_empty()))
}
