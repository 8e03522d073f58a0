//! Who tells events, and who hears them.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use smol::Timer;
use smol::channel::{Receiver, TrySendError, bounded};
use smol::future::or;

use super::Event;
use crate::locks::{read, write};

/// Tells events to all who have subscribed. Clones tell the same ones; where nobody listens telling
/// costs no more than to look whether somebody does.
#[derive(Clone, Default)]
pub struct Events(Arc<Audience>);

#[derive(Default)]
struct Audience {
    is_there: AtomicBool,
    /// Replaced as a whole, so that it is not locked while events are heard: an observer may itself
    /// tell some, or subscribe another.
    observers: RwLock<Arc<[Observer]>>,
    /// Subscriptions up to now.
    count: AtomicU64,
}

#[derive(Clone)]
struct Observer {
    number: u64,
    /// Says whether it wants to hear more.
    hear: Arc<dyn Fn(&Event) -> bool + Send + Sync>,
}

impl Events {
    /// Whether somebody listens.
    pub fn are_heard(&self) -> bool {
        self.0.is_there.load(Ordering::Relaxed)
    }

    /// Tells an event to all, one after the other, on this thread. It is not even made unless
    /// somebody listens.
    pub fn tell(&self, event: impl FnOnce() -> Event) {
        if !self.are_heard() {
            return;
        }
        let event = event();
        let observers = Arc::clone(&read(&self.0.observers));
        for observer in &*observers {
            let heard = catch_unwind(AssertUnwindSafe(|| (observer.hear)(&event)));
            let goes_on = heard.unwrap_or_else(|_| {
                log::error!(event = event.topic(); "an observer of events panicked");
                true
            });
            if !goes_on {
                self.forget(observer.number);
            }
        }
    }

    /// Calls `observer` with every event, on the thread on which it happens: a session waits for it,
    /// so it must not block. When it panics that is logged, and mail goes on. Several threads may
    /// call it at once.
    pub fn observe(&self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
        self.add(move |event| {
            observer(event);
            true
        })
    }

    /// A channel in which up to `room` events wait, at least one. What comes while it is full is
    /// dropped and counted: no session waits for who reads slowly. It ends with the daemon, and the
    /// subscription when it is dropped.
    pub fn subscribe(&self, room: usize) -> Subscriber {
        let (sender, receiver) = bounded(room.max(1));
        let missed = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&missed);
        self.add(move |event| match sender.try_send(event.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                count.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(TrySendError::Closed(_)) => false,
        });
        Subscriber { receiver, missed }
    }

    fn add(&self, hear: impl Fn(&Event) -> bool + Send + Sync + 'static) -> Subscription {
        let number = self.0.count.fetch_add(1, Ordering::Relaxed);
        let hear = Arc::new(hear);
        let mut observers = write(&self.0.observers);
        let others = observers.iter().cloned();
        *observers = others.chain([Observer { number, hear }]).collect();
        self.0.is_there.store(true, Ordering::Relaxed);
        Subscription(number)
    }

    fn forget(&self, number: u64) {
        let mut observers = write(&self.0.observers);
        let others = observers.iter().filter(|other| other.number != number);
        *observers = others.cloned().collect();
        self.0
            .is_there
            .store(!observers.is_empty(), Ordering::Relaxed);
    }

    /// Ends all subscriptions: there is nothing more to tell.
    pub(crate) fn end(&self) {
        let mut observers = write(&self.0.observers);
        *observers = Arc::default();
        self.0.is_there.store(false, Ordering::Relaxed);
    }

    /// Ends a subscription. An event that is being told may still be heard.
    pub fn unsubscribe(&self, subscription: &Subscription) {
        self.forget(subscription.0);
    }
}

/// An observer that was subscribed; good for [`Events::unsubscribe`]. Dropping it ends nothing.
#[derive(Debug)]
pub struct Subscription(u64);

/// The events that somebody has subscribed to, in the order in which they were told.
#[derive(Debug)]
pub struct Subscriber {
    receiver: Receiver<Event>,
    missed: Arc<AtomicU64>,
}

impl Subscriber {
    /// Waits for the next one; none when the daemon has ended.
    pub async fn next(&self) -> Option<Event> {
        self.receiver.recv().await.ok()
    }

    /// Waits for the next one, and blocks this thread meanwhile; none when the daemon has ended, or
    /// after so long.
    pub fn wait(&self, patience: Duration) -> Option<Event> {
        smol::block_on(or(self.next(), async {
            Timer::after(patience).await;
            None
        }))
    }

    /// The next one, if there is one already.
    pub fn try_next(&self) -> Option<Event> {
        self.receiver.try_recv().ok()
    }

    /// How many events were dropped since there was no room for them.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let observers = read(&self.0.observers).len();
        write!(f, "Events {{ observers: {observers} }}")
    }
}
