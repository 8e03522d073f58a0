//! What is told of a letter, and how.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use mail_parser::DateTime;
use serde::Serialize;

use crate::cli::say;
use crate::spool::Slip;

/// What is told of a letter.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) id: String,
    /// "waiting" or "dead".
    pub(super) status: &'static str,
    pub(super) queue: String,
    pub(super) attempts: u32,
    /// Seconds since 1970; none when it is due, or dead.
    pub(super) next: Option<u64>,
    pub(super) error: String,
    pub(super) file: PathBuf,
    /// None when it cannot be read.
    pub(super) letter: Option<Slip>,
}

impl Row {
    /// One line of the list.
    pub(super) fn line(&self) -> String {
        let (from, to) = match &self.letter {
            Some(slip) => (slip.mail_from.as_str(), slip.rcpt.as_str()),
            None => ("?", "?"),
        };
        let when = match (self.status, self.next) {
            ("dead", _) => "dead".to_owned(),
            (_, None) => "due".to_owned(),
            (_, Some(next)) => format!("in {}", rough(next.saturating_sub(seconds()))),
        };
        let error = if self.error.is_empty() {
            String::new()
        } else {
            format!("  ({})", self.error)
        };
        format!(
            "{}  {}  {when}, {} tried  <{from}> to {to}{error}",
            self.id, self.queue, self.attempts
        )
    }

    /// All of it, a line for each thing that is known.
    pub(super) fn tell(&self) {
        let line = |name: &str, value: &str| {
            if !value.is_empty() {
                say(&format!("{name:<12} {value}"));
            }
        };
        line("id", &self.id);
        line("status", self.status);
        line("queue", &self.queue);
        line("attempts", &self.attempts.to_string());
        line("next", &self.next.map(date).unwrap_or_default());
        line("error", &self.error);
        line("file", &self.file.display().to_string());
        let Some(slip) = &self.letter else {
            return;
        };
        line("received", &date(slip.received / 1000));
        line("from", &format!("<{}>", slip.mail_from));
        line("to", &slip.rcpt);
        line("mailboxes", &slip.mailboxes.join(", "));
        let address = slip.client.map(|address| address.to_string());
        line("client", &address.unwrap_or_default());
        line("helo", slip.helo.as_deref().unwrap_or_default());
        line("size", &slip.size.to_string());
        line("key", &slip.key);
        for file in &slip.files {
            line("copy", &file.display().to_string());
        }
    }
}

/// Seconds since 1970.
pub(super) fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

fn date(seconds: u64) -> String {
    DateTime::from_timestamp(i64::try_from(seconds).unwrap_or_default()).to_rfc822()
}

/// A time with its largest unit.
fn rough(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}
