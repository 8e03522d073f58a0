//! `maiasaura deliver`: one message from standard input, through the same chain.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::address::{forward_path, reverse_path};
use super::{Exit, Fault, Loaded, Outcome};
use crate::chain::Known;
use crate::config::{Config, Source};
use crate::daemon::{self, Daemon, Logging, Target};
use crate::envelope::{Client, Envelope, Mail, Recipient, Transmission};
use crate::failure::Failure;
use crate::server::{Service, SessionLog};
use crate::smtp::address::{ForwardPath, ReversePath};
use crate::smtp::reply;

/// Arguments of `deliver`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 delivered, 64 wrong arguments, 65 the message is at fault, 67 no such user,
74 cannot read the message, 75 try again later, 77 over quota, 78 configuration.

Postfix (master.cf):
  maiasaura unix - n n - - pipe flags=R user=vmail null_sender=
    argv=/usr/bin/maiasaura deliver -f ${sender} -a ${original_recipient} ${recipient}
  with maiasaura_destination_recipient_limit = 1 in main.cf, so that each recipient has an exit code.")]
pub(super) struct Deliver {
    /// Sender: where a bounce would go; empty, <> or MAILER-DAEMON for none.
    #[arg(short = 'f', value_name = "SENDER", default_value = "")]
    sender: String,

    /// The recipient before it was rewritten, for X-Original-To; with one recipient only, and
    /// left out where it is no whole address.
    #[arg(short = 'a', value_name = "ORIGINAL")]
    original: Option<String>,

    /// Recipients.
    #[arg(required = true, value_name = "RCPT")]
    recipients: Vec<String>,
}

pub(super) fn run(load: impl FnOnce() -> Loaded, arguments: &Deliver) -> Outcome {
    let (config, source) = load()?;
    let logging = log_file(&config);
    let outcome = deliver(config, source, arguments);
    if let Some(logging) = logging {
        logging.flush();
    }
    outcome
}

/// The log, where it is a file: what is said on standard error is for whoever called, and may be
/// in a bounce. That it cannot be written is no reason to send mail back.
fn log_file(config: &Config) -> Option<Logging> {
    let settings = daemon::log_settings(config);
    matches!(settings.target, Target::File(_))
        .then(|| Logging::start(&settings).ok())
        .flatten()
}

fn deliver(config: Config, source: Source, arguments: &Deliver) -> Outcome {
    let begin = Instant::now();
    let limit = config.limits.message_size.octets();
    let reverse_path = reverse_path(&arguments.sender)?;
    let host = config.hostname();
    let service = Daemon::from_source(config, source).service()?;
    let mut log = SessionLog::local();
    let recipients = recipients(arguments, &service, &reverse_path, &mut log)?;
    let received = SystemTime::now();
    let envelope = Envelope {
        id: service.ids.next(received),
        received,
        host,
        client: Client::default(),
        transmission: Transmission::Local,
        reverse_path,
        recipients,
        binary: false,
    };
    let content = content(io::stdin().lock(), limit)?;
    let mail = Arc::new(Mail::new(envelope, content));
    let fates = smol::block_on(async {
        let turn = service.chain.turn(&mail.envelope.recipients).await;
        let (mail, known) = (Arc::clone(&mail), Known::default());
        service.chain.deliver_each(mail, turn, &known).await
    });
    log.delivered(&mail, &fates, begin.elapsed());
    let failed = fates
        .iter()
        .zip(&mail.envelope.recipients)
        .filter_map(|(fate, recipient)| fate.as_ref().err().map(|failure| (recipient, failure)));
    worst(failed)
}

/// With several recipients, what may pass counts most: the caller then tries
/// again, and who has the message already gets it twice rather than somebody never.
fn worst<'a>(failed: impl Iterator<Item = (&'a Recipient, &'a Failure)>) -> Outcome {
    let mut worst: Option<Fault> = None;
    for (recipient, failure) in failed {
        let fault = refused(&recipient.forward_path, failure);
        if worst
            .as_ref()
            .is_none_or(|worst| worst.exit != Exit::TempFail)
        {
            worst = Some(fault);
        }
    }
    worst.map_or(Ok(()), Err)
}

fn refused(path: &ForwardPath, failure: &Failure) -> Fault {
    Fault::new(Exit::from(failure), format!("{path}: {failure}"))
}

fn recipients(
    arguments: &Deliver,
    service: &Service,
    reverse_path: &ReversePath,
    log: &mut SessionLog,
) -> Result<Vec<Recipient>, Fault> {
    if arguments.original.is_some() && arguments.recipients.len() > 1 {
        return Err(Fault::new(Exit::Usage, "-a goes with one recipient only"));
    }
    let original = arguments.original.as_deref().map(forward_path);
    let mut recipients = Vec::new();
    for given in &arguments.recipients {
        let path = forward_path(given)?;
        let verdict = smol::block_on(service.verify(&path, &Client::default(), reverse_path));
        let mut recipient = verdict.map_err(|failure| {
            log.refused(&path, reverse_path, &failure);
            refused(&path, &failure)
        })?;
        // Mail of this machine may be for root, without a host; that is no reason to refuse it.
        if let Some(Ok(original)) = &original {
            recipient.forward_path = original.clone();
        }
        recipients.push(recipient);
    }
    Ok(recipients)
}

/// The message as it would have come over SMTP: lines end in CRLF, and the
/// "From " line that a mailbox file or pipe(8) puts before it is gone.
fn content(input: impl Read, limit: u64) -> Result<Vec<u8>, Fault> {
    let mut octets = Vec::new();
    input
        .take(limit.saturating_add(1))
        .read_to_end(&mut octets)
        .map_err(|error| Fault::new(Exit::IoErr, format!("cannot read the message: {error}")))?;
    if octets.len() as u64 > limit {
        return Err(Fault::new(
            Exit::DataErr,
            format!("{}: more than {limit} octets", reply::TOO_BIG),
        ));
    }
    let from_line = if octets.starts_with(b"From ") {
        memchr::memchr(b'\n', &octets)
    } else {
        None
    };
    let start = from_line.map_or(0, |end| end + 1);
    Ok(with_crlf(&octets[start..]))
}

fn with_crlf(octets: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(octets.len() + octets.len() / 32);
    for line in octets.split_inclusive(|&b| b == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) => {
                content.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
                content.extend_from_slice(b"\r\n");
            }
            None => content.extend_from_slice(line),
        }
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_input_becomes_mail_content() {
        for (input, expected) in [
            ("", ""),
            ("Subject: t\n\nbody\n", "Subject: t\r\n\r\nbody\r\n"),
            ("From s@c.test Fri Nov 20\nSubject: t\n", "Subject: t\r\n"),
            ("a\r\nb\nc", "a\r\nb\r\nc"),
            ("From here on", "From here on"),
        ] {
            assert_eq!(content(input.as_bytes(), 100).unwrap(), expected.as_bytes());
        }
        assert_eq!(
            content([b'x'; 11].as_slice(), 10).unwrap_err().exit,
            Exit::DataErr
        );
    }
}
