//! Trace fields (RFC 5321 section 4.4), written before the content of every copy.

use std::fmt::Write as _;

use mail_parser::DateTime;

use crate::envelope::{Destination, Envelope, Recipient};
use crate::smtp::address::{Domain, ForwardPath};

/// Columns of a folded line (RFC 5322 section 2.1.1).
const COLUMNS: usize = 78;
/// Room for what differs between the copies of a message, and some line ends.
const SPARE: usize = 200;

/// The fields that are equal in every copy of a message. Lines end in LF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    return_path: String,
    received: String,
    /// Whether an empty line must keep the content apart, as it begins with no header field.
    separate: bool,
    /// The host that Delivered-To names, if not that of the mailbox.
    delivered_to_host: Option<Domain>,
}

impl Trace {
    /// The trace of one message. `for` is said only to a
    /// message with a single recipient, as a Bcc must not leak.
    pub fn new(envelope: &Envelope, separate: bool) -> Self {
        Self {
            return_path: format!("Return-Path: <{}>\n", envelope.reverse_path),
            received: received(envelope),
            separate,
            delivered_to_host: None,
        }
    }

    /// Has Delivered-To name this host instead of that of the mailbox.
    #[must_use]
    pub fn delivered_to_host(self, host: Option<Domain>) -> Self {
        Self {
            delivered_to_host: host,
            ..self
        }
    }

    /// What Delivered-To says of a destination.
    pub(super) fn delivered_to(&self, destination: &Destination) -> String {
        let mailbox = &destination.mailbox;
        match &self.delivered_to_host {
            Some(host) => mailbox.with_domain(host.clone()).to_string(),
            None => mailbox.to_string(),
        }
    }

    /// The trace fields of a copy that is for several destinations: it cannot tell for which it is.
    pub fn shared_fields(&self) -> String {
        let blank = if self.separate { "\n" } else { "" };
        format!("{}{}{blank}", self.return_path, self.received)
    }

    /// All trace fields of the copy for one destination, lines ending in LF.
    pub fn fields(&self, recipient: &Recipient, destination: &Destination) -> String {
        let mut fields =
            String::with_capacity(self.return_path.len() + self.received.len() + SPARE);
        fields.push_str(&self.return_path);
        let delivered_to = self.delivered_to(destination);
        let _ = writeln!(fields, "Delivered-To: {delivered_to}");
        let original = recipient.forward_path.to_string();
        if original != delivered_to {
            let _ = writeln!(fields, "X-Original-To: {original}");
        }
        fields.push_str(&self.received);
        if self.separate {
            fields.push('\n');
        }
        fields
    }
}

/// `Received: from .. by .. with .. id .. [for ..]; date`, folded between its clauses.
fn received(envelope: &Envelope) -> String {
    let mut clauses = Vec::new();
    let client = &envelope.client;
    let address = client
        .address
        .map(|address| Domain::Literal(address.to_canonical()));
    // What is known of the connection (TCP-info): a name that was looked up, and the address.
    let known = match (&client.name, address) {
        (Some(name), Some(address)) => Some(format!("{name} {address}")),
        (Some(name), None) => Some(name.clone()),
        (None, address) => address.map(|address| address.to_string()),
    };
    match (&client.helo, known) {
        (Some(helo), Some(known)) => clauses.push(format!("from {helo} ({known})")),
        (Some(helo), None) => clauses.push(format!("from {helo}")),
        (None, Some(known)) => clauses.push(format!("from {known}")),
        (None, None) => {}
    }
    clauses.push(format!("by {}", envelope.host));
    clauses.push(format!("with {}", envelope.with()));
    if let Some(tls) = &client.tls {
        clauses.push(format!("({} {})", tls.version, tls.cipher));
    }
    if let Some(last) = clauses.last_mut() {
        let _ = write!(last, " id {}", envelope.id);
    }
    let date = date(envelope);
    if let [
        Recipient {
            forward_path: ForwardPath::Mailbox(mailbox),
            ..
        },
    ] = envelope.recipients.as_slice()
    {
        clauses.push(format!("for <{mailbox}>; {date}"));
    } else {
        if let Some(last) = clauses.last_mut() {
            last.push(';');
        }
        clauses.push(date);
    }
    fold("Received:", &clauses)
}

fn date(envelope: &Envelope) -> String {
    let since = envelope
        .received
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    DateTime::from_timestamp(i64::try_from(since.as_secs()).unwrap_or_default()).to_rfc822()
}

fn fold(name: &str, clauses: &[String]) -> String {
    let mut field = name.to_owned();
    let mut column = field.len();
    for clause in clauses {
        if column + 1 + clause.len() > COLUMNS && column > name.len() {
            field.push_str("\n\t");
            column = 8;
        } else {
            field.push(' ');
            column += 1;
        }
        field.push_str(clause);
        column += clause.len();
    }
    field.push('\n');
    field
}
