//! The forms in which well-known services hand mail over, so that an application
//! written for one of them finds the fields it knows. What only such a service can
//! say (scores of spam, stripped quotations) is left out, or empty where scripts
//! expect the field to be there.

mod mailgun;
mod postal;
mod postmark;
mod sendgrid;

use super::json::Json;
use super::mail::Attachment;
use super::multipart::Form;

pub(super) use mailgun::mailgun;
pub(super) use postal::postal;
pub(super) use postmark::postmark;
pub(super) use sendgrid::sendgrid;

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
