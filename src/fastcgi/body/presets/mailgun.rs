//! Routes of Mailgun, fully parsed.

use std::time::SystemTime;

use mail_parser::HeaderName;

use super::{files, ids};
use crate::fastcgi::body::json::Json;
use crate::fastcgi::body::mail::{self, Mail};
use crate::fastcgi::body::multipart::Form;
use crate::fastcgi::body::{Made, Material};
use crate::fastcgi::parameters::seconds;

/// Fields of the header that are fields of the form, too.
const FIELDS: [&str; 6] = [
    "Message-Id",
    "Date",
    "To",
    "Cc",
    "In-Reply-To",
    "References",
];

pub fn mailgun<'a>(material: Material<'a>, mail: &'a Mail<'a>) -> Made<'a> {
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
    sign(&mut form, material);
    let headers = Json::list_text(|json| {
        for (name, value) in &mail.fields {
            json.entry_texts(&[name, value]);
        }
    });
    form.field("message-headers", headers);
    for name in FIELDS {
        if let Some(value) = mail.field(name) {
            form.field(name, value);
        }
    }
    if !attachments.is_empty() {
        form.field("attachment-count", attachments.len().to_string());
        form.field("content-id-map", ids(&attachments, "attachment-", true));
    }
    files(&mut form, attachments, "attachment-");
    Made::form(form)
}

/// What a script checks to know that it was us.
fn sign(form: &mut Form<'_>, material: Material<'_>) {
    let timestamp = seconds(SystemTime::now()).to_string();
    // Theirs is random; what counts is that it is signed and differs with the message.
    let token: String = material.letter.envelope.key.chars().take(50).collect();
    let signature = material
        .secret
        .map(|secret| secret.digest(&format!("{timestamp}{token}")));
    form.field("timestamp", timestamp);
    form.field("token", token);
    form.field("signature", signature.unwrap_or_default());
}
