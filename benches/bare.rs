//! The bare disk loop: what the file system alone can do, with no protocol in front of it.
//!
//! Every thread delivers one message after the other as a Maildir wants it: create in `tmp`, write, sync,
//! close, rename into `new` without replacing, sync `new`. Prints the same line of JSON as `load`.

mod figures;

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::num::{NonZeroU64, NonZeroUsize};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::{Parser, ValueEnum};
use rustix::fs::{Mode, OFlags, RenameFlags, fdatasync, fsync, openat, renameat_with};

use figures::{Figures, microseconds};

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
    /// The file only
    File,
    /// Nothing
    None,
}

/// The two folders of a Maildir that a delivery touches, held open.
struct Maildir {
    tmp: OwnedFd,
    new: OwnedFd,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let Some(root) = &options.root else {
        println!("bare: no --root given, nothing written; see benches/README.md");
        return ExitCode::SUCCESS;
    };
    match run(&options, root) {
        Ok(figures) => {
            println!("{}", figures.json());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bare: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Delivers everything; the clock starts when the Maildirs are there.
fn run(options: &Options, root: &Path) -> io::Result<Figures> {
    let maildirs: Vec<_> = (0..options.mailboxes.get())
        .map(|number| Maildir::open(&root.join(format!("example.org/user{number}"))))
        .collect::<io::Result<_>>()?;
    let content = vec![b'x'; options.size];
    let next = AtomicU64::new(0);
    let begin = Instant::now();
    let waits = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads.get())
            .map(|_| scope.spawn(|| deliver_all(options, &maildirs, &content, &next)))
            .collect();
        let waits = threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread does not panic"));
        waits.collect::<io::Result<Vec<_>>>()
    })?;
    Ok(Figures {
        wanted: options.messages,
        waits: waits.concat(),
        elapsed: begin.elapsed(),
        ..Figures::default()
    })
}

/// One thread: takes messages by number until none is left. Returns the time each took, in microseconds.
fn deliver_all(
    options: &Options,
    maildirs: &[Maildir],
    content: &[u8],
    next: &AtomicU64,
) -> io::Result<Vec<u32>> {
    let process = std::process::id();
    let mut waits = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= options.messages {
            return Ok(waits);
        }
        let mailbox =
            usize::try_from(number % options.mailboxes).expect("a mailbox number was a length");
        let begin = Instant::now();
        maildirs[mailbox].deliver(
            &format!("{number}.P{process}.bare"),
            content,
            options.durability,
        )?;
        waits.push(microseconds(begin.elapsed()));
    }
}

impl Maildir {
    /// Makes the Maildir at `path` if it is not there, and opens it.
    fn open(path: &Path) -> io::Result<Self> {
        for folder in ["tmp", "new", "cur"] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path.join(folder))?;
        }
        let open = |folder| File::open(path.join(folder)).map(OwnedFd::from);
        Ok(Self {
            tmp: open("tmp")?,
            new: open("new")?,
        })
    }

    /// Delivers one message under the unique name `name`.
    fn deliver(&self, name: &str, content: &[u8], durability: Durability) -> io::Result<()> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&self.tmp, name, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(content)?;
        if durability != Durability::None {
            fdatasync(&file)?;
        }
        drop(file);
        renameat_with(&self.tmp, name, &self.new, name, RenameFlags::NOREPLACE)?;
        if durability == Durability::Full {
            fsync(&self.new)?;
        }
        Ok(())
    }
}
