//! The forms in which well-known services hand mail over, so that an application
//! written for one of them finds the fields it knows. What only such a service can
//! say (scores of spam, stripped quotations) is left out, or empty where scripts
//! expect the field to be there.

use std::time::SystemTime;

use mail_parser::HeaderName;

use super::json::Json;
use super::mail::{self, Attachment, Mail, Person};
use super::multipart::Form;
use super::{JSON, Made, Material, fields};
use crate::fastcgi::parameters::seconds;

/// SendGrid Inbound Parse.
pub(super) fn sendgrid<'a>(material: Material<'a>, mail: &'a Mail<'a>) -> Made<'a> {
    let envelope = material.letter.envelope;
    let attachments = mail.attachments();
    let mut form = Form::new(&envelope.key);
    form.field("headers", mail.header());
    form.field("to", mail.field("To").unwrap_or_default());
    form.field("cc", mail.field("Cc").unwrap_or_default());
    form.field("from", mail::written(&mail.people(&HeaderName::From)));
    form.field("subject", mail.subject().unwrap_or_default());
    form.field("text", mail.text().unwrap_or_default());
    form.field("html", mail.html().unwrap_or_default());
    let client = envelope
        .client
        .map(|client| client.to_canonical().to_string());
    form.field("sender_ip", client.unwrap_or_default());
    let both = Json::text(|json| {
        json.list("to", |json| json.entry_text(&envelope.rcpt));
        json.member("from", envelope.mail_from.clone());
    });
    form.field("envelope", both);
    let utf8 = Json::text(|json| {
        for name in ["to", "from", "subject", "cc", "text", "html"] {
            json.member(name, "UTF-8");
        }
    });
    form.field("charsets", utf8);
    form.field("attachments", attachments.len().to_string());
    if !attachments.is_empty() {
        form.field("attachment-info", info(&attachments));
        form.field("content-ids", ids(&attachments, "attachment", false));
    }
    files(&mut form, attachments, "attachment");
    Made {
        content_type: form.content_type(),
        pieces: form.end(),
    }
}

/// Routes of Mailgun, fully parsed.
pub(super) fn mailgun<'a>(material: Material<'a>, mail: &'a Mail<'a>) -> Made<'a> {
    let envelope = material.letter.envelope;
    let attachments = mail.attachments();
    let mut form = Form::new(&envelope.key);
    form.field("recipient", envelope.rcpt.as_str());
    form.field("sender", envelope.mail_from.as_str());
    form.field("from", mail::written(&mail.people(&HeaderName::From)));
    form.field("subject", mail.subject().unwrap_or_default());
    let plain = mail.text().unwrap_or_default();
    form.field("body-plain", plain.clone());
    form.field("stripped-text", plain);
    form.field("stripped-signature", "");
    if let Some(html) = mail.html() {
        form.field("body-html", html.clone());
        form.field("stripped-html", html);
    }
    let timestamp = seconds(SystemTime::now()).to_string();
    // Theirs is random; what counts is that it is signed and differs with the message.
    let token: String = envelope.key.chars().take(50).collect();
    let signature = material
        .secret
        .map(|secret| secret.digest(&format!("{timestamp}{token}")));
    form.field("timestamp", timestamp);
    form.field("token", token);
    form.field("signature", signature.unwrap_or_default());
    let headers = Json::list_text(|json| {
        for (name, value) in &mail.fields {
            json.entry_texts(&[name, value]);
        }
    });
    form.field("message-headers", headers);
    for name in [
        "Message-Id",
        "Date",
        "To",
        "Cc",
        "In-Reply-To",
        "References",
    ] {
        if let Some(value) = mail.field(name) {
            form.field(name, value);
        }
    }
    if !attachments.is_empty() {
        form.field("attachment-count", attachments.len().to_string());
        form.field("content-id-map", ids(&attachments, "attachment-", true));
    }
    files(&mut form, attachments, "attachment-");
    Made {
        content_type: form.content_type(),
        pieces: form.end(),
    }
}

