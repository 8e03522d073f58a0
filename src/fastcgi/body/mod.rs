//! What PHP finds in its input: a message in one of several forms.

use std::io;
use std::path::Path;

use mail_parser::{HeaderName, Message, MessageParser};

use super::parameters::seconds;
use super::settings::Body;
use super::signature::content_digest;
use super::{Envelope, Letter, Secret};

mod json;
mod mail;
mod multipart;
mod pieces;
mod presets;

use json::Json;
use mail::{Mail, Person};
use multipart::Form;
use pieces::Coding;
pub(super) use pieces::{Pieces, form_text};

const JSON: &str = "application/json";
/// Octets of a header that are looked at for the subject alone.
const HEADER: usize = 128 << 10;

/// A body that can be sent.
#[derive(Debug)]
pub(super) struct Made<'a> {
    pub(super) content_type: String,
    pub(super) pieces: Pieces<'a>,
}

impl<'a> Made<'a> {
    fn json(pieces: Pieces<'a>) -> Self {
        let content_type = JSON.into();
        Self {
            content_type,
            pieces,
        }
    }

    fn form(form: Form<'a>) -> Self {
        Self {
            content_type: form.content_type(),
            pieces: form.end(),
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.pieces.size()
    }

    /// Reads the body once for its digest; it can be read again then.
    pub(super) fn digest(&mut self) -> io::Result<String> {
        let digest = content_digest(&mut self.pieces);
        self.pieces.rewind();
        digest
    }
}

/// What a body is made of.
#[derive(Clone, Copy, Debug)]
struct Material<'a> {
    letter: Letter<'a>,
    attempt: u32,
    secret: Option<&'a Secret>,
}

/// Makes a body and hands it to `send`. Where the message has to be taken apart it
/// is in memory meanwhile, and its attachments are decoded; what goes to PHP is
/// encoded piece by piece while it is sent.
pub(super) async fn with<T>(
    body: Body,
    letter: Letter<'_>,
    attempt: u32,
    secret: Option<&Secret>,
    send: impl AsyncFnOnce(Made<'_>) -> T,
) -> io::Result<T> {
    let material = Material {
        letter,
        attempt,
        secret,
    };
    match body {
        Body::Raw => Ok(send(raw(letter)?).await),
        Body::Path => Ok(send(path(material)?).await),
        Body::Guerrilla => Ok(send(guerrilla(material)?).await),
        _ => {
            let octets = letter.content.whole()?;
            let mail = Mail::parse(letter.trace, &octets);
            let made = match body {
                Body::Multipart => multipart(material, &mail),
                Body::Sendgrid => presets::sendgrid(material, &mail),
                Body::Mailgun => presets::mailgun(material, &mail),
                Body::Postmark => presets::postmark(material, &mail),
                Body::Postal => presets::postal(material, &mail),
                _ => json(material, &mail),
            };
            Ok(send(made).await)
        }
    }
}

fn raw(letter: Letter<'_>) -> io::Result<Made<'_>> {
    let mut pieces = Pieces::default();
    pieces.coded(letter.trace.as_bytes(), Coding::Plain);
    pieces.content(letter.content, Coding::Plain)?;
    let content_type = "message/rfc822".into();
    Ok(Made {
        content_type,
        pieces,
    })
}

fn path(material: Material<'_>) -> io::Result<Made<'_>> {
    let missing = || io::Error::other("the message is in no file that PHP could read");
    let path: &Path = material.letter.path.ok_or_else(missing)?;
    let size = material.letter.content.size();
    let pieces = Json::object(|json| {
        envelope(json, material);
        json.member("path", path.to_string_lossy());
        json.bare("size", size);
    });
    Ok(Made {
        content_type: JSON.into(),
        pieces,
    })
}

fn json<'a>(material: Material<'a>, mail: &'a Mail<'a>) -> Made<'a> {
    let pieces = Json::object(|json| {
        envelope(json, material);
        json.optional("subject", mail.subject());
        for (key, name) in PEOPLE {
            json.list(key, |json| people(json, &mail.people(&name)));
        }
        json.optional("date", mail.date());
        json.optional("message_id", mail.message_id());
        json.list("headers", |json| fields(json, mail, "name", "value"));
        json.optional("text", mail.text());
        json.optional("html", mail.html());
        json.list("attachments", |json| {
            for attachment in mail.attachments() {
                json.entry_object(|json| {
                    json.member("name", attachment.name);
                    json.member("type", attachment.kind);
                    json.optional("content_id", attachment.content_id);
                    json.bare("size", attachment.octets.len());
                    json.base64("content", attachment.octets);
                });
            }
        });
    });
    Made::json(pieces)
}

fn multipart<'a>(material: Material<'a>, mail: &'a Mail<'a>) -> Made<'a> {
    let mut form = Form::new(&material.letter.envelope.key);
    let said = Json::text(|json| envelope_members(json, material));
    form.field("envelope", said);
    form.field("subject", mail.subject().unwrap_or_default());
    for (key, name) in PEOPLE {
        form.field(key, mail::written(&mail.people(&name)));
    }
    form.field("date", mail.date().unwrap_or_default());
    form.field("message_id", mail.message_id().unwrap_or_default());
    let headers = Json::list_text(|json| fields(json, mail, "name", "value"));
    form.field("headers", headers);
    form.field("text", mail.text().unwrap_or_default());
    form.field("html", mail.html().unwrap_or_default());
    for attachment in mail.attachments() {
        let (name, kind) = (&attachment.name, &attachment.kind);
        form.file("attachments[]", name, kind, attachment.octets);
    }
    Made::form(form)
}

