//! `maiasaura deliver`: one message from standard input, through the same chain.

use std::io;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::address::{forward_path, reverse_path};
use super::content::content;
use super::{Exit, Fault, Loaded, Outcome};
use crate::chain::Known;
use crate::config::{Config, Source};
use crate::daemon::{self, Daemon, Logging, Target};
use crate::envelope::{Client, Envelope, Mail, Recipient, Transmission};
use crate::failure::Failure;
use crate::server::{Service, SessionLog};
use crate::smtp::address::{ForwardPath, ReversePath};

/// Arguments of `deliver`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 delivered, 64 wrong arguments, 65 the message is at fault, 67 no such user,
75 try again later (a wrong configuration, too), 77 over quota.

Postfix (master.cf):
  maiasaura unix - n n - - pipe flags=Rq user=maiasaura null_sender=
    argv=/usr/bin/maiasaura deliver -f ${sender} -a ${original_recipient} -- ${recipient}
  with maiasaura_destination_recipient_limit = 1 in main.cf, so that each recipient has an exit code.
docs/mta.md has the same for Exim, and LMTP for both.")]
pub(super) struct Deliver {
    /// Sender: where a bounce would go; empty, <> or MAILER-DAEMON for none.
    #[arg(
        short = 'f',
        value_name = "SENDER",
        default_value = "",
        allow_hyphen_values = true
    )]
    sender: String,

    /// The recipient before it was rewritten, for X-Original-To; with one recipient only, and
    /// left out where it is no whole address.
    #[arg(short = 'a', value_name = "ORIGINAL", allow_hyphen_values = true)]
    original: Option<String>,

    /// Recipients; after -- also such as begin with a hyphen.
    #[arg(required = true, value_name = "RCPT")]
    recipients: Vec<String>,
}

pub(super) fn run(load: impl FnOnce() -> Loaded, arguments: &Deliver) -> Outcome {
    deliver_and_log(load, arguments).map_err(mendable)
}

/// Only for 75 do Postfix and Exim keep a message. What is no fault of the message or of its
/// addresses can be mended until they try again.
fn mendable(fault: Fault) -> Fault {
    match fault.exit {
        Exit::Config | Exit::IoErr | Exit::Software | Exit::Unavailable => Fault {
            exit: Exit::TempFail,
            ..fault
        },
        _ => fault,
    }
}

fn deliver_and_log(load: impl FnOnce() -> Loaded, arguments: &Deliver) -> Outcome {
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
    let daemon = Daemon::from_source(config, source);
    let service = daemon.service()?;
    let mut log = SessionLog::local();
    let recipients = recipients(arguments, &service, &reverse_path, &mut log)?;
    let open = || service.spooler.open(&recipients[0]);
    let content = content(io::stdin().lock(), limit, open)?;
    daemon.start_processors(&service)?;
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
    let mail = Arc::new(Mail::new(envelope, content));
    let fates = smol::block_on(async {
        let turn = service.chain.turn(&mail.envelope.recipients).await;
        let (mail, known) = (Arc::clone(&mail), Known::default());
        let fates = service.chain.deliver_each(mail, turn, &known).await;
        service.chain.shutdown(service.timeouts.shutdown).await;
        fates
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
