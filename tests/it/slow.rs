//! A processor that waits until it may go on.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use maiasaura::failure::Failure;
use maiasaura::processor::{Delivery, Pending, Processor, Staged};

use crate::client::PATIENCE;

/// Waits for a word before each message, or until all words have been said.
struct Slow(Arc<Mutex<Receiver<()>>>);

/// `Slow`, and what lets it go on when it is sent, or dropped.
pub fn processor() -> (Sender<()>, Arc<dyn Processor>) {
    let (open, opens) = channel();
    (open, Arc::new(Slow(Arc::new(Mutex::new(opens)))))
}

impl Processor for Slow {
    fn name(&self) -> &'static str {
        "Slow"
    }

    fn stage<'a>(&'a self, _: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        let gate = Arc::clone(&self.0);
        let wait = move || drop(gate.lock().map(|gate| gate.recv_timeout(PATIENCE)));
        Box::pin(async move {
            smol::unblock(wait).await;
            Ok(Staged::Done)
        })
    }
}
