//! One message for PHP, to see what it answers.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use super::super::{Exit, Fault, content::with_crlf, say};
use crate::config::Config;
use crate::fastcgi::{Answer, Bridge, Content, Envelope, Letter, Output, idempotency_key};

/// Octets of an answer that are shown.
const SHOWN: usize = 4000;

/// Arguments of `check` about it.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Sample {
    /// Hand this message to PHP as well, really, and show what it answers.
    #[arg(long, value_name = "FILE")]
    mail: Option<PathBuf>,
    /// Whom it is for [otherwise postmaster at our own name].
    #[arg(long, value_name = "ADDRESS", requires = "mail")]
    to: Option<String>,
}

impl Sample {
    /// Hands the message over, if there is one, and returns how many faults that has shown.
    ///
    /// # Errors
    ///
    /// A message that cannot be read, and that there is no PHP.
    pub(in crate::cli) fn faults(&self, config: &Config) -> Result<u32, Fault> {
        let Some(file) = &self.mail else {
            return Ok(0);
        };
        let section = config.fastcgi.as_ref().ok_or_else(|| {
            let message =
                "--mail: the section fastcgi is missing: where PHP-FPM listens, and the script";
            Fault::new(Exit::Config, message)
        })?;
        let octets = fs::read(file)
            .map_err(|error| Fault::new(Exit::NoInput, format!("{}: {error}", file.display())))?;
        let content = with_crlf(&octets);
        let settings = section
            .settings()
            .map_err(|error| Fault::new(Exit::Config, error))?;
        let envelope = self.envelope(config, &content);
        let path = file.canonicalize().ok();
        let letter = Letter {
            envelope: &envelope,
            trace: "",
            content: Content::Pieces(&[&content]),
            path: path.as_deref(),
        };
        let (answer, output) = smol::block_on(Bridge::new(settings).hand_and_hear(letter, 1));
        if let Some(output) = &output {
            show(output);
        }
        Ok(u32::from(!is_taken(&answer, &envelope.rcpt)))
    }

    fn envelope(&self, config: &Config, content: &[u8]) -> Envelope {
        let host = config.recipients().hostname;
        let postmaster = || format!("postmaster@{host}");
        let rcpt = self.to.clone().unwrap_or_else(postmaster);
        let mail_from = postmaster();
        Envelope {
            id: "sample".into(),
            received: SystemTime::now(),
            key: idempotency_key(content, &mail_from, &rcpt),
            mailbox: rcpt.clone(),
            mail_from,
            rcpt,
            captures: std::iter::empty().collect(),
            helo: None,
            client: None,
            client_port: None,
            server: None,
            host,
            tls: None,
            login: None,
            origin: [].into(),
        }
    }
}

fn is_taken(answer: &Answer, rcpt: &str) -> bool {
    match answer {
        Answer::Delivered => {
            say(&format!("ok    the sample for {rcpt}: taken"));
            true
        }
        Answer::Later { reply, why, .. } => {
            say(&format!(
                "FAULT the sample for {rcpt}: {reply}, to be tried again: {why}"
            ));
            false
        }
        Answer::Never { reply, why } => {
            say(&format!(
                "FAULT the sample for {rcpt}: {reply}, refused: {why}"
            ));
            false
        }
    }
}

/// What PHP said, line by line, and nothing that a terminal would take for an order.
fn show(output: &Output) {
    for (what, octets) in [("answer", &output.stdout), ("stderr", &output.stderr)] {
        let shown = String::from_utf8_lossy(&octets[..octets.len().min(SHOWN)]);
        for line in shown.lines() {
            let is_plain = |c: char| !c.is_control() || c == '\t';
            let line: String = line
                .chars()
                .map(|c| if is_plain(c) { c } else { '?' })
                .collect();
            say(&format!("{what}  {line}"));
        }
    }
}
