//! HTTP endpoints of Postal, processed, as JSON.

use crate::fastcgi::body::json::Json;
use crate::fastcgi::body::mail::Mail;
use crate::fastcgi::body::{Made, Material};
use crate::fastcgi::parameters::seconds;

/// What is called what, of the header.
const FIELDS: [(&str, &str); 8] = [
    ("to", "To"),
    ("cc", "Cc"),
    ("from", "From"),
    ("date", "Date"),
    ("in_reply_to", "In-Reply-To"),
    ("references", "References"),
    ("auto_submitted", "Auto-Submitted"),
    ("reply_to", "Reply-To"),
];

pub fn postal<'a>(material: Material<'a>, mail: &'a Mail<'a>) -> Made<'a> {
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
        for (key, name) in FIELDS {
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
    Made::json(pieces)
}
