//! What a measuring program reports: one line of JSON, the same for all of them.

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

/// The outcome of one run.
#[derive(Default)]
pub struct Figures {
    /// Messages the run was to deliver.
    pub wanted: u64,
    /// Time each delivered message had to wait for its acknowledgement, in microseconds; one entry per message.
    pub waits: Vec<u32>,
    /// From the first connection opened (or the first file made) to the last acknowledgement.
    pub elapsed: Duration,
    /// The first refusal, as the server or the system put it.
    pub first_error: Option<String>,
    /// Idle connections that were greeted by the server before the first message was sent.
    pub idle: usize,
    /// Handshakes of TLS that resumed a session.
    pub resumed: u64,
}

impl Figures {
    /// Messages that were not acknowledged.
    pub fn errors(&self) -> u64 {
        self.wanted - self.waits.len() as u64
    }

    /// The line of JSON: seconds with microseconds, waits in milliseconds.
    pub fn json(mut self) -> String {
        self.waits.sort_unstable();
        let messages = self.waits.len();
        let seconds = self.elapsed.as_secs_f64();
        let count = u32::try_from(messages).unwrap_or(u32::MAX);
        let rate = if seconds > 0.0 {
            f64::from(count) / seconds
        } else {
            0.0
        };
        format!(
            "{{\"messages\": {messages}, \"seconds\": {seconds:.6}, \"messages_per_second\": {rate:.1}, \
             \"p50_ms\": {:.3}, \"p99_ms\": {:.3}, \"idle\": {}, \"resumed\": {}, \"errors\": {}, \"first_error\": {}}}",
            self.percentile(50),
            self.percentile(99),
            self.idle,
            self.resumed,
            self.errors(),
            self.first_error
                .as_deref()
                .map_or_else(|| "null".to_owned(), quoted),
        )
    }

    /// The wait that `percent` of the messages did not exceed, in milliseconds (nearest rank); the waits are sorted.
    fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.waits.len() * percent).div_ceil(100);
        let wait = self.waits.get(rank.saturating_sub(1)).copied();
        f64::from(wait.unwrap_or_default()) / 1000.0
    }
}

/// Prints the outcome; a failure where not all messages were acknowledged.
pub fn report(program: &str, outcome: Result<Figures, impl Display>) -> ExitCode {
    match outcome {
        Ok(figures) => {
            let is_complete = figures.errors() == 0;
            println!("{}", figures.json());
            ExitCode::from(u8::from(!is_complete))
        }
        Err(error) => {
            eprintln!("{program}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A wait as it is kept: microseconds, at most 71 minutes.
pub fn microseconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_micros()).unwrap_or(u32::MAX)
}

/// `text` as a JSON string (RFC 8259 section 7).
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control < ' ' => {
                quoted.extend(format!("\\u{:04x}", u32::from(control)).chars());
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
