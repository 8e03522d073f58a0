//! Figures for Prometheus, and whether all is well, over HTTP.
//!
//! `GET /metrics` has the figures as OpenMetrics text, or in the format from before that: those
//! that are *counted* while events are told, and those that are *read* when somebody asks.
//! `GET /health` has a line for each part of the daemon, and the status 503 while one keeps mail out.
//!
//! Labels have few values, all of them from the configuration or from a protocol: never the address
//! of a client, nor a mailbox.

mod classic;
mod counts;
mod letters;
mod readings;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderMap};
use hyper::{Method, Request, Response, StatusCode};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;

pub use readings::Sources;

use self::classic::classic;
use self::counts::Counts;
use self::letters::Letters;
use crate::events::{Events, Subscription};
use crate::health::{Health, State};
use crate::http::{self, plain};
use crate::locks::{read, write};
use crate::maildir::Backlog;

/// How long it may take to read the figures: those that take longer are left out.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is before each name.
const PREFIX: &str = "maiasaura";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// The labels of a figure: names and values.
type Labels = Vec<(&'static str, String)>;

/// All figures.
pub struct Metrics {
    counted: Registry,
    counts: Arc<Counts>,
    events: Events,
    subscription: Subscription,
    sources: RwLock<Arc<Sources>>,
    letters: Letters,
    health: Health,
}

impl Metrics {
    /// Counts from now on.
    pub fn new(events: &Events, health: Health, sources: Sources) -> Self {
        let mut counted = Registry::with_prefix(PREFIX);
        let counts = Arc::new(Counts::new(&mut counted));
        counts.begin(&sources);
        let counting = Arc::clone(&counts);
        Self {
            counted,
            counts,
            subscription: events.observe(move |event| counting.note(event)),
            events: events.clone(),
            letters: Letters::default(),
            health,
            sources: RwLock::new(Arc::new(sources)),
        }
    }

    /// Reads from these from now on; what was counted stays.
    pub fn read_from(&self, sources: Sources) {
        self.counts.begin(&sources);
        *write(&self.sources) = Arc::new(sources);
    }

    /// All of it as OpenMetrics text.
    async fn text(&self) -> Result<String, std::fmt::Error> {
        let sources = Arc::clone(&read(&self.sources));
        let letters = self.letters.count(&sources).await;
        let mut now = Registry::with_prefix(PREFIX);
        readings::read(&mut now, &sources, &letters);
        readings::health(&mut now, &self.states());
        let mut text = String::with_capacity(16 * 1024);
        encode_registry(&mut text, &self.counted)?;
        encode_registry(&mut text, &now)?;
        encode_eof(&mut text)?;
        Ok(text)
    }

    /// The parts on the board, and logs that are not written to any more: these have nobody above
    /// them who could say so.
    fn states(&self) -> Vec<(Arc<str>, State)> {
        let store = Arc::clone(&read(&self.sources).store);
        let mut states = self.health.states();
        states.extend(store.backlogs().iter().filter_map(broken));
        states
    }

    /// A line for each part, and whether mail is taken.
    fn report(&self) -> (bool, String) {
        let mut text = String::new();
        let mut takes_mail = true;
        for (part, state) in self.states() {
            takes_mail &= state.takes_mail();
            // Writing to a string cannot fail.
            let _ = match &state {
                State::Well => writeln!(text, "ok    {part}"),
                State::Hampered(cause) => writeln!(text, "warn  {part}: {}", one_line(cause)),
                State::Ill(cause) => writeln!(text, "FAULT {part}: {}", one_line(cause)),
            };
        }
        (takes_mail, text)
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        self.events.unsubscribe(&self.subscription);
    }
}

impl http::Site for Metrics {
    const NAME: &'static str = "metrics";

    fn admits(&self, _: IpAddr) -> bool {
        true
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    async fn answer(&self, request: &Request<Incoming>, _: IpAddr) -> http::Answer {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED)?;
            let allowed = "GET, HEAD".parse()?;
            refusal.headers_mut().insert(ALLOW, allowed);
            return Ok(refusal);
        }
        match request.uri().path() {
            "/metrics" => match self.text().await {
                Ok(text) if wants_classic(request.headers()) => {
                    page(StatusCode::OK, CLASSIC, classic(&text))
                }
                Ok(text) => page(StatusCode::OK, OPEN_METRICS, text),
                Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR),
            },
            "/health" => match self.report() {
                (true, text) => page(StatusCode::OK, TEXT, text),
                (false, text) => page(StatusCode::SERVICE_UNAVAILABLE, TEXT, text),
            },
            _ => page(
                StatusCode::NOT_FOUND,
                TEXT,
                "there are /metrics and /health\n".to_owned(),
            ),
        }
    }
}

fn broken((root, backlog): &(Arc<Path>, Backlog)) -> Option<(Arc<str>, State)> {
    let name = format!("journal {}", root.display());
    let cause = backlog.failed.clone()?;
    Some((name.into(), State::Hampered(cause)))
}

/// Whether whoever asks knows the older format only.
fn wants_classic(headers: &HeaderMap) -> bool {
    let accepts = |kind| {
        let mut values = headers.get_all(ACCEPT).iter();
        values.any(|value| value.to_str().is_ok_and(|value| value.contains(kind)))
    };
    accepts("text/plain") && !accepts("application/openmetrics-text")
}

fn page(status: StatusCode, kind: &str, text: String) -> http::Answer {
    let response = Response::builder().status(status);
    response.header(CONTENT_TYPE, kind).body(text)
}

/// A cause may have come from anywhere.
fn one_line(cause: &str) -> String {
    cause.replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_not_written_to_is_a_part_that_is_hampered() {
        let backlog = |failed: Option<&str>| Backlog {
            waiting: 3,
            failed: failed.map(str::to_owned),
        };
        let root: Arc<Path> = Path::new("/var/vmail").into();
        assert_eq!(broken(&(Arc::clone(&root), backlog(None))), None);
        let (name, state) = broken(&(root, backlog(Some("EIO")))).unwrap();
        assert_eq!(*name, *"journal /var/vmail");
        assert_eq!(state, State::Hampered("EIO".into()));
    }

    #[test]
    fn a_cause_has_one_line() {
        assert_eq!(one_line("a\r\nFAULT b\u{1b}"), "a  FAULT b ");
    }
}