/// The form of go-guerrilla's fastcgi-processor.
fn guerrilla(material: Material<'_>) -> io::Result<Made<'_>> {
    let Letter {
        envelope,
        trace,
        content,
        ..
    } = material.letter;
    let header = content.start(HEADER)?;
    let parser = MessageParser::new().header_text(HeaderName::Subject);
    let parser = parser.default_header_ignore();
    let message = parser.parse_headers(&header);
    let subject = message.as_ref().and_then(Message::subject);
    let client = envelope
        .client
        .map(|client| client.to_canonical().to_string());
    let mut pieces = Pieces::default();
    let encrypted = envelope.tls.is_some().to_string();
    for (name, value) in [
        ("rcpt_to_0", envelope.rcpt.as_str()),
        ("remote_ip", client.as_deref().unwrap_or("127.0.0.1")),
        ("subject", subject.unwrap_or_default()),
        ("tls_on", &encrypted),
        ("helo", envelope.helo.as_deref().unwrap_or_default()),
        ("mail_from", &envelope.mail_from),
    ] {
        pieces.text(format!("{name}={}&", form_text(value)));
    }
    pieces.text("body=");
    pieces.coded(trace.as_bytes(), Coding::Form);
    pieces.content(content, Coding::Form)?;
    let content_type = "application/x-www-form-urlencoded".into();
    Ok(Made {
        content_type,
        pieces,
    })
}

/// The header fields that name people, and what they are called.
const PEOPLE: [(&str, HeaderName<'static>); 4] = [
    ("from", HeaderName::From),
    ("to", HeaderName::To),
    ("cc", HeaderName::Cc),
    ("reply_to", HeaderName::ReplyTo),
];

fn people(json: &mut Json<'_>, people: &[Person]) {
    for Person { name, address } in people {
        json.entry_object(|json| {
            json.member("name", name.clone());
            json.member("address", address.clone());
        });
    }
}

/// The header fields, in their order, with these names for name and value.
fn fields(json: &mut Json<'_>, mail: &Mail<'_>, name_key: &str, value_key: &str) {
    for (name, value) in &mail.fields {
        json.entry_object(|json| {
            json.member(name_key, name.clone());
            json.member(value_key, value.clone());
        });
    }
}

fn envelope(json: &mut Json<'_>, material: Material<'_>) {
    json.section("envelope", |json| envelope_members(json, material));
}

fn envelope_members(json: &mut Json<'_>, material: Material<'_>) {
    let envelope: &Envelope = material.letter.envelope;
    json.member("id", envelope.id.clone());
    json.member("key", envelope.key.clone());
    json.bare("attempt", material.attempt);
    json.bare("received", seconds(envelope.received));
    json.member("from", envelope.mail_from.clone());
    json.member("to", envelope.rcpt.clone());
    json.member("mailbox", envelope.mailbox.clone());
    json.section("captures", |json| {
        for (name, value) in &envelope.captures {
            json.member(name, value.clone());
        }
    });
    json.optional("helo", envelope.helo.clone());
    json.optional(
        "client",
        envelope
            .client
            .map(|client| client.to_canonical().to_string()),
    );
    json.member("host", envelope.host.clone());
    json.optional("tls", envelope.tls.clone());
    json.optional("login", envelope.login.clone());
}

#[cfg(test)]
mod tests;
