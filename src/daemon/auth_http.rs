//! The endpoint for nginx, if there is one.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use smol::{Executor, Task};

use super::StartError;
use super::binding::bind_error;
use crate::auth_http::{self, Desk, Settings};
use crate::config::Config;
use crate::server::{Address, Listener, Service, Shutdown, Trigger};
use crate::smtp::Protocol;

/// The endpoint at work.
#[derive(Default)]
pub(super) struct Endpoint(Option<Open>);

struct Open {
    /// As the configuration has it, with port 0 if that is it.
    asked: SocketAddr,
    address: SocketAddr,
    desk: Arc<Desk>,
    close: Trigger,
    task: Task<()>,
}

/// What it is to be.
pub(super) struct Plan(Option<(SocketAddr, Option<TcpListener>, Settings)>);

impl Endpoint {
    /// Listens, unless it does already, and answers nobody yet.
    pub(super) fn plan(&self, config: &Config, listeners: &[Listener]) -> Result<Plan, StartError> {
        let Some(auth_http) = &config.auth_http else {
            return Ok(Plan(None));
        };
        let asked = auth_http.address;
        let error = |error| bind_error(&Address::Tcp(asked), error);
        let open = self.0.as_ref();
        let is_open = open.is_some_and(|open| open.asked == asked || open.address == asked);
        let socket = (!is_open).then(|| TcpListener::bind(asked)).transpose();
        let missing = || io::Error::other("no listener that nginx could use");
        let server = auth_http.server.or_else(|| first(listeners));
        let settings = Settings {
            trusted: auth_http.trusted.clone(),
            server: server.ok_or_else(missing)?,
            lenient_paths: config.lenient_paths(),
        };
        Ok(Plan(Some((asked, socket.map_err(error)?, settings))))
    }

    /// Where it listens, with the port that was taken.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.0.as_ref().map(|open| open.address)
    }

    /// Answers so from now on.
    pub(super) async fn carry_out(
        &mut self,
        plan: Plan,
        service: &Arc<Service>,
        executor: &Arc<Executor<'static>>,
        shutdown: &Shutdown,
    ) {
        let service = Arc::clone(service);
        match (plan.0, &mut self.0) {
            (Some((asked, None, settings)), Some(open)) => {
                open.asked = asked;
                open.desk.change(settings, service);
            }
            (Some((asked, Some(socket), settings)), _) => {
                self.close().await;
                self.0 = begin(
                    asked,
                    socket,
                    Desk::new(settings, service),
                    executor,
                    shutdown,
                );
            }
            _ => self.close().await,
        }
    }

    async fn close(&mut self) {
        if let Some(open) = self.0.take() {
            open.close.pull();
            open.task.await;
        }
    }
}

fn begin(
    asked: SocketAddr,
    socket: TcpListener,
    desk: Desk,
    executor: &Arc<Executor<'static>>,
    shutdown: &Shutdown,
) -> Option<Open> {
    let address = socket.local_addr().ok()?;
    let desk = Arc::new(desk);
    let (close, closed) = Shutdown::new();
    let (inner, shutdown) = (Arc::clone(executor), shutdown.clone());
    let answers = Arc::clone(&desk);
    let task = executor.spawn(async move {
        let serve = async {
            if let Err(error) = auth_http::run(socket, answers, inner, shutdown).await {
                log::error!(error:% = error; "auth_http");
            }
        };
        smol::future::or(serve, closed.requested()).await;
    });
    Some(Open {
        asked,
        address,
        desk,
        close,
        task,
    })
}

/// The first listener that speaks SMTP over TCP, with the port that was taken.
fn first(listeners: &[Listener]) -> Option<SocketAddr> {
    listeners
        .iter()
        .find_map(|listener| match listener.address {
            Address::Tcp(address) if listener.profile.protocol == Protocol::Smtp => Some(address),
            _ => None,
        })
}
