//! The bare FastCGI client: what PHP-FPM alone can take, with no mail in front of it.
//!
//! Every thread hands the same message to the script again and again, each time over a new connection: by the crate
//! `fastcgi-client` with the four parameters that PHP cannot do without, or, with `--bridge`, as the server does it.
//! Prints the same line of JSON as `load`.

mod figures;
#[path = "figures/together.rs"]
mod together;

use std::collections::BTreeMap;
use std::error::Error;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use clap::Parser;
use fastcgi_client::{Client, Params, Request};
use futures_util::io::Cursor;
use maiasaura::fastcgi::{
    Acknowledgement, Answer, Body, Bridge, Content, Endpoint, Envelope, Letter, Script, Settings,
};
use smol::net::unix::UnixStream;

use figures::{Figures, microseconds};
use together::together;

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
    /// By the bridge of the server, with all that it tells PHP
    #[arg(long)]
    bridge: bool,
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
    figures::report("fastcgi", run(&options, socket))
}

fn run(options: &Options, socket: &Path) -> Result<Figures, String> {
    let message = vec![b'x'; options.size];
    let bridge = options.bridge.then(|| bridge(options, socket));
    let next = AtomicU64::new(0);
    let begin = Instant::now();
    let waits = together(options.connections.get(), || {
        hand_all(options, socket, bridge.as_ref(), &message, &next)
    })?;
    Ok(Figures {
        wanted: options.messages,
        waits,
        elapsed: begin.elapsed(),
        ..Figures::default()
    })
}

/// One thread: takes messages by number until none is left. Returns the time each took, in microseconds.
fn hand_all(
    options: &Options,
    socket: &Path,
    bridge: Option<&Bridge>,
    message: &[u8],
    next: &AtomicU64,
) -> Result<Vec<u32>, String> {
    let mut waits = Vec::new();
    while next.fetch_add(1, Ordering::Relaxed) < options.messages {
        let begin = Instant::now();
        let handed = match bridge {
            Some(bridge) => smol::future::block_on(hand_by(bridge, message)),
            None => smol::block_on(hand(&options.script, socket, message)),
        };
        handed.map_err(|error| error.to_string())?;
        waits.push(microseconds(begin.elapsed()));
    }
    Ok(waits)
}

fn bridge(options: &Options, socket: &Path) -> Bridge {
    let script = Script {
        file: options.script.clone(),
        root: options.script.parent().unwrap_or(Path::new("/")).to_owned(),
        uri: None,
    };
    Bridge::new(Settings {
        endpoint: Endpoint::Unix(socket.to_owned()),
        save: script.clone(),
        validate: script,
        body: Body::Raw,
        acknowledgement: Acknowledgement::Required,
        secret: None,
        connections: options.connections.get(),
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_mins(1),
        validate_timeout: Duration::from_secs(10),
    })
}

async fn hand_by(bridge: &Bridge, message: &[u8]) -> Result<(), Box<dyn Error>> {
    let envelope = Envelope {
        id: "1790000000-1".into(),
        received: SystemTime::now(),
        mail_from: "load@example.net".into(),
        rcpt: "user0@example.org".into(),
        mailbox: "user0@example.org".into(),
        captures: BTreeMap::new(),
        helo: Some("client.example.net".into()),
        client: Some([127, 0, 0, 1].into()),
        client_port: None,
        server: None,
        host: "mx.example.org".into(),
        tls: None,
        login: None,
        origin: BTreeMap::new(),
        key: "0".repeat(64),
    };
    let letter = Letter {
        envelope: &envelope,
        trace: "",
        content: Content::Pieces(&[message]),
        path: None,
    };
    match bridge.hand(letter, 1).await {
        Answer::Delivered => Ok(()),
        answer => Err(format!("{answer:?}").into()),
    }
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
