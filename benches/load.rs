//! A load generator: sends mail to one SMTP or LMTP server on this machine, faster than a server takes it.
//!
//! Every thread drives its connections with one epoll instance of its own, because a shared runtime would cost
//! the server under test some of its time. Prints one line of JSON and fails if any message was refused.

#[path = "load/connection.rs"]
mod connection;
mod figures;
#[path = "load/idle.rs"]
mod idle;
#[path = "load/lane.rs"]
mod lane;
#[path = "load/wire.rs"]
mod wire;
#[path = "load/work.rs"]
mod work;

use std::error::Error;
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use rustix::process::{Resource, getrlimit, setrlimit};

use figures::Figures;
use wire::Begin;
use work::{LEAST_SIZE, Protocol, Work};

/// Sends mail to an SMTP or LMTP server on this machine and prints one line of JSON.
#[derive(Parser)]
#[command(name = "load")]
struct Options {
    /// The server; a loopback address
    #[arg(long)]
    address: Option<SocketAddr>,
    #[arg(long, value_enum, default_value = "smtp")]
    protocol: Protocol,
    /// Connections that send at the same time
    #[arg(long, default_value = "10")]
    connections: NonZeroUsize,
    /// Messages to send in all
    #[arg(long, default_value_t = 1000)]
    messages: u64,
    /// Octets of each message
    #[arg(long, default_value_t = 5000)]
    size: usize,
    /// Recipients of each message
    #[arg(long, default_value = "1")]
    recipients: NonZeroU64,
    /// Recipients rotate over user0, user1 ... @example.org
    #[arg(long, default_value = "1")]
    mailboxes: NonZeroU64,
    /// Senders rotate over sender0, sender1 ... @example.net, so that messages are not all the same
    #[arg(long, default_value = "1")]
    senders: NonZeroU64,
    /// Make a new connection for each message
    #[arg(long)]
    reconnect: bool,
    /// Send MAIL, RCPT and DATA in one write
    #[arg(long)]
    pipelining: bool,
    /// Encrypt every connection; whose certificate it is does not matter
    #[arg(long, value_enum)]
    tls: Option<Begin>,
    /// Resume sessions of TLS where the server allows it
    #[arg(long)]
    resume: bool,
    /// Connections held open idle meanwhile, from 127.0.0.2 on
    #[arg(long, default_value_t = 0)]
    idle: usize,
    #[arg(long, default_value = "2")]
    threads: NonZeroUsize,
    /// Seconds after which the run is given up
    #[arg(long, default_value_t = 120)]
    deadline: u64,
    /// Cargo adds this one
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let Some(server) = options.address else {
        println!("load: no --address given, nothing sent; see benches/README.md");
        return ExitCode::SUCCESS;
    };
    figures::report("load", run(&options, server))
}

/// Sends everything; the clock runs from the first connection to the last acknowledgement.
fn run(options: &Options, server: SocketAddr) -> Result<Figures, Box<dyn Error>> {
    let work = prepare(options, server)?;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    // Both are kept until the end, so that the connections stay open.
    let (greeted, _waiting) = idle::hold(server, options.idle);

    let begin = Instant::now();
    let deadline = begin + Duration::from_secs(options.deadline);
    let mut figures = Figures {
        wanted: work.messages,
        idle: greeted.len(),
        ..Figures::default()
    };
    for tally in send(&work, options, deadline)? {
        figures.waits.extend(tally.waits);
        figures.elapsed = figures
            .elapsed
            .max(tally.last.map_or(Duration::ZERO, |last| last - begin));
        figures.first_error = figures.first_error.or(tally.first_error);
    }
    figures.resumed = work.resumed();
    Ok(figures)
}

/// Checks the options and lays out the job.
fn prepare(options: &Options, server: SocketAddr) -> Result<Work, Box<dyn Error>> {
    if !server.ip().is_loopback() {
        return Err(format!(
            "{server} is not a loopback address; this program loads nothing but this machine"
        )
        .into());
    }
    if options.size < LEAST_SIZE {
        return Err(format!("a message has at least {LEAST_SIZE} octets").into());
    }
    if options.recipients > options.mailboxes {
        return Err(
            "--recipients may not be above --mailboxes: they must differ within a message".into(),
        );
    }
    let mut work = Work::new(server, options.protocol, options.messages, options.size);
    work.recipients = options.recipients.get();
    work.mailboxes = options.mailboxes.get();
    work.senders = options.senders.get();
    work.reconnect = options.reconnect;
    work.pipelining = options.pipelining;
    work.tls = options.tls;
    work.config = wire::config(options.resume);
    Ok(work)
}

/// Runs the threads, each with its share of the connections, and collects what they achieved.
fn send(work: &Work, options: &Options, deadline: Instant) -> std::io::Result<Vec<lane::Tally>> {
    let connections = options.connections.get();
    let threads = options.threads.get().min(connections);
    std::thread::scope(|scope| {
        let share = |thread| connections / threads + usize::from(thread < connections % threads);
        let lanes: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || lane::run(work, share(thread), deadline)))
            .collect();
        lanes
            .into_iter()
            .map(|lane| lane.join().expect("a lane does not panic"))
            .collect()
    })
}
