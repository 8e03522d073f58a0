//! A processor of one's own, with a section in the configuration and hooks at start and end:
//! `cargo run --example processor [CONFIGURATION]`, by default `examples/processor.yaml`.
//!
//! `Register` writes a line for each message that was delivered into a file:
//!
//! ```text
//! 1xR7k2Qa me@localhost you@localhost 1234 "Hello"
//! ```

use std::error::Error;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use maiasaura::failure::Failure;
use maiasaura::processor::{Commit, Delivery, Pending, Processor, Staged};
use maiasaura::{Config, Daemon};

/// The section of the configuration: `processors: {Register: {file: ...}}`.
#[derive(serde::Deserialize)]
struct Settings {
    /// Where lines are appended. It has no default, so it must be written.
    file: PathBuf,
    /// Whether the subject is told.
    #[serde(default)]
    subject: bool,
}

struct Register {
    settings: Settings,
    /// Opened at start.
    file: OnceLock<File>,
}

impl Register {
    fn new(settings: Settings) -> Self {
        let file = OnceLock::new();
        Self { settings, file }
    }
}

impl Processor for Register {
    fn name(&self) -> &'static str {
        "Register"
    }

    /// Before the first message: what cannot be had is better known now.
    fn start(&self) -> Pending<'_, Result<(), String>> {
        Box::pin(async {
            let path = &self.settings.file;
            let file = File::options().append(true).create(true).open(path);
            let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
            self.file.get_or_init(|| file);
            Ok(())
        })
    }

    /// Nothing may be seen yet: another processor may still refuse the message.
    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async {
            let file = self.file.get().expect("it has started").try_clone()?;
            let line = line(delivery, self.settings.subject);
            Ok(Staged::Until(Box::new(Entry { file, line })))
        })
    }

    /// After the last message.
    fn shutdown(&self) -> Pending<'_, ()> {
        Box::pin(async {
            let _ = self.file.get().map(File::sync_all);
        })
    }
}

/// A line that is written when all have staged.
struct Entry {
    file: File,
    line: String,
}

impl Commit for Entry {
    fn commit(&mut self) -> Pending<'_, Result<(), Failure>> {
        Box::pin(async { Ok(self.file.write_all(self.line.as_bytes())?) })
    }

    /// Nothing is to be undone: Register is the last of the chain, so nobody fails after it.
    fn abort(&mut self) -> Pending<'_, ()> {
        Box::pin(async {})
    }
}

fn line(delivery: &Delivery, with_subject: bool) -> String {
    let mail = &delivery.mail;
    let to = delivery.recipients().iter();
    let to: Vec<_> = to.map(|it| it.forward_path.to_string()).collect();
    let (id, from) = (&mail.envelope.id, &mail.envelope.reverse_path);
    let headers = delivery.headers.as_ref().filter(|_| with_subject);
    let subject = headers.and_then(|headers| headers.subject.as_deref());
    let (to, size, subject) = (to.join(","), mail.content.len(), subject.unwrap_or("-"));
    format!("{id} {from} {to} {size} {subject:?}\n")
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1);
    let path = path.unwrap_or_else(|| "examples/processor.yaml".into());
    let (config, source) = Config::load(Some(Path::new(&path)))?;
    // An error here would be shown with the line of the section.
    let make = |settings| Ok(Arc::new(Register::new(settings)) as Arc<dyn Processor>);
    let daemon = Daemon::from_source(config, source).processor_with("Register", make);
    let running = daemon.start()?;
    println!(
        "listening on {}, press Enter to stop",
        running.addresses()[0]
    );
    io::stdin().read_line(&mut String::new())?;
    running.shutdown();
    Ok(())
}
