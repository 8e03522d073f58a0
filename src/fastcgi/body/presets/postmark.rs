//! The inbound webhook of Postmark.

use mail_parser::HeaderName;

use crate::fastcgi::body::json::Json;
use crate::fastcgi::body::mail::{self, Mail, Person};
use crate::fastcgi::body::{Made, Material, fields};

pub fn postmark<'a>(material: Material<'a>, mail: &'a Mail<'a>) -> Made<'a> {
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
        recipients(json, mail);
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
        json.list("Attachments", |json| attachments(json, mail));
    });
    Made::json(pieces)
}

fn recipients(json: &mut Json<'_>, mail: &Mail<'_>) {
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
}

fn attachments<'a>(json: &mut Json<'a>, mail: &'a Mail<'a>) {
    for attachment in mail.attachments() {
        json.entry_object(|json| {
            json.member("Name", attachment.name);
            json.base64("Content", attachment.octets);
            json.member("ContentType", attachment.kind);
            json.bare("ContentLength", attachment.octets.len());
            json.member("ContentID", attachment.content_id.unwrap_or_default());
        });
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
