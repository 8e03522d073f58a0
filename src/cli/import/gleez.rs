//! The INI of gleez/smtpd.

use super::doors::{self, Tls};
use super::draft::{Draft, Said};
use super::hosts::{self, Reading};
use super::ini::DEFAULT;
use super::ledger::Id;
use super::log;
use super::server::{self, Server};
use super::sheet::Value;

const POP3: &str = "there is no POP3, and there was none; point an IMAP server at the Maildirs";
const WEB: &str = "there is no web interface; point an IMAP server with webmail at the Maildirs, or \
                   give mail to your application with FastCGI";
const MONGO: &str = "mail is in Maildirs and not in MongoDB; give it to a script of yours with \
                     FastCGI, which may write there";
const LIST: &str = "there is no list of senders to refuse; ask your application about recipients \
                    with FastCGI in validate, or put a filter before this program";
const DEBUG: &str = "no dump of sessions is written; log.level: trace shows every octet";

/// What has no counterpart.
pub(super) const KEYS: [(&str, &str); 12] = [
    ("pop3.", POP3),
    ("web.", WEB),
    ("datastore.", MONGO),
    ("smtp.greylist.host", LIST),
    ("smtp.greylist.from", LIST),
    ("smtp.greylist.to", LIST),
    ("smtp.spam.regex", LIST),
    ("smtp.debug", DEBUG),
    ("smtp.debug.path", DEBUG),
    (
        "smtp.trusted.hosts",
        "nobody is trusted to send mail for hosts that are not in recipients.hosts: this program \
         forwards nothing",
    ),
    (
        "smtp.store.messages",
        "every message that was taken is kept",
    ),
    ("DEFAULT.", "no key is built of it"),
];

/// The least that RFC 5321 allows.
const FEWEST_RECIPIENTS: u64 = 100;
const MOST_RECIPIENTS: u64 = 1_000_000;

/// The whole file.
pub(super) fn import(draft: &mut Draft) {
    if let Some(said) = key(draft, "allowed.hosts").and_then(|key| draft.list(&key)) {
        hosts::put(draft, "recipients.hosts", &said, Reading::Names);
    }
    let (address, port) = address(draft);
    let mut server = Server {
        address,
        also_from: port,
        otherwise: "0.0.0.0:25000",
        is_enabled: true,
        hostname: key(draft, "domain").and_then(|key| draft.some_text(&key)),
        max_size: count(draft, "max.message.bytes"),
        timeout: count(draft, "max.idle.seconds"),
        max_clients: count(draft, "max.clients"),
        ..Server::default()
    };
    let tls = Tls {
        certificate: key(draft, "public.key").and_then(|key| draft.some_text(&key)),
        key: key(draft, "private.key").and_then(|key| draft.some_text(&key)),
        ..Tls::default()
    };
    server
        .doors
        .extend(doors::tls(draft, tls, "starttls", None));
    if let Some(key) = key(draft, "xclient") {
        server.doors.extend(doors::xclient(draft, &key));
    }
    server::put(draft, vec![server]);
    recipients(draft);
    if let Some(said) = draft.some_text("logging.level") {
        log::level(draft, &said);
    }
}

/// The name of a key of `[smtp]`, which may be in `[DEFAULT]` too.
fn key(draft: &Draft, name: &str) -> Option<String> {
    let keys = ["smtp", DEFAULT].map(|section| format!("{section}.{name}"));
    keys.into_iter()
        .find(|key| draft.ledger.find(key).is_some())
}

fn count(draft: &mut Draft, name: &str) -> Option<Said<u64>> {
    let key = key(draft, name)?;
    draft.count(&key)
}

/// Address and port are two keys.
fn address(draft: &mut Draft) -> (Option<Said<String>>, Option<Id>) {
    let address = key(draft, "ip4.address").and_then(|key| draft.some_text(&key));
    let port = count(draft, "ip4.port");
    let number = port.as_ref().map_or(25_000, |said| said.value);
    match (address, port) {
        (Some(address), port) => {
            let value = format!("{}:{number}", address.value);
            (Some(Said { value, ..address }), port.map(|said| said.from))
        }
        (None, Some(port)) => {
            let value = format!("0.0.0.0:{number}");
            let from = port.from;
            (Some(Said { value, from }), None)
        }
        (None, None) => (None, None),
    }
}

fn recipients(draft: &mut Draft) {
    let Some(said) = count(draft, "max.recipients") else {
        return;
    };
    let bounded = said.value.clamp(FEWEST_RECIPIENTS, MOST_RECIPIENTS);
    let note = if bounded == said.value {
        String::new()
    } else {
        format!(
            "It was {}; RFC 5321 section 4.5.3.1.8 asks for 100 at least.",
            said.value
        )
    };
    let value = Value::Word(bounded.to_string());
    draft.put("limits.recipients", value, &[said.from], &note);
}
