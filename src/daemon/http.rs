//! Where questions over HTTP are answered, from one configuration to the next.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use smol::{Async, Executor, Task};

use super::StartError;
use super::binding::bind_error;
use crate::http::{self, Site};
use crate::server::{Address, Shutdown, Trigger, tcp_beside};

/// A site at work.
pub(super) struct Open<S> {
    pub(super) place: Place,
    pub(super) site: Arc<S>,
    close: Trigger,
    task: Task<()>,
}

/// A socket for questions.
#[derive(Clone)]
pub(super) struct Place {
    /// As the configuration has it, with port 0 if that is it.
    pub(super) asked: SocketAddr,
    /// With the port that was taken.
    pub(super) address: SocketAddr,
    socket: Arc<Async<TcpListener>>,
}

impl Place {
    /// Listens, at the socket that is open if it is the right one, and answers nobody yet.
    pub(super) fn take<S>(open: Option<&Open<S>>, asked: SocketAddr) -> Result<Self, StartError> {
        let before = open.map(|open| &open.place);
        let is_right = |place: &&Self| place.asked == asked || place.address == asked;
        if let Some(place) = before.filter(is_right) {
            return Ok(Self {
                asked,
                ..place.clone()
            });
        }
        // That one is closed, but not yet.
        let others = before.map(|place| (*place.socket).as_ref());
        let bound = tcp_beside(asked, others.into_iter());
        let place = bound.and_then(|socket| Self::of(asked, socket));
        place.map_err(|error| bind_error(&Address::Tcp(asked), error))
    }

    fn of(asked: SocketAddr, socket: TcpListener) -> io::Result<Self> {
        Ok(Self {
            asked,
            address: socket.local_addr()?,
            socket: Arc::new(Async::new(socket)?),
        })
    }
}

impl<S: Site> Open<S> {
    /// Answers until it is closed, or the shutdown.
    pub(super) fn begin(
        place: Place,
        site: Arc<S>,
        executor: &Arc<Executor<'static>>,
        shutdown: &Shutdown,
    ) -> Self {
        let (close, closed) = Shutdown::new();
        let (inner, shutdown) = (Arc::clone(executor), shutdown.clone());
        let (answers, socket) = (Arc::clone(&site), Arc::clone(&place.socket));
        let task = executor.spawn(async move {
            let serve = http::serve(answers, &socket, inner, shutdown);
            smol::future::or(serve, closed.requested()).await;
        });
        Self {
            place,
            site,
            close,
            task,
        }
    }

    /// Whether it answers there.
    pub(super) fn is_at(&self, place: &Place) -> bool {
        Arc::ptr_eq(&self.place.socket, &place.socket)
    }

    /// Listens no more when this is over.
    pub(super) async fn close(self) {
        self.close.pull();
        self.task.await;
    }
}
