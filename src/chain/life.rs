//! The start of the processors of a chain, and their end.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use smol::Timer;
use smol::future::or;

use super::{Chain, ChainError};
use crate::locks::lock;
use crate::processor::Processor;

/// How long processors may take to close, where the shutdown timeout is not shorter. What they have
/// promised is safe without that.
const CLOSING: Duration = Duration::from_secs(3);

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

    /// Lets every processor get what it needs. If one fails, those before it are shut down, as in
    /// [`shutdown`](Self::shutdown).
    pub async fn start(&self, patience: Duration) -> Result<(), ChainError> {
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
                self.end(started, patience).await;
                let message = format!("{} cannot start: {error}", processor.name());
                return Err(ChainError { chain, message });
            }
        }
        Ok(())
    }

    /// Lets every processor release what it holds, unless another chain has it, too: all at once, each
    /// on a thread that it may block. Who is not done after `patience`, or 3 seconds if that is
    /// shorter, is left to itself.
    pub async fn shutdown(&self, patience: Duration) {
        let processors = self.processors().into_iter();
        self.end(processors.map(|(_, processor)| processor), patience)
            .await;
    }

    async fn end<'a>(
        &self,
        processors: impl IntoIterator<Item = &'a Arc<dyn Processor>>,
        patience: Duration,
    ) {
        // Nobody who takes long, or is not waited for, keeps another one counted.
        let last: Vec<_> = processors
            .into_iter()
            .filter(|processor| self.uses.end(processor))
            .collect();
        let patience = patience.min(CLOSING);
        join_all(last.into_iter().map(|processor| end(processor, patience))).await;
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

/// Waits on a thread that may be blocked, and for so long.
async fn end(processor: &Arc<dyn Processor>, patience: Duration) {
    let ending = Arc::clone(processor);
    let mut shut_down = smol::unblock(move || {
        let shutdown = AssertUnwindSafe(async { ending.shutdown().await }).catch_unwind();
        // What only waits is not left there for ever.
        smol::block_on(or(async { Some(shutdown.await) }, over(patience)))
    });
    match or(&mut shut_down, over(patience)).await {
        Some(Ok(())) => {}
        Some(Err(_)) => {
            log::error!(processor = processor.name(); "a processor panicked when it was shut down");
        }
        None => {
            // Where threads are late it may not have begun.
            shut_down.detach();
            log::warn!(processor = processor.name(); "a processor did not close in time and is left as it is");
        }
    }
}

/// Nothing, when that time is over.
async fn over<T>(patience: Duration) -> Option<T> {
    Timer::after(patience).await;
    None
}
