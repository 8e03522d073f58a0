//! Rows, from a delivery and from a letter.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::envelope::{Mail, Recipient};
use crate::mysql::{Form, Message, Row, Table};
use crate::processor::{Delivery, Headers, keys, read_headers};
use crate::spool::Letter;

/// Octets of a letter that its header is looked for in.
const HEADER: u64 = 128 << 10;

/// What becomes of the messages themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bodies {
    /// They are not written.
    Without,
    /// They are written; where one does not fit it is missing, as it is elsewhere too.
    Copied,
    /// They are written and nowhere else: one that does not fit is not taken.
    Kept,
    /// They are in Redis, under the hash of the row.
    InRedis,
}

/// A row for each recipient.
pub(super) fn of_delivery(delivery: &Delivery, bodies: Bodies) -> io::Result<Vec<Row>> {
    let mail = &delivery.mail;
    let read;
    let headers = if let Some(headers) = &delivery.headers {
        headers
    } else {
        read = read_headers(&mail.content)?.unwrap_or_default();
        &read
    };
    let envelope = &mail.envelope;
    let keys = keys(delivery)?;
    let recipients = delivery.recipients().iter().zip(&*keys);
    recipients
        .map(|(recipient, key)| {
            let common = Common {
                key,
                recipient: &recipient.forward_path.to_string(),
                return_path: &envelope.reverse_path.to_string(),
                host: &envelope.host,
            };
            Ok(Row {
                received: seconds(envelope.received.duration_since(UNIX_EPOCH)),
                client: envelope.client.shown(),
                is_tls: envelope.client.tls.is_some(),
                message: match bodies {
                    Bodies::Without => None,
                    Bodies::InRedis => Some(Message::elsewhere()),
                    Bodies::Kept => Some(message(delivery, recipient)?.sole()),
                    Bodies::Copied => Some(message(delivery, recipient)?),
                },
                ..common.row(headers)
            })
        })
        .collect()
}

/// The row for the recipient of a letter; a message is a zlib stream of this level, or as it is.
pub(super) fn of_letter(
    letter: &Arc<Letter>,
    bodies: Bodies,
    level: Option<u32>,
) -> io::Result<Row> {
    let slip = &letter.slip;
    let headers = read_headers(&head_of(letter)?.into())?.unwrap_or_default();
    let common = Common {
        key: &slip.key,
        recipient: &slip.rcpt,
        return_path: &slip.mail_from,
        host: &slip.host,
    };
    let message = match (bodies, level) {
        (Bodies::Without, _) => None,
        (Bodies::InRedis, _) => Some(Message::elsewhere()),
        (_, Some(level)) => Some(Message::of(Form::Zlib, zlib(&letter.content()?, level)?)),
        (_, None) => {
            let letter = Arc::clone(letter);
            Some(Message {
                form: Form::Plain,
                size: slip.size,
                read: Box::new(move || letter.content()),
                is_sole: false,
            })
        }
    };
    let message = message.map(|message| Message {
        is_sole: bodies == Bodies::Kept,
        ..message
    });
    Ok(Row {
        received: slip.received / 1000,
        client: slip.client,
        is_tls: slip.tls.is_some(),
        message,
        ..common.row(&headers)
    })
}

/// The octets that its header is looked for in.
fn head_of(letter: &Letter) -> io::Result<Vec<u8>> {
    let most = usize::try_from(letter.slip.size.min(HEADER)).map_err(io::Error::other)?;
    let mut head = vec![0; most];
    let mut filled = 0;
    while filled < most {
        match letter.read_at(filled as u64, &mut head[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    head.truncate(filled);
    Ok(head)
}

/// Why a message of these rows would be nowhere, and whether another table would have it.
pub(super) fn misfit(rows: &[Row], table: &Table) -> Option<Misfit> {
    let messages = rows.iter().filter_map(|row| row.message.as_ref());
    let mut soles = messages.filter(|message| message.is_sole);
    let cause = soles.find_map(|message| table.admit(message).err())?;
    Some(if table.room() == 0 {
        Misfit::Table(cause)
    } else {
        Misfit::Size(cause)
    })
}

/// Why a message does not fit.
pub(super) enum Misfit {
    /// None would.
    Table(String),
    /// It is too large.
    Size(String),
}

/// What a row has from envelope and header alike.
struct Common<'a> {
    key: &'a str,
    recipient: &'a str,
    return_path: &'a str,
    host: &'a str,
}

impl Common<'_> {
    fn row(&self, headers: &Headers) -> Row {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let (local, _) = self
            .recipient
            .rsplit_once('@')
            .unwrap_or((self.recipient, ""));
        let made_up = || format!("{}.{local}@{}", self.key, self.host);
        Row {
            key: self.key.to_owned(),
            to: headers
                .to
                .clone()
                .unwrap_or_else(|| self.recipient.to_owned()),
            return_path: self.return_path.to_owned(),
            subject: text(&headers.subject),
            content_type: text(&headers.content_type),
            recipient: self.recipient.to_owned(),
            message_id: headers.message_id.clone().unwrap_or_else(made_up),
            reply_to: text(&headers.reply_to),
            sender: text(&headers.sender),
            ..Row::default()
        }
    }
}

/// The message as the row of a recipient has it: what Compressor has made, or trace fields and
/// content, which are put together when they are sent.
fn message(delivery: &Delivery, recipient: &Recipient) -> io::Result<Message> {
    if let Some(stream) = &delivery.compressed {
        return Ok(Message::of(Form::Zlib, stream.clone()));
    }
    let trace = delivery.trace.as_ref().zip(recipient.destinations.first());
    let trace = trace.map(|(trace, first)| trace.fields(recipient, first));
    let trace = trace.unwrap_or_default().replace('\n', "\r\n");
    let (mail, kept): (Arc<Mail>, Vec<_>) = (Arc::clone(&delivery.mail), delivery.kept().collect());
    let size = trace.len() as u64 + delivery.tally()?.octets();
    let read = move || {
        let mut message = trace.clone().into_bytes();
        mail.content.parts(kept.iter().cloned()).each(|piece| {
            message.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(message)
    };
    Ok(Message {
        form: Form::Plain,
        size,
        read: Box::new(read),
        is_sole: false,
    })
}

pub(super) fn zlib(content: &[u8], level: u32) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level.min(9)));
    encoder.write_all(content)?;
    encoder.finish()
}

fn seconds<E>(since: Result<std::time::Duration, E>) -> u64 {
    since.map_or(0, |since| since.as_secs())
}
