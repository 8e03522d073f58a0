//! A small HTTP server for questions of other programs: one request on each connection, of which
//! only the header is read, and one answer.

use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use smol::lock::{Semaphore, SemaphoreGuardArc};
use smol::net::TcpStream;
use smol::{Async, Executor, Timer, future};
use smol_hyper::rt::{FuturesIo, SmolTimer};

use crate::server::{Lack, Shutdown};

/// Requests at once; others wait to be accepted.
const AT_ONCE: usize = 64;
/// Octets of a request's header.
const HEADER: usize = 16 * 1024;
/// For a request to come in, and for its answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer, unless it cannot be put together.
pub(crate) type Answer = hyper::http::Result<Response<String>>;

/// What answers.
pub(crate) trait Site: Send + Sync + 'static {
    /// What the log calls it.
    const NAME: &'static str;

    /// Whether this peer is listened to; it is closed without a word otherwise.
    fn admits(&self, peer: IpAddr) -> bool;

    /// How long an answer may take.
    fn patience(&self) -> Duration;

    /// The answer to a request.
    fn answer(
        &self,
        request: &Request<Incoming>,
        peer: IpAddr,
    ) -> impl Future<Output = Answer> + Send;
}

/// Answers until the shutdown.
pub(crate) async fn serve<S: Site>(
    site: Arc<S>,
    socket: &Async<TcpListener>,
    executor: Arc<Executor<'static>>,
    shutdown: Shutdown,
) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let lack = Lack::default();
    loop {
        let accept = async {
            let place = room.acquire_arc().await;
            Some((socket.accept().await, place))
        };
        let stopped = async {
            shutdown.requested().await;
            None
        };
        match future::or(accept, stopped).await {
            None => return,
            Some((Ok((stream, peer)), place)) => {
                if site.admits(peer.ip()) {
                    let conversation = converse(Arc::clone(&site), stream.into(), peer.ip(), place);
                    executor.spawn(conversation).detach();
                }
            }
            Some((Err(error), _)) => {
                let tell = |is_news| {
                    if is_news {
                        log::error!(error:% = error; "{}: cannot accept a connection, waiting", S::NAME);
                    }
                };
                lack.pass(&error, tell).await;
            }
        }
    }
}

/// One request, and its answer; the body, if there is one, is not read.
async fn converse<S: Site>(
    site: Arc<S>,
    stream: TcpStream,
    peer: IpAddr,
    place: SemaphoreGuardArc,
) {
    let patience = PATIENCE + site.patience();
    let respond = service_fn(|request: Request<Incoming>| {
        let site = Arc::clone(&site);
        async move { site.answer(&request, peer).await }
    });
    let connection = http1::Builder::new()
        .timer(SmolTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEADER)
        .keep_alive(false)
        .serve_connection(FuturesIo::new(stream), respond);
    let late = async {
        Timer::after(patience).await;
        Ok(())
    };
    if let Err(error) = future::or(connection, late).await {
        log::debug!(error:% = error; "{}", S::NAME);
    }
    drop(place);
}

/// An answer that is nothing but its status.
pub(crate) fn plain(status: StatusCode) -> Answer {
    Response::builder().status(status).body(String::new())
}
