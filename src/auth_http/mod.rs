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
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Method, Request, StatusCode};
use smol::{Executor, Timer, future};

use crate::failure::Failure;
use crate::http::{self, plain};
use crate::server::{Networks, Service, SessionLog, Shutdown};
use crate::smtp::reply;
use answer::Answer;
use question::{Question, Recipient};

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

/// Answers until the shutdown.
pub async fn run(
    socket: TcpListener,
    settings: Settings,
    service: Arc<Service>,
    executor: Arc<Executor<'static>>,
    shutdown: Shutdown,
) -> io::Result<()> {
    let site = Arc::new(Site { settings, service });
    http::serve(site, socket, executor, shutdown).await
}

/// What nginx asks.
struct Site {
    settings: Settings,
    service: Arc<Service>,
}

impl http::Site for Site {
    const NAME: &'static str = "auth_http";

    fn admits(&self, peer: IpAddr) -> bool {
        let is_trusted = self.settings.trusted.contain(Some(peer));
        if !is_trusted {
            log::warn!(client:% = peer; "auth_http: not in auth_http.trusted");
        }
        is_trusted
    }

    fn patience(&self) -> Duration {
        self.service.timeouts.delivery
    }

    async fn answer(&self, request: &Request<Incoming>, peer: IpAddr) -> http::Answer {
        if request.method() != Method::GET {
            return plain(StatusCode::METHOD_NOT_ALLOWED);
        }
        let lenient_paths = self.settings.lenient_paths;
        let Some(question) = Question::read(request.headers(), peer, lenient_paths) else {
            return plain(StatusCode::BAD_REQUEST);
        };
        let attempt = question.attempt;
        let answer = match question.recipient {
            Ok(recipient) => decide(*recipient, &self.settings, &self.service).await,
            Err(reply) => Answer::No(reply),
        };
        let mut response = plain(StatusCode::OK)?;
        answer.write(attempt, response.headers_mut());
        Ok(response)
    }
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
