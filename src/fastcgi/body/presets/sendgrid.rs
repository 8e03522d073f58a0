//! SendGrid Inbound Parse.

use mail_parser::HeaderName;

use super::{files, ids};
use crate::fastcgi::body::json::Json;
use crate::fastcgi::body::mail::{self, Attachment, Mail};
use crate::fastcgi::body::multipart::Form;
use crate::fastcgi::body::{Made, Material};

pub fn sendgrid<'a>(material: Material<'a>, mail: &'a Mail<'a>) -> Made<'a> {
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
    Made::form(form)
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
