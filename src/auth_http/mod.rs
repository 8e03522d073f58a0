//! The endpoint that nginx's mail proxy asks where a message may go (`auth_http`).
//!
//! nginx holds the client's connection, with its TLS, and asks once for it, after RCPT TO when
//! `smtp_auth none` is set. Questions and answers are header fields of HTTP, described with
//! `ngx_mail_auth_http_module`. What is asked is what a session asks at RCPT: is there such a
//! recipient? Or once for each login, where clients log in: is that the password? nginx then connects to
//! a listener, and tells it with XCLIENT who the client is.

mod answer;
mod question;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Method, Request, StatusCode};
use smol::{Timer, future};

use crate::envelope::Client;
use crate::failure::Failure;
use crate::http::{self, plain};
use crate::locks::{read, write};
use crate::server::{Denied, Networks, Restraint, Service, SessionLog};
use crate::smtp::Auth;
use crate::smtp::reply::{self, Reply};
use answer::Answer;
use question::{Asked, Login, Question, Recipient};

/// Whom to answer, and what.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may ask.
    pub trusted: Networks,
    /// Where nginx is to connect to for mail that is taken.
    pub server: SocketAddr,
    /// Whether paths may lack their angle brackets, as in a session.
    pub lenient_paths: bool,
    /// Whether its clients can log in.
    pub logins: Auth,
    /// Refused logins of one client before it is closed.
    pub login_failures: u32,
}

/// After so many refused recipients nginx is to close the client's connection: it keeps memory for each.
const ATTEMPTS: u32 = 10;
/// How long a client waits for such a refusal, so that guessing addresses takes its time.
const WAIT: Duration = Duration::from_secs(1);

/// Who answers, and by what: both can be changed, for who asks from then on.
#[derive(Debug)]
pub struct Desk {
    current: RwLock<(Arc<Settings>, Arc<Service>)>,
    strangers: Restraint,
}

impl Desk {
    /// Answers by this service.
    pub fn new(settings: Settings, service: Arc<Service>) -> Self {
        Self {
            current: RwLock::new((Arc::new(settings), service)),
            strangers: Restraint::default(),
        }
    }

    /// Answers by another one from now on.
    pub fn change(&self, settings: Settings, service: Arc<Service>) {
        let now = (Arc::new(settings), service);
        let before = std::mem::replace(&mut *write(&self.current), now);
        drop(before);
    }

    fn current(&self) -> (Arc<Settings>, Arc<Service>) {
        read(&self.current).clone()
    }
}

impl http::Site for Desk {
    const NAME: &'static str = "auth_http";

    fn admits(&self, peer: IpAddr) -> bool {
        let is_trusted = self.current().0.trusted.contain(Some(peer));
        if !is_trusted && let Some(left_out) = self.strangers.line() {
            log::warn!(client:% = peer, left_out = left_out.told(); "auth_http: not in auth_http.trusted");
        }
        is_trusted
    }

    fn patience(&self) -> Duration {
        self.current().1.timeouts.delivery
    }

    async fn answer(&self, request: &Request<Incoming>, peer: IpAddr) -> http::Answer {
        if request.method() != Method::GET {
            return plain(StatusCode::METHOD_NOT_ALLOWED);
        }
        let (settings, service) = self.current();
        let Some(question) = Question::read(request.headers(), peer, &settings) else {
            return plain(StatusCode::BAD_REQUEST);
        };
        let attempt = question.attempt;
        let answer = match question.asked {
            Ok(Asked::Recipient(recipient)) => {
                let verdict = decide(*recipient, &service).await;
                verdict.map_or_else(|reply| refused(reply, attempt), |()| settings.yes(None))
            }
            Ok(Asked::Login(login)) => log_in(&login, attempt, &settings, &service).await,
            Err(reply) => refused(reply, attempt),
        };
        let mut response = plain(StatusCode::OK)?;
        answer.write(response.headers_mut());
        Ok(response)
    }
}

impl Settings {
    fn yes(&self, login: Option<String>) -> Answer {
        Answer::Yes(self.server, login)
    }
}

fn refused(reply: Reply, attempt: u32) -> Answer {
    Answer::No(reply, (attempt < ATTEMPTS).then_some(WAIT))
}

/// Whether the recipient is one of ours, as a session would say.
async fn decide(recipient: Recipient, service: &Service) -> Result<(), Reply> {
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
        Ok(_) => Ok(()),
        Err(failure) => {
            log(&client, service).refused(&path, &reverse_path, &failure);
            Err(failure.reply)
        }
    }
}

/// Whether the client is who it says, as a session would find out.
async fn log_in(login: &Login, attempt: u32, settings: &Settings, service: &Service) -> Answer {
    let Login { client, message } = login;
    let count = (attempt.saturating_sub(1), settings.login_failures);
    let log = log(client, service);
    match service.log_in(client, message, count, &log).await {
        Ok(login) => settings.yes(Some(login)),
        Err(Denied { reply, pause }) => Answer::No(reply, pause),
    }
}

fn log(client: &Client, service: &Service) -> SessionLog {
    SessionLog::new(client, "auth_http".into(), service.events.clone())
}

/// The value of a field, if there is one that is text.
fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    str::from_utf8(headers.get(name)?.as_bytes()).ok()
}