/// The inbound webhook of Postmark.
pub(super) fn postmark<'a>(material: Material<'a>, mail: &'a Mail<'a>) -> Made<'a> {
    let envelope = material.letter.envelope;
    let from = mail.people(&HeaderName::From);
    let pieces = Json::object(|json| {
        let first = from.first().cloned().unwrap_or(Person {
            name: String::new(),
            address: envelope.mail_from.clone(),
        });
        json.member("From", first.address.clone());
        json.member("FromName", first.name.clone());
        json.member("MessageStream", "inbound");
        json.section("FromFull", |json| person(json, &first));
        for (key, name) in [
            ("To", HeaderName::To),
            ("Cc", HeaderName::Cc),
            ("Bcc", HeaderName::Bcc),
        ] {
            let people = mail.people(&name);
            json.member(key, mail::written(&people));
            json.list(&format!("{key}Full"), |json| {
                for somebody in &people {
                    json.entry_object(|json| person(json, somebody));
                }
            });
        }
        json.member("OriginalRecipient", envelope.rcpt.clone());
        json.member("Subject", mail.subject().unwrap_or_default());
        json.member("MessageID", envelope.id.clone());
        json.member("ReplyTo", mail::written(&mail.people(&HeaderName::ReplyTo)));
        json.member("MailboxHash", detail(&envelope.rcpt).to_owned());
        json.member("Date", mail.field("Date").unwrap_or_default());
        json.member("TextBody", mail.text().unwrap_or_default());
        json.member("HtmlBody", mail.html().unwrap_or_default());
        json.member("StrippedTextReply", "");
        json.member("Tag", "");
        json.list("Headers", |json| fields(json, mail, "Name", "Value"));
        json.list("Attachments", |json| {
            for attachment in mail.attachments() {
                json.entry_object(|json| {
                    json.member("Name", attachment.name);
                    json.base64("Content", attachment.octets);
                    json.member("ContentType", attachment.kind);
                    json.bare("ContentLength", attachment.octets.len());
                    json.member("ContentID", attachment.content_id.unwrap_or_default());
                });
            }
        });
    });
    Made {
        content_type: JSON.into(),
        pieces,
    }
}

/// HTTP endpoints of Postal, processed, as JSON.
pub(super) fn postal<'a>(material: Material<'a>, mail: &'a Mail<'a>) -> Made<'a> {
    let envelope = material.letter.envelope;
    let attachments = mail.attachments();
    let pieces = Json::object(|json| {
        json.member("id", envelope.id.clone());
        json.member("rcpt_to", envelope.rcpt.clone());
        json.member("mail_from", envelope.mail_from.clone());
        json.member("token", envelope.key.clone());
        json.member("subject", mail.subject().unwrap_or_default());
        json.member("message_id", mail.message_id().unwrap_or_default());
        json.bare("timestamp", seconds(envelope.received));
        json.bare("size", material.letter.content.size());
        json.member("spam_status", "NotChecked");
        json.bare("bounce", envelope.mail_from.is_empty());
        json.bare("received_with_ssl", envelope.tls.is_some());
        for (key, name) in [
            ("to", "To"),
            ("cc", "Cc"),
            ("from", "From"),
            ("date", "Date"),
            ("in_reply_to", "In-Reply-To"),
            ("references", "References"),
            ("auto_submitted", "Auto-Submitted"),
            ("reply_to", "Reply-To"),
        ] {
            json.optional(key, mail.field(name));
        }
        json.optional("plain_body", mail.text());
        json.optional("html_body", mail.html());
        json.bare("attachment_quantity", attachments.len());
        json.list("attachments", |json| {
            for attachment in attachments {
                json.entry_object(|json| {
                    json.member("filename", attachment.name);
                    json.member("content_type", attachment.kind);
                    json.bare("size", attachment.octets.len());
                    json.base64("data", attachment.octets);
                });
            }
        });
    });
    Made {
        content_type: JSON.into(),
        pieces,
    }
}

fn person(json: &mut Json<'_>, person: &Person) {
    json.member("Email", person.address.clone());
    json.member("Name", person.name.clone());
    json.member("MailboxHash", detail(&person.address).to_owned());
}

/// What stands between the `+` and the host.
fn detail(address: &str) -> &str {
    let local_part = address
        .rsplit_once('@')
        .map_or(address, |(local_part, _)| local_part);
    local_part.split_once('+').map_or("", |(_, detail)| detail)
}

fn info(attachments: &[Attachment<'_>]) -> String {
    Json::text(|json| {
        for (index, attachment) in attachments.iter().enumerate() {
            json.section(&format!("attachment{}", index + 1), |json| {
                json.member("filename", attachment.name.clone());
                json.member("name", attachment.name.clone());
                json.member("type", attachment.kind.clone());
                if let Some(charset) = attachment.charset {
                    json.member("charset", charset.to_owned());
                }
                if let Some(id) = attachment.content_id {
                    json.member("content-id", id.to_owned());
                }
            });
        }
    })
}

/// Which attachment has which Content-ID; Mailgun writes the angle brackets.
fn ids(attachments: &[Attachment<'_>], name: &str, in_brackets: bool) -> String {
    Json::text(|json| {
        for (index, attachment) in attachments.iter().enumerate() {
            if let Some(id) = attachment.content_id {
                let id = if in_brackets {
                    format!("<{id}>")
                } else {
                    id.to_owned()
                };
                json.member(&id, format!("{name}{}", index + 1));
            }
        }
    })
}

fn files<'a>(form: &mut Form<'a>, attachments: Vec<Attachment<'a>>, name: &str) {
    for (index, attachment) in attachments.into_iter().enumerate() {
        let name = format!("{name}{}", index + 1);
        form.file(&name, &attachment.name, &attachment.kind, attachment.octets);
    }
}
