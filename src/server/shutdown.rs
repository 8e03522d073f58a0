//! How the wish to stop reaches every task.

use smol::channel::{Receiver, Sender, bounded};

/// Requests the shutdown, once and for all who hold a [`Shutdown`].
#[derive(Debug)]
pub struct Trigger(Sender<()>);

/// Tells when a shutdown is requested.
#[derive(Clone, Debug)]
pub struct Shutdown(Receiver<()>);

/// Tells others when it is dropped: nobody uses any more what it is part of.
#[derive(Debug)]
pub struct InUse {
    #[expect(dead_code, reason = "it tells by its end")]
    trigger: Trigger,
    over: Shutdown,
}

impl Default for InUse {
    fn default() -> Self {
        let (trigger, over) = Shutdown::new();
        Self { trigger, over }
    }
}

impl InUse {
    /// What tells.
    pub fn over(&self) -> Shutdown {
        self.over.clone()
    }
}

impl Shutdown {
    /// A shutdown and what triggers it. Dropping the trigger triggers too.
    pub fn new() -> (Trigger, Self) {
        let (sender, receiver) = bounded(1);
        (Trigger(sender), Self(receiver))
    }

    /// Waits for the request. Nothing is ever sent: the channel is closed.
    pub async fn requested(&self) {
        let _ = self.0.recv().await;
    }

    /// Whether it was requested.
    pub fn is_requested(&self) -> bool {
        self.0.is_closed()
    }
}

impl Trigger {
    /// Requests the shutdown.
    pub fn pull(&self) {
        self.0.close();
    }
}
