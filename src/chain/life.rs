//! The start of the processors of a chain, and their end.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;

use super::{Chain, ChainError};
use crate::locks::lock;
use crate::processor::Processor;

/// How many chains have which processor at work. One that is in several, as one configuration
/// follows another, is started for the first of them and shut down after the last.
#[derive(Clone, Debug, Default)]
pub struct Uses(Arc<Mutex<HashMap<usize, usize>>>);

impl Uses {
    /// Counts one more; whether it is the first.
    fn begin(&self, processor: &Arc<dyn Processor>) -> bool {
        let mut counts = lock(&self.0);
        let count = counts.entry(key(processor)).or_insert(0);
        *count += 1;
        *count == 1
    }

    /// Counts one less; whether it was the last, or never counted.
    fn end(&self, processor: &Arc<dyn Processor>) -> bool {
        let mut counts = lock(&self.0);
        let Some(count) = counts.get_mut(&key(processor)) else {
            return true;
        };
        *count -= 1;
        let was_last = *count == 0;
        if was_last {
            counts.remove(&key(processor));
        }
        was_last
    }
}

/// Where it is: nothing else can be there while a chain that counts has it.
fn key(processor: &Arc<dyn Processor>) -> usize {
    Arc::as_ptr(processor).cast::<()>().addr()
}

impl Chain {
    /// Counts its processors there.
    #[must_use]
    pub fn sharing(mut self, uses: &Uses) -> Self {
        self.uses = uses.clone();
        self
    }

    /// Lets every processor get what it needs. If one fails, those before it are shut down.
    pub async fn start(&self) -> Result<(), ChainError> {
        let mut started: Vec<&Arc<dyn Processor>> = Vec::new();
        for (chain, processor) in self.processors() {
            started.push(processor);
            if !self.uses.begin(processor) {
                continue;
            }
            let start = AssertUnwindSafe(async { processor.start().await }).catch_unwind();
            let outcome = start.await;
            if let Err(error) = outcome.unwrap_or_else(|_| Err("it panicked".to_owned())) {
                let failed = started.pop();
                failed.map(|failed| self.uses.end(failed));
                for processor in started.into_iter().rev() {
                    self.end(processor).await;
                }
                let message = format!("{} cannot start: {error}", processor.name());
                return Err(ChainError { chain, message });
            }
        }
        Ok(())
    }

    /// Lets every processor release what it holds, unless another chain has it, too.
    pub async fn shutdown(&self) {
        for (_, processor) in self.processors() {
            self.end(processor).await;
        }
    }

    async fn end(&self, processor: &Arc<dyn Processor>) {
        if !self.uses.end(processor) {
            return;
        }
        let shutdown = AssertUnwindSafe(async { processor.shutdown().await }).catch_unwind();
        if shutdown.await.is_err() {
            log::error!(processor = processor.name(); "a processor panicked when it was shut down");
        }
    }

    /// Each of them once, with the first chain that it is in.
    fn processors(&self) -> Vec<(&'static str, &Arc<dyn Processor>)> {
        let validate = self
            .validate
            .iter()
            .map(|processor| ("validate", processor));
        let save = self.save.iter().map(|processor| ("save", processor));
        let mut all: Vec<(&'static str, &Arc<dyn Processor>)> = Vec::new();
        for (chain, processor) in validate.chain(save) {
            if !all.iter().any(|(_, other)| Arc::ptr_eq(other, processor)) {
                all.push((chain, processor));
            }
        }
        all
    }
}
