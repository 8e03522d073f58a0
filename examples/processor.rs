//! A processor of one's own, with a section in the configuration and hooks at start and end:
//! `cargo run --example processor [CONFIGURATION]`, by default `examples/processor.yaml`.
//!
//! `Register` writes a line for each message that was delivered into a file:
//!
//! ```text
//! 1xR7k2Qa me@localhost you@localhost 1234 "Hello"
//! ```

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use maiasaura::failure::Failure;
use maiasaura::processor::{Commit, Delivery, Pending, Processor, Staged};
use maiasaura::smtp::reply;
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
    file: OnceLock<Arc<File>>,
}

impl Register {
    /// Errors of the constructor are shown with the line of the section.
    fn make(settings: Settings) -> Result<Arc<dyn Processor>, String> {
        if settings.file.as_os_str().is_empty() {
            return Err("file is empty; write the path of one".into());
        }
        let file = OnceLock::new();
        Ok(Arc::new(Self { settings, file }))
    }
}

impl Processor for Register {
    fn name(&self) -> &'static str {
        "Register"
    }

    /// What cannot be had at start is better known before the first message.
    fn start(&self) -> Pending<'_, Result<(), String>> {
        Box::pin(async {
            let path = &self.settings.file;
            let file = OpenOptions::new().append(true).create(true).open(path);
            let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
            self.file.get_or_init(|| Arc::new(file));
            Ok(())
        })
    }

    /// Nothing may be seen yet: another processor may still refuse the message.
    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async {
            let not_started = || Failure::new(reply::LOCAL_FAULT, "Register was not started");
            let file = Arc::clone(self.file.get().ok_or_else(not_started)?);
            let line = line(delivery, self.settings.subject);
            Ok(Staged::Until(Box::new(Entry {
                file,
                line,
                is_written: false,
            })))
        })
    }

    /// After the last message.
    fn shutdown(&self) -> Pending<'_, ()> {
        Box::pin(async {
            if let Some(file) = self.file.get() {
                let _ = file.sync_all();
            }
        })
    }
}

/// A line that is written when all have staged.
struct Entry {
    file: Arc<File>,
    line: String,
    is_written: bool,
}

impl Commit for Entry {
    fn commit(&mut self) -> Pending<'_, Result<(), Failure>> {
        Box::pin(async {
            let written = (&*self.file).write_all(self.line.as_bytes());
            written.map_err(|error| Failure::new(reply::LOCAL_FAULT, error.to_string()))?;
            self.is_written = true;
            Ok(())
        })
    }

    /// A line cannot be taken back, so another one says that it does not hold.
    fn abort(&mut self) -> Pending<'_, ()> {
        Box::pin(async {
            if !self.is_written {
                return;
            }
            let _ = (&*self.file).write_all(b"the line before does not hold\n");
        })
    }
}

fn line(delivery: &Delivery, with_subject: bool) -> String {
    let envelope = &delivery.mail.envelope;
    let to: Vec<String> = delivery
        .recipients()
        .iter()
        .map(|recipient| recipient.forward_path.to_string())
        .collect();
    let headers = delivery.headers.as_ref();
    let subject = headers.and_then(|headers| headers.subject.as_deref());
    let subject = subject.filter(|_| with_subject).unwrap_or("-");
    let (id, from, to) = (&envelope.id, &envelope.reverse_path, to.join(","));
    format!(
        "{id} {from} {to} {} {subject:?}\n",
        delivery.mail.content.len()
    )
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1);
    let path = path.unwrap_or_else(|| "examples/processor.yaml".into());
    let (config, source) = Config::load(Some(Path::new(&path)))?;
    let daemon = Daemon::from_source(config, source).processor_with("Register", Register::make);
    let running = daemon.start()?;
    println!(
        "listening on {}, press Enter to stop",
        running.addresses()[0]
    );
    io::stdin().read_line(&mut String::new())?;
    running.shutdown();
    Ok(())
}
