//! The bare disk loop: what the file system alone can do, with no protocol in front of it.
//!
//! Every thread delivers one message after the other as a Maildir wants it: create in `tmp`, write, sync,
//! close, rename into `new` without replacing, sync `new`. With `--recipients` every message goes to several Maildirs,
//! phase by phase; with `--durability journal` into a log and no Maildir. Prints the same line of JSON as `load`.

mod figures;
#[path = "bare/log.rs"]
mod log;
#[path = "bare/maildir.rs"]
mod maildir;
#[path = "bare/pool.rs"]
mod pool;
#[path = "figures/together.rs"]
mod together;

use std::fs::create_dir_all;
use std::io;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::{Parser, ValueEnum};

use figures::{Figures, microseconds};
use log::Log;
use maildir::{Maildir, deliver_phased};
use pool::Pool;
use together::together;

/// Delivers messages into Maildirs without any protocol and prints one line of JSON.
#[derive(Parser)]
#[command(name = "bare")]
struct Options {
    /// The folder that gets a Maildir example.org/userN for each mailbox
    #[arg(long)]
    root: Option<PathBuf>,
    /// What is synced before a message counts as delivered
    #[arg(long, value_enum, default_value = "full")]
    durability: Durability,
    /// Threads that each wait for their delivery
    #[arg(long, default_value = "10")]
    threads: NonZeroUsize,
    /// Messages to deliver in all
    #[arg(long, default_value_t = 1000)]
    messages: u64,
    /// Octets of each message
    #[arg(long, default_value_t = 5000)]
    size: usize,
    /// Maildirs that each message goes to, in phases: write all, sync all, name all, sync all folders
    #[arg(long, default_value = "1")]
    recipients: NonZeroU64,
    /// Deliveries rotate over user0, user1 ... @example.org
    #[arg(long, default_value = "1")]
    mailboxes: NonZeroU64,
    /// Cargo adds this one
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is synced before a message counts as delivered.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Durability {
    /// The file and the folder
    Full,
    /// A record in a log, one sync for all that wait; no file and no folder
    Journal,
    /// The file only
    File,
    /// Nothing
    None,
}

/// Where the messages go.
enum Disk {
    /// One Maildir for each message.
    Single(Vec<Maildir>),
    /// Several Maildirs for each message, and the threads that sync them.
    Phased(Vec<Maildir>, Pool),
    Log(Log),
}

fn main() -> ExitCode {
    let options = Options::parse();
    let Some(root) = &options.root else {
        println!("bare: no --root given, nothing written; see benches/README.md");
        return ExitCode::SUCCESS;
    };
    figures::report("bare", run(&options, root))
}

/// Delivers everything; the clock starts when the Maildirs or the log are there.
fn run(options: &Options, root: &Path) -> io::Result<Figures> {
    if options.recipients > options.mailboxes {
        return Err(io::Error::other(
            "--recipients may not be above --mailboxes",
        ));
    }
    let disk = Disk::open(options, root)?;
    let content = vec![b'x'; options.size];
    let next = AtomicU64::new(0);
    let begin = Instant::now();
    let waits = together(options.threads.get(), || {
        deliver_all(options, &disk, &content, &next)
    })?;
    Ok(Figures {
        wanted: options.messages,
        waits,
        elapsed: begin.elapsed(),
        ..Figures::default()
    })
}

/// One thread: takes messages by number until none is left. Returns the time each took, in microseconds.
fn deliver_all(
    options: &Options,
    disk: &Disk,
    content: &[u8],
    next: &AtomicU64,
) -> io::Result<Vec<u32>> {
    let mut waits = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= options.messages {
            return Ok(waits);
        }
        let begin = Instant::now();
        disk.deliver(number, content, options)?;
        waits.push(microseconds(begin.elapsed()));
    }
}

impl Disk {
    /// Makes and opens what `options` ask for below `root`.
    fn open(options: &Options, root: &Path) -> io::Result<Self> {
        if options.durability == Durability::Journal {
            create_dir_all(root)?;
            let most = options.threads.get() * (options.size + 64);
            return Log::create(&root.join("log"), most).map(Self::Log);
        }
        let maildirs = (0..options.mailboxes.get())
            .map(|number| Maildir::open(&root.join(format!("example.org/user{number}"))))
            .collect::<io::Result<_>>()?;
        Ok(if options.recipients.get() == 1 {
            Self::Single(maildirs)
        } else {
            Self::Phased(maildirs, Pool::new())
        })
    }

    /// Delivers message `number`; neighbouring messages go to different Maildirs.
    fn deliver(&self, number: u64, content: &[u8], options: &Options) -> io::Result<()> {
        let recipients = options.recipients.get();
        let name = format!("{number}.P{}.bare", std::process::id());
        let nth = |maildirs: &[Maildir], recipient| {
            let place = (number * recipients + recipient) % maildirs.len() as u64;
            usize::try_from(place).expect("below a length")
        };
        match self {
            Self::Single(maildirs) => {
                maildirs[nth(maildirs, 0)].deliver(&name, content, options.durability)
            }
            Self::Phased(maildirs, pool) => {
                let chosen: Vec<_> = (0..recipients)
                    .map(|recipient| &maildirs[nth(maildirs, recipient)])
                    .collect();
                deliver_phased(&chosen, &name, content, options.durability, pool)
            }
            // One record is enough for all recipients.
            Self::Log(log) => log.append(number, content),
        }
    }
}
