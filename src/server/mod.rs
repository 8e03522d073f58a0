//! The server: sockets, time and load around [`Session`](crate::smtp::Session)s.
//!
//! A [`Daemon`](crate::Daemon) makes one of a configuration. Read in this order: [`Address`] and
//! [`Listener`], the [`Service`] behind them, [`Limits`] and [`Timeouts`], and last the [`Server`].

mod alarm;
mod change;
mod clock;
mod connection;
mod counts;
mod door;
mod intake;
mod introduction;
mod lack;
mod limits;
mod linger;
mod listener;
mod logins;
mod networks;
mod passed;
mod porter;
mod record;
mod restraint;
mod service;
mod shutdown;
mod socket_file;
mod spooler;
mod tls;
mod visit;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use smol::channel::{Receiver, bounded};
use smol::{Executor, Task, Timer, future};

pub use clock::Timeouts;
pub use counts::Counts;
pub use introduction::Trust;
pub(crate) use lack::Lack;
pub use limits::Limits;
pub use linger::Linger;
#[cfg(any(feature = "auth-http", feature = "metrics"))]
pub(crate) use listener::tcp_beside;
pub use listener::{Address, Bound, Listener};
pub use logins::{Denied, LoginSettings, Logins};
pub use networks::Networks;
pub use passed::PassedSockets;
pub use record::SessionLog;
pub use restraint::{LeftOut, Restraint};
pub use service::Service;
pub use shutdown::{InUse, Shutdown, Trigger};
pub use socket_file::Access;
pub use spooler::{Spooler, spool_failure};
pub use tls::Encryption;

use crate::locks::lock;
use door::{Door, Hall, Offering};
use listener::Site;

/// How long listeners may take to close.
const CLOSING: Duration = Duration::from_secs(3);

/// Sockets at work. What is offered at them can be changed while clients come in: who is there goes
/// on with what it found.
pub struct Server {
    executor: Arc<Executor<'static>>,
    shutdown: Shutdown,
    state: Mutex<State>,
    /// Every connection holds a sender: when the last one is dropped, all are done.
    all_done: Receiver<()>,
    /// Closes the chains whoever still uses them.
    cut: Trigger,
    is_cut: Shutdown,
}

struct State {
    /// What connections get; none when the server ends.
    hall: Option<Hall>,
    doors: Vec<Arc<Door>>,
    /// Each closes the chain of one configuration, when nobody uses it any more.
    chains: Vec<Task<()>>,
    /// For the end.
    patience: Duration,
}

/// What a reload has changed about the sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Where clients can come now and could not before.
    pub opened: Vec<Address>,
    /// Where they cannot any more.
    pub closed: Vec<Address>,
}

impl Server {
    /// One that listens nowhere yet, and ends when `shutdown` is requested.
    pub fn new(executor: Arc<Executor<'static>>, shutdown: Shutdown) -> Self {
        let (open, all_done) = bounded(1);
        let (cut, is_cut) = Shutdown::new();
        let hall = Hall {
            executor: Arc::clone(&executor),
            shutdown: shutdown.clone(),
            open,
        };
        Self {
            executor,
            shutdown,
            state: Mutex::new(State {
                hall: Some(hall),
                doors: Vec::new(),
                chains: Vec::new(),
                patience: Duration::ZERO,
            }),
            all_done,
            cut,
            is_cut,
        }
    }

    /// Takes connections on these listeners and on no others from now on, for `service`.
    ///
    /// Each connection is for one service, that of the moment when it is accepted, and keeps it
    /// until it ends; so does a delivery that outlasts it. Then the chain is told to close. A
    /// listener that is not named any more still serves who has connected to it.
    pub async fn open(&self, listeners: Vec<Listener>, service: Arc<Service>) -> Moved {
        let mut moved = Moved::default();
        let Some(before) = self.swap(listeners, &service, &mut moved) else {
            // The end has begun meanwhile, and nobody else would.
            service.chain.shutdown(service.timeouts.shutdown).await;
            return moved;
        };
        drop(service);
        moved.closed = before
            .iter()
            .map(|door| door.offering().address.clone())
            .collect();
        let closed = async {
            join_all(before.into_iter().map(Door::close)).await;
        };
        let late = async {
            Timer::after(CLOSING).await;
            log::warn!("a listener did not close in time");
        };
        future::or(closed, late).await;
        moved
    }

    /// Puts new doors in the place of the old ones, and returns those that are to be closed; nothing
    /// when the server ends.
    fn swap(
        &self,
        listeners: Vec<Listener>,
        service: &Arc<Service>,
        moved: &mut Moved,
    ) -> Option<Vec<Arc<Door>>> {
        let mut state = lock(&self.state);
        let hall = state.hall.clone()?;
        let mut doors = Vec::new();
        for listener in listeners {
            let (offering, site) = Offering::of(listener, Arc::clone(service));
            doors.push(match site {
                Site::New(asked, socket) => {
                    moved.opened.push(offering.address.clone());
                    Door::open(asked, socket, offering, hall.clone())
                }
                Site::Kept(door, access) => {
                    if let Some(access) = access {
                        access.keep();
                    }
                    door.offer(offering);
                    door
                }
            });
        }
        state.patience = service.timeouts.shutdown;
        state.chains.retain(|chain| !chain.is_finished());
        state.chains.push(self.keep(service));
        let mut before = std::mem::replace(&mut state.doors, doors);
        before.retain(|door| !state.doors.iter().any(|kept| Arc::ptr_eq(kept, door)));
        Some(before)
    }

    /// Closes the chain of a service when nobody uses it any more.
    fn keep(&self, service: &Service) -> Task<()> {
        let (over, is_cut) = (service.in_use.over(), self.is_cut.clone());
        let chain = Arc::clone(&service.chain);
        let patience = service.timeouts.shutdown;
        self.executor.spawn(async move {
            future::or(over.requested(), is_cut.requested()).await;
            chain.shutdown(patience).await;
            // With it goes what it wrote to, and a log that is closed is emptied first.
            smol::unblock(move || drop(chain)).await;
        })
    }

    /// Waits for the shutdown; then closes the listeners, lets every message that has begun arrive,
    /// says 421 to the other clients, and returns. Who is not done by then is cut off.
    pub async fn finish(&self) {
        self.shutdown.requested().await;
        let (doors, chains, grace) = {
            let mut state = lock(&self.state);
            state.hall = None;
            let doors = std::mem::take(&mut state.doors);
            (doors, std::mem::take(&mut state.chains), state.patience)
        };
        drop(doors);
        let grace = Timer::after(grace);
        if let Either::Right(_) = select(Box::pin(self.all_done.recv()), grace).await {
            log::warn!("some sessions did not end in time and are cut off");
        }
        self.cut.pull();
        join_all(chains).await;
    }

    /// How long the end may take, as the last configuration has it.
    pub fn patience(&self) -> Duration {
        lock(&self.state).patience
    }

    /// How many configurations are in use: one, and those that sessions from before still have.
    pub fn generations(&self) -> usize {
        let chains = &lock(&self.state).chains;
        chains.iter().filter(|chain| !chain.is_finished()).count()
    }

    fn doors(&self) -> Vec<Arc<Door>> {
        lock(&self.state).doors.clone()
    }
}

/// As long as a client may take to hear that it is not welcome.
async fn moment() -> io::Result<()> {
    Timer::after(Duration::from_secs(1)).await;
    Ok(())
}
