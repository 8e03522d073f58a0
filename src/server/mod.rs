//! The server: sockets, time and load around [`Session`](crate::smtp::Session)s.

mod alarm;
mod clock;
mod connection;
mod intake;
mod introduction;
mod limits;
mod linger;
mod listener;
mod logins;
mod networks;
mod passed;
mod record;
mod service;
mod shutdown;
mod socket_file;
mod spooler;
mod tls;
mod visit;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use smol::channel::{Sender, bounded};
use smol::io::AsyncWriteExt as _;
use smol::{Executor, Timer, future};

pub use clock::Timeouts;
pub use introduction::Trust;
pub use limits::Limits;
pub use linger::Linger;
pub use listener::{Address, Bound, Listener};
pub use logins::{LoginSettings, Logins};
pub use networks::Networks;
pub use passed::PassedSockets;
pub use record::SessionLog;
pub use service::Service;
pub use shutdown::{Shutdown, Trigger};
pub use socket_file::Access;
pub use spooler::{Spooler, spool_failure};
pub use tls::Encryption;

use crate::envelope::Client;
use crate::events::Peer;
use crate::health::Part;
use crate::logbook::Logbook;
use crate::smtp::reply::{self, Reply};
use listener::Stream;
use record::Presence;
use visit::Visit;

/// How long an accept loop rests when the system has no descriptor or memory for
/// another connection; without a rest it would spin.
const REST: Duration = Duration::from_millis(100);

/// How long processors may take to close. What they have promised is safe without that.
const CLOSING: Duration = Duration::from_secs(3);

/// Accepts connections on all listeners until `shutdown` is requested; then
/// closes the listeners, lets every message that has begun arrive, says 421 to
/// the other clients, and returns. Who is not done by then is cut off.
pub async fn run(
    executor: Arc<Executor<'static>>,
    listeners: Vec<Listener>,
    service: Arc<Service>,
    shutdown: Shutdown,
) {
    // Every connection holds a sender: when the last one is dropped, all are done.
    let (open, all_done) = bounded::<()>(1);
    for listener in listeners {
        let logbook = listener.logbook.clone();
        let door = Door {
            name: listener.address.to_string().into(),
            health: service
                .health
                .part(&format!("listener {}", listener.address)),
            listener,
            executor: Arc::clone(&executor),
            service: Arc::clone(&service),
            shutdown: shutdown.clone(),
            open: open.clone(),
        };
        let serve = Logbook::around(logbook, door.accept_all());
        executor.spawn(serve).detach();
    }
    drop(open);
    shutdown.requested().await;
    let grace = Timer::after(service.timeouts.shutdown);
    if let Either::Right(_) = select(Box::pin(all_done.recv()), grace).await {
        log::warn!("some sessions did not end in time and are cut off");
    }
    let close = service.chain.shutdown();
    if let Either::Right(_) = select(Box::pin(close), Timer::after(CLOSING)).await {
        log::warn!("a processor did not close in time and is left as it is");
    }
}

/// One listener and all that a connection through it needs.
struct Door {
    listener: Listener,
    /// Its address, for all who tell of it.
    name: Arc<str>,
    health: Part,
    executor: Arc<Executor<'static>>,
    service: Arc<Service>,
    shutdown: Shutdown,
    open: Sender<()>,
}

impl Door {
    async fn accept_all(self) {
        while !self.shutdown.is_requested() {
            let stopped = async {
                self.shutdown.requested().await;
                None
            };
            match future::or(async { Some(self.listener.accept().await) }, stopped).await {
                None => break,
                Some(Ok((stream, client))) => {
                    self.health.well();
                    self.admit(stream, client);
                }
                Some(Err(error)) => self.rest(&error).await,
            }
        }
    }

    fn admit(&self, stream: Stream, client: Client) {
        let trust = &self.listener.trust;
        let events = &self.service.events;
        if let Some(cause) = trust.refusal(&client) {
            record::shut_out(&client, &self.name, &cause, events);
            return;
        }
        let counted = client.address.filter(|_| !trust.awaits_name(&client));
        let Some(place) = self.service.limits.admit(counted) else {
            record::turned_away(&client, &self.name, &reply::TOO_MANY_CONNECTIONS, events);
            // Within TLS it would take a handshake to say so.
            if !self.is_implicit() {
                let say = turn_away(stream, reply::TOO_MANY_CONNECTIONS);
                self.executor.spawn(say).detach();
            }
            return;
        };
        let peer = Peer::new(Arc::clone(&self.name), &client);
        let presence = Presence::begin(peer, events);
        let visit = Visit {
            peer: client,
            place,
            listener: Arc::clone(&self.name),
            profile: Arc::clone(&self.listener.profile),
            encryption: self.listener.encryption.clone(),
            trust: Arc::clone(trust),
            service: Arc::clone(&self.service),
            shutdown: self.shutdown.clone(),
        };
        let open = self.open.clone();
        let conversation = async move {
            match stream {
                Stream::Tcp(stream) => visit.receive(stream).await,
                Stream::Unix(stream) => visit.receive(stream).await,
            }
            drop(presence);
            drop(open);
        };
        self.executor.spawn(Logbook::carried(conversation)).detach();
    }

    fn is_implicit(&self) -> bool {
        let encryption = self.listener.encryption.as_ref();
        encryption.is_some_and(|encryption| encryption.implicit)
    }

    /// A client that went away before it was accepted is nothing; a lack of
    /// descriptors passes when others leave.
    async fn rest(&self, error: &io::Error) {
        if error.kind() != io::ErrorKind::ConnectionAborted {
            self.health
                .ill(format_args!("cannot accept a connection: {error}"));
            log::error!(listener:% = self.listener.address, error:% = error; "cannot accept a connection, waiting");
            Timer::after(REST).await;
        }
    }
}

/// Says why and closes; a client that does not listen is not waited for.
async fn turn_away(stream: Stream, reply: Reply) {
    let mut octets = Vec::new();
    reply.write(&mut octets);
    let say = async {
        match stream {
            Stream::Tcp(mut stream) => stream.write_all(&octets).await,
            Stream::Unix(mut stream) => stream.write_all(&octets).await,
        }
    };
    let _ = future::or(say, moment()).await;
}

/// As long as a client may take to hear that it is not welcome.
async fn moment() -> io::Result<()> {
    Timer::after(Duration::from_secs(1)).await;
    Ok(())
}
