//! The bare FastCGI client: what PHP-FPM alone can take, with no mail in front of it.
//!
//! Every thread hands the same message to the script again and again, each time over a new connection, by the
//! crate that the bridge uses. Prints the same line of JSON as `load`.

mod figures;

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use fastcgi_client::{Client, Params, Request};
use futures_util::io::Cursor;
use smol::net::unix::UnixStream;

use figures::{Figures, microseconds};

/// Hands messages to a script behind PHP-FPM and prints one line of JSON.
#[derive(Parser)]
#[command(name = "fastcgi")]
struct Options {
    /// Where PHP-FPM listens: a Unix socket
    #[arg(long)]
    socket: Option<PathBuf>,
    /// The script, which answers SAVED
    #[arg(long, default_value = "/srv/take.php")]
    script: PathBuf,
    /// Requests at the same time
    #[arg(long, default_value = "4")]
    connections: NonZeroUsize,
    /// Messages to hand over in all
    #[arg(long, default_value_t = 1000)]
    messages: u64,
    /// Octets of each message
    #[arg(long, default_value_t = 5000)]
    size: usize,
    /// Cargo adds this one
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let Some(socket) = &options.socket else {
        println!("fastcgi: no --socket given, nothing sent; see benches/README.md");
        return ExitCode::SUCCESS;
    };
    match run(&options, socket) {
        Ok(figures) => {
            println!("{}", figures.json());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("fastcgi: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options, socket: &Path) -> Result<Figures, String> {
    let message = vec![b'x'; options.size];
    let next = AtomicU64::new(0);
    let begin = Instant::now();
    let waits = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.connections.get())
            .map(|_| scope.spawn(|| hand_all(options, socket, &message, &next)))
            .collect();
        let waits = threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread does not panic"));
        waits.collect::<Result<Vec<_>, _>>()
    })?;
    Ok(Figures {
        wanted: options.messages,
        waits: waits.concat(),
        elapsed: begin.elapsed(),
        ..Figures::default()
    })
}

/// One thread: takes messages by number until none is left. Returns the time each took, in microseconds.
fn hand_all(
    options: &Options,
    socket: &Path,
    message: &[u8],
    next: &AtomicU64,
) -> Result<Vec<u32>, String> {
    let mut waits = Vec::new();
    while next.fetch_add(1, Ordering::Relaxed) < options.messages {
        let begin = Instant::now();
        smol::block_on(hand(&options.script, socket, message))
            .map_err(|error| error.to_string())?;
        waits.push(microseconds(begin.elapsed()));
    }
    Ok(waits)
}

async fn hand(script: &Path, socket: &Path, message: &[u8]) -> Result<(), Box<dyn Error>> {
    let stream = UnixStream::connect(socket).await?;
    let parameters = Params::default()
        .request_method("POST")
        .script_filename(script.to_string_lossy().into_owned())
        .content_type("message/rfc822")
        .content_length(message.len());
    let request = Request::new(parameters, Cursor::new(message));
    let answer = Client::new(stream).execute_once(request).await?;
    let answer = answer.stdout.unwrap_or_default();
    if !answer.ends_with(b"SAVED") {
        return Err(String::from_utf8_lossy(&answer).into());
    }
    Ok(())
}
