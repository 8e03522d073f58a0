//! One request and its answer, over a connection of its own.
//!
//! A kept connection occupies a worker of PHP-FPM while it is idle, and a new one
//! costs next to nothing.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use smol::Timer;
use smol::future::or;
use smol::lock::Semaphore;

use super::endpoint::Endpoint;
use super::guard::Guard;
use super::parameters::Parameters;
use super::records::End;
use super::spot::Spot;

/// Octets of the answer that are kept; what follows is read and forgotten.
const OUTPUT: usize = 1 << 20;
/// The same for standard error.
const ERRORS: usize = 64 << 10;
/// `FCGI_OVERLOADED` (section 5.5).
const OVERLOADED: u8 = 2;

/// What PHP said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Header and body of its answer.
    pub stdout: Vec<u8>,
    /// What it complained of.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Keeps what it says.
    pub(super) fn hear(&mut self, octets: &[u8]) {
        keep(&mut self.stdout, octets, OUTPUT);
    }

    /// Keeps what it complains of.
    pub(super) fn hear_error(&mut self, octets: &[u8]) {
        keep(&mut self.stderr, octets, ERRORS);
    }
}

fn keep(kept: &mut Vec<u8>, octets: &[u8], limit: usize) {
    let room = limit.saturating_sub(kept.len()).min(octets.len());
    kept.extend_from_slice(&octets[..room]);
}

/// Where PHP's answer is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On this thread, which may block.
    Here,
    /// By the reactor: this thread serves others meanwhile.
    Reactor,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// Until there is a connection.
    pub(super) connect: Duration,
    /// For all of it, connecting included, and whatever else was said of the same message before.
    pub(super) whole: Duration,
    /// When that is over.
    pub(super) until: Instant,
}

/// Asks PHP. An error is a sentence for the log: nobody knows then what PHP has done.
pub(super) async fn exchange(
    endpoint: &Endpoint,
    place: Place,
    deadlines: Deadlines,
    connections: &Semaphore,
    parameters: &Parameters,
    body: impl Read,
) -> Result<Output, String> {
    let connect = async {
        let stream = endpoint.connect().await;
        stream.map_err(|error| format!("cannot connect to {endpoint}: {error}"))
    };
    let Deadlines {
        connect: soon,
        whole,
        until,
    } = deadlines;
    let talk = async {
        let _turn = connections.acquire().await;
        let (output, end) = match place {
            Place::Here => talk_here(endpoint, deadlines, parameters, body)?,
            Place::Reactor => {
                let no_later = Timer::after(soon);
                let stream = or_late(connect, no_later, "no connection", soon).await?;
                let talk = Guard::new(stream).talk(parameters.octets(), body);
                talk.await.map_err(|error| error.to_string())?
            }
        };
        match (end.protocol, end.application) {
            (0, 0) => Ok(output),
            (OVERLOADED, _) => Err("PHP is overloaded".into()),
            (status, code) => Err(format!("FastCGI status {status}, exit code {code}")),
        }
    };
    or_late(talk, Timer::at(until), "no answer", whole).await
}

/// As `talk`, on this thread alone.
fn talk_here(
    endpoint: &Endpoint,
    deadlines: Deadlines,
    parameters: &Parameters,
    body: impl Read,
) -> Result<(Output, End), String> {
    let Deadlines {
        connect,
        whole,
        until,
    } = deadlines;
    let now = Instant::now();
    if now >= until {
        // PHP is not told what nobody would hear the answer to.
        return Err(late("no answer", whole));
    }
    let patience = until.min(now + connect);
    let spot = Spot::connect(endpoint, patience).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut if patience == until => late("no answer", whole),
        io::ErrorKind::TimedOut => late("no connection", connect),
        _ => format!("cannot connect to {endpoint}: {error}"),
    })?;
    let talk = Guard::new(spot.clone()).talk(parameters.octets(), body);
    match spot.wait(until, talk) {
        Some(said) => said.map_err(|error| error.to_string()),
        None => Err(late("no answer", whole)),
    }
}

/// What `work` comes to, if that is before the timer; the time is for the log.
async fn or_late<T>(
    work: impl Future<Output = Result<T, String>>,
    timer: Timer,
    what: &str,
    time: Duration,
) -> Result<T, String> {
    or(work, async {
        timer.await;
        Err(late(what, time))
    })
    .await
}

fn late(what: &str, time: Duration) -> String {
    format!("{what} within {time:?}")
}

/// A request without a body.
pub(super) fn no_body() -> impl Read {
    io::empty()
}
