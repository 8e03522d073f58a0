//! The endpoint that nginx's mail proxy asks where a message may go (`auth_http`).
//!
//! nginx holds the client's connection, with its TLS, and asks once for it, after RCPT TO when
//! `smtp_auth none` is set. Questions and answers are header fields of HTTP, described with
//! `ngx_mail_auth_http_module`. What is asked is what a session asks at RCPT: is there such a
//! recipient? nginx then connects to a listener, and tells it with XCLIENT who the client is.

mod answer;
mod question;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use smol::lock::{Semaphore, SemaphoreGuardArc};
use smol::net::TcpStream;
use smol::{Async, Executor, Timer, future};
use smol_hyper::rt::{FuturesIo, SmolTimer};

use crate::failure::Failure;
use crate::locks::{read, write};
use crate::server::{Networks, Service, SessionLog, Shutdown};
use crate::smtp::reply;
use answer::Answer;
use question::{Question, Recipient};

/// Requests at once; others wait to be accepted.
const AT_ONCE: usize = 64;
/// Octets of a request's header.
const HEADER: usize = 16 * 1024;
/// For a request to come in, and for its answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);
/// When the system has no descriptor for another connection.
const REST: Duration = Duration::from_millis(100);

/// Whom to answer, and what.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may ask.
    pub trusted: Networks,
    /// Where nginx is to connect to for mail that is taken.
    pub server: SocketAddr,
    /// Whether paths may lack their angle brackets, as in a session.
    pub lenient_paths: bool,
}

/// Who answers, and by what: both can be changed, for who asks from then on.
#[derive(Debug)]
pub struct Desk(RwLock<(Arc<Settings>, Arc<Service>)>);

impl Desk {
    /// Answers by this service.
    pub fn new(settings: Settings, service: Arc<Service>) -> Self {
        Self(RwLock::new((Arc::new(settings), service)))
    }

    /// Answers by another one from now on.
    pub fn change(&self, settings: Settings, service: Arc<Service>) {
        let now = (Arc::new(settings), service);
        let before = std::mem::replace(&mut *write(&self.0), now);
        drop(before);
    }

    fn current(&self) -> (Arc<Settings>, Arc<Service>) {
        read(&self.0).clone()
    }
}

/// Answers until the shutdown.
pub async fn run(
    socket: TcpListener,
    desk: Arc<Desk>,
    executor: Arc<Executor<'static>>,
    shutdown: Shutdown,
) -> io::Result<()> {
    let socket = Async::new(socket)?;
    let room = Arc::new(Semaphore::new(AT_ONCE));
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
            None => return Ok(()),
            Some((Ok((stream, peer)), place)) => {
                let (settings, service) = desk.current();
                if settings.trusted.contain(Some(peer.ip())) {
                    let conversation = converse(stream.into(), peer.ip(), settings, service, place);
                    executor.spawn(conversation).detach();
                } else {
                    log::warn!(client:% = peer.ip(); "auth_http: not in auth_http.trusted");
                }
            }
            Some((Err(error), _)) => {
                log::error!(error:% = error; "auth_http: cannot accept a connection, waiting");
                Timer::after(REST).await;
            }
        }
    }
}

/// One request, and its answer; the body, if there is one, is not read.
async fn converse(
    stream: TcpStream,
    peer: IpAddr,
    settings: Arc<Settings>,
    service: Arc<Service>,
    place: SemaphoreGuardArc,
) {
    let patience = PATIENCE + service.timeouts.delivery;
    let respond = service_fn(|request: Request<Incoming>| {
        let (settings, service) = (Arc::clone(&settings), Arc::clone(&service));
        async move { respond(&request, peer, &settings, &service).await }
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
        log::debug!(error:% = error; "auth_http");
    }
    drop(place);
}

async fn respond(
    request: &Request<Incoming>,
    peer: IpAddr,
    settings: &Settings,
    service: &Service,
) -> hyper::http::Result<Response<String>> {
    if request.method() != Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED);
    }
    let Some(question) = Question::read(request.headers(), peer, settings.lenient_paths) else {
        return plain(StatusCode::BAD_REQUEST);
    };
    let attempt = question.attempt;
    let answer = match question.recipient {
        Ok(recipient) => decide(*recipient, settings, service).await,
        Err(reply) => Answer::No(reply),
    };
    let mut response = plain(StatusCode::OK)?;
    answer.write(attempt, response.headers_mut());
    Ok(response)
}

fn plain(status: StatusCode) -> hyper::http::Result<Response<String>> {
    Response::builder().status(status).body(String::new())
}

/// Whether the recipient is one of ours, as a session would say.
async fn decide(recipient: Recipient, settings: &Settings, service: &Service) -> Answer {
    let Recipient {
        path,
        reverse_path,
        client,
    } = recipient;
    let late = async {
        Timer::after(service.timeouts.delivery).await;
        Err(Failure::new(reply::LOCAL_FAULT, "no answer in time"))
    };
    let verdict = service.verify(&path, &client, &reverse_path);
    match future::or(verdict, late).await {
        Ok(_) => Answer::Yes(settings.server),
        Err(failure) => {
            let events = service.events.clone();
            let mut log = SessionLog::new(&client, "auth_http".into(), events);
            log.refused(&path, &reverse_path, &failure);
            Answer::No(failure.reply)
        }
    }
}

/// The value of a field, if there is one that is text.
fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    str::from_utf8(headers.get(name)?.as_bytes()).ok()
}
