//! One request and its answer, over a connection of its own.
//!
//! A kept connection occupies a worker of PHP-FPM while it is idle, and a new one
//! costs next to nothing.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use fastcgi_client::response::Content;
use fastcgi_client::{Client, ClientError, Params, Request, StreamExt as _};
use futures_util::io::AllowStdIo;
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

/// What PHP said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Header and body of its answer.
    pub stdout: Vec<u8>,
    /// What it complained of.
    pub stderr: Vec<u8>,
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
    body: impl Read + Unpin,
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
                talk(Guard::new(stream), parameters, body).await?
            }
        };
        match end {
            Some(End {
                protocol: 0,
                application: 0,
            }) => Ok(output),
            Some(end) => Err(format!(
                "FastCGI status {}, exit code {}",
                end.protocol, end.application
            )),
            None => Err("no end of the answer".into()),
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
    body: impl Read + Unpin,
) -> Result<(Output, Option<End>), String> {
    let patience = until.min(Instant::now() + deadlines.connect);
    let spot = Spot::connect(endpoint, patience).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => format!("no connection within {:?}", deadlines.connect),
        _ => format!("cannot connect to {endpoint}: {error}"),
    })?;
    let talk = talk(Guard::new(spot.clone()), parameters, body);
    let late = || Err(format!("no answer within {:?}", deadlines.whole));
    spot.wait(until, talk).unwrap_or_else(late)
}

async fn talk<S: super::endpoint::Stream>(
    mut guard: Guard<S>,
    parameters: &Parameters,
    body: impl Read + Unpin,
) -> Result<(Output, Option<End>), String> {
    let mut request = Params::default();
    for (name, value) in parameters.pairs() {
        request.insert(name.into(), value.into());
    }
    let request = Request::new(request, AllowStdIo::new(body));
    let mut output = Output::default();
    let mut answer = Client::new(&mut guard)
        .execute_once_stream(request)
        .await
        .map_err(wording)?;
    while let Some(content) = answer.next().await {
        match content.map_err(wording)? {
            Content::Stdout(octets) => keep(&mut output.stdout, &octets, OUTPUT),
            Content::Stderr(octets) => keep(&mut output.stderr, &octets, ERRORS),
        }
    }
    drop(answer);
    Ok((output, guard.end()))
}

fn keep(kept: &mut Vec<u8>, octets: &[u8], limit: usize) {
    let room = limit.saturating_sub(kept.len()).min(octets.len());
    kept.extend_from_slice(&octets[..room]);
}

fn wording(error: ClientError) -> String {
    match error {
        ClientError::Io(error) => error.to_string(),
        ClientError::EndRequestOverloaded { .. } => "PHP is overloaded".into(),
        error => error.to_string(),
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
pub(super) fn no_body() -> impl Read + Unpin {
    io::empty()
}
