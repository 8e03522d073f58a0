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
    /// Until all is said, connecting included.
    pub(super) whole: Duration,
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
    let until = Instant::now() + deadlines.whole;
    let talk = async {
        let _turn = connections.acquire().await;
        let (output, end) = match place {
            Place::Here => talk_here(endpoint, deadlines, until, parameters, body)?,
            Place::Reactor => {
                let stream = within(deadlines.connect, "no connection", connect).await?;
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
    within(deadlines.whole, "no answer", talk).await
}

/// As `talk`, on this thread alone.
fn talk_here(
    endpoint: &Endpoint,
    deadlines: Deadlines,
    until: Instant,
    parameters: &Parameters,
    body: impl Read,
) -> Result<(Output, End), String> {
    let patience = until.min(Instant::now() + deadlines.connect);
    let spot = Spot::connect(endpoint, patience).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => format!("no connection within {:?}", deadlines.connect),
        _ => format!("cannot connect to {endpoint}: {error}"),
    })?;
    let talk = Guard::new(spot.clone()).talk(parameters.octets(), body);
    match spot.wait(until, talk) {
        Some(said) => said.map_err(|error| error.to_string()),
        None => Err(format!("no answer within {:?}", deadlines.whole)),
    }
}

async fn within<T>(
    time: Duration,
    what: &str,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    or(work, async {
        Timer::after(time).await;
        Err(format!("{what} within {time:?}"))
    })
    .await
}

/// A request without a body.
pub(super) fn no_body() -> impl Read {
    io::empty()
}
