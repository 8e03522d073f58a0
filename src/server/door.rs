//! One socket, and who comes in through it.

use std::io;
use std::mem;
use std::sync::{Arc, Mutex, RwLock};

use smol::channel::Sender;
use smol::io::AsyncWriteExt as _;
use smol::{Executor, Task, future};

use super::listener::{ListeningSocket, Stream};
use super::porter::Porter;
use super::record::Presence;
use super::visit::Visit;
use super::{Address, Encryption, Lack, Listener, Service, Shutdown, Trigger, Trust};
use crate::envelope::Client;
use crate::events::Peer;
use crate::health::Part;
use crate::locks::{lock, read, write};
use crate::logbook::Logbook;
use crate::smtp::Profile;
use crate::smtp::reply::{self, Reply};

/// A socket at which clients come in, as long as it is neither closed nor the server shut down.
#[derive(Debug)]
pub(super) struct Door {
    /// As it was asked for, with port 0 if that was it.
    pub asked: Address,
    pub socket: ListeningSocket,
    /// What is offered to who comes now.
    offering: RwLock<Arc<Offering>>,
    close: Trigger,
    closed: Shutdown,
    /// The accept loop.
    task: Mutex<Option<Task<()>>>,
    lack: Lack,
}

/// What one configuration offers at a socket.
#[derive(Debug)]
pub(super) struct Offering {
    pub address: Address,
    /// The same, for all who tell of it.
    name: Arc<str>,
    porter: Arc<Porter>,
    health: Part,
    profile: Arc<Profile>,
    trust: Arc<Trust>,
    encryption: Option<Encryption>,
    logbook: Option<Logbook>,
    service: Arc<Service>,
}

/// What all doors have in common.
#[derive(Clone)]
pub(super) struct Hall {
    pub executor: Arc<Executor<'static>>,
    pub shutdown: Shutdown,
    /// Every connection holds one until it ends.
    pub open: Sender<()>,
}

impl Offering {
    /// What is offered, and the socket that it is offered at.
    pub fn of(listener: Listener, service: Arc<Service>) -> (Arc<Self>, super::listener::Site) {
        let name: Arc<str> = listener.address.to_string().into();
        let offering = Self {
            health: service.health.part(&format!("listener {name}")),
            porter: Arc::new(Porter::new(Arc::clone(&name), service.events.clone())),
            name,
            address: listener.address,
            profile: listener.profile,
            trust: listener.trust,
            encryption: listener.encryption,
            logbook: listener.logbook,
            service,
        };
        (Arc::new(offering), listener.site)
    }

    fn is_implicit(&self) -> bool {
        let encryption = self.encryption.as_ref();
        encryption.is_some_and(|encryption| encryption.implicit)
    }
}

impl Door {
    /// Lets clients in from now on.
    pub fn open(
        asked: Address,
        socket: ListeningSocket,
        offering: Arc<Offering>,
        hall: Hall,
    ) -> Arc<Self> {
        let (close, closed) = Shutdown::new();
        let door = Arc::new(Self {
            asked,
            socket,
            offering: RwLock::new(offering),
            close,
            closed,
            task: Mutex::default(),
            lack: Lack::default(),
        });
        let executor = Arc::clone(&hall.executor);
        let task = executor.spawn(Arc::clone(&door).accept_all(hall));
        *lock(&door.task) = Some(task);
        door
    }

    pub fn offering(&self) -> Arc<Offering> {
        Arc::clone(&read(&self.offering))
    }

    /// Offers something else to who comes from now on.
    pub fn offer(&self, offering: Arc<Offering>) {
        let before = mem::replace(&mut *write(&self.offering), offering);
        // It may be the last of a configuration, which is large: not under the lock.
        drop(before);
    }

    /// Lets in who has connected already, and nobody any more.
    pub async fn close(self: Arc<Self>) {
        self.close.pull();
        let task = lock(&self.task).take();
        if let Some(task) = task {
            task.await;
        }
    }

    async fn accept_all(self: Arc<Self>, hall: Hall) {
        loop {
            let stopped = async {
                future::or(hall.shutdown.requested(), self.closed.requested()).await;
                None
            };
            match future::or(async { Some(self.socket.accept().await) }, stopped).await {
                None => break,
                Some(Ok((stream, client))) => {
                    self.offering().health.well();
                    self.admit(stream, client, &hall);
                }
                Some(Err(error)) => self.rest(&error).await,
            }
            if hall.shutdown.is_requested() {
                return;
            }
        }
        while !hall.shutdown.is_requested()
            && let Some(accepted) = future::poll_once(self.socket.accept()).await
        {
            match accepted {
                Ok((stream, client)) => self.admit(stream, client, &hall),
                Err(error) => self.rest(&error).await,
            }
        }
    }

    fn admit(&self, stream: Stream, client: Client, hall: &Hall) {
        // Once: a session sees one configuration.
        let offering = self.offering();
        let logbook = offering.logbook.clone();
        Logbook::within(logbook, || offering.admit(stream, client, hall));
    }

    /// No connection can be accepted for a while.
    async fn rest(&self, error: &io::Error) {
        let tell = |is_news| {
            let offering = self.offering();
            let cause = format!("cannot accept a connection: {error}");
            offering.health.ill(cause);
            if is_news {
                log::error!(listener:% = offering.name, error:% = error; "cannot accept a connection, waiting");
            }
        };
        self.lack.pass(error, tell).await;
    }
}

impl Offering {
    fn admit(&self, stream: Stream, client: Client, hall: &Hall) {
        let Self { name, trust, .. } = self;
        if let Some(cause) = trust.refusal(&client) {
            self.porter.shut_out(&client, &cause);
            return;
        }
        let counted = client.address.filter(|_| !trust.awaits_name(&client));
        let Some(place) = self.service.limits.admit(counted) else {
            self.porter
                .turned_away(&client, &reply::TOO_MANY_CONNECTIONS);
            // Within TLS it would take a handshake to say so.
            if !self.is_implicit() {
                let say = turn_away(stream, reply::TOO_MANY_CONNECTIONS);
                hall.executor.spawn(say).detach();
            }
            return;
        };
        let peer = Peer::new(Arc::clone(name), &client);
        let presence = Presence::begin(peer, &self.service.events);
        let visit = Visit {
            peer: client,
            place,
            listener: Arc::clone(name),
            porter: Arc::clone(&self.porter),
            profile: Arc::clone(&self.profile),
            encryption: self.encryption.clone(),
            trust: Arc::clone(trust),
            service: Arc::clone(&self.service),
            shutdown: hall.shutdown.clone(),
        };
        let open = hall.open.clone();
        let conversation = async move {
            match stream {
                Stream::Tcp(stream) => visit.receive(stream).await,
                Stream::Unix(stream) => visit.receive(stream).await,
            }
            drop(presence);
            drop(open);
        };
        hall.executor.spawn(Logbook::carried(conversation)).detach();
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
    let _ = future::or(say, super::moment()).await;
}
