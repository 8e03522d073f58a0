//! Where questions over HTTP are answered, from one configuration to the next.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use smol::{Executor, Task};

use super::StartError;
use super::binding::bind_error;
use crate::http::{self, Site};
use crate::server::{Address, Shutdown, Trigger};

/// A site at work.
pub(super) struct Open<S> {
    /// As the configuration has it, with port 0 if that is it.
    pub(super) asked: SocketAddr,
    /// With the port that was taken.
    pub(super) address: SocketAddr,
    pub(super) site: Arc<S>,
    close: Trigger,
    task: Task<()>,
}

/// Listens, unless what is open does already, and answers nobody yet.
pub(super) fn listen<S>(
    open: Option<&Open<S>>,
    asked: SocketAddr,
) -> Result<Option<TcpListener>, StartError> {
    if open.is_some_and(|open| open.asked == asked || open.address == asked) {
        return Ok(None);
    }
    let socket = TcpListener::bind(asked);
    let error = |error| bind_error(&Address::Tcp(asked), error);
    socket.map(Some).map_err(error)
}

impl<S: Site> Open<S> {
    /// Answers until it is closed, or the shutdown.
    pub(super) fn begin(
        (asked, socket): (SocketAddr, TcpListener),
        site: Arc<S>,
        executor: &Arc<Executor<'static>>,
        shutdown: &Shutdown,
    ) -> Option<Self> {
        let address = socket.local_addr().ok()?;
        let (close, closed) = Shutdown::new();
        let (inner, shutdown) = (Arc::clone(executor), shutdown.clone());
        let answers = Arc::clone(&site);
        let task = executor.spawn(async move {
            let serve = async {
                if let Err(error) = http::serve(answers, socket, inner, shutdown).await {
                    log::error!(error:% = error; "{}", S::NAME);
                }
            };
            smol::future::or(serve, closed.requested()).await;
        });
        Some(Self {
            asked,
            address,
            site,
            close,
            task,
        })
    }

    /// Listens no more when this is over.
    pub(super) async fn close(self) {
        self.close.pull();
        self.task.await;
    }
}
