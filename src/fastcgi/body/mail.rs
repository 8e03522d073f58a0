//! A message taken apart: its header fields, its texts, its attachments.

use std::borrow::Cow;

use mail_parser::{
    Address, HeaderName, HeaderValue, Message, MessageParser, MessagePart, MimeHeaders as _,
    PartType,
};

/// A message, and the trace fields before it.
#[derive(Debug)]
pub(super) struct Mail<'a> {
    /// In their order, unfolded; encoded words (RFC 2047) as they are.
    pub(super) fields: Vec<(String, String)>,
    octets: &'a [u8],
    /// None of something that is no message at all.
    message: Option<Message<'a>>,
}

/// What comes with a message.
#[derive(Debug)]
pub(super) struct Attachment<'a> {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) charset: Option<&'a str>,
    pub(super) content_id: Option<&'a str>,
    pub(super) octets: &'a [u8],
}

/// A person in a header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) address: String,
}

impl<'a> Mail<'a> {
    pub(super) fn parse(trace: &str, octets: &'a [u8]) -> Self {
        let message = MessageParser::new().parse(octets);
        let mut fields = Vec::new();
        if let Some(trace) = MessageParser::new().parse_headers(trace.as_bytes()) {
            fields.extend(raw_fields(&trace));
        }
        fields.extend(message.iter().flat_map(raw_fields));
        Self {
            fields,
            octets,
            message,
        }
    }

    /// The value of the first field of a name, as it is in `fields`.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The header as a text.
    pub(super) fn header(&self) -> String {
        let lines = self
            .fields
            .iter()
            .map(|(name, value)| format!("{name}: {value}\n"));
        lines.collect()
    }

    pub(super) fn subject(&self) -> Option<&str> {
        self.message.as_ref()?.subject()
    }

    pub(super) fn message_id(&self) -> Option<&str> {
        self.message.as_ref()?.message_id()
    }

    /// `Date`, in RFC 3339.
    pub(super) fn date(&self) -> Option<String> {
        self.message
            .as_ref()?
            .date()
            .map(mail_parser::DateTime::to_rfc3339)
    }

    /// The people in all fields of a name.
    pub(super) fn people(&self, name: &HeaderName<'static>) -> Vec<Person> {
        let message = self.message.iter();
        let values = message.flat_map(|message| message.header_values(name.clone()));
        let addresses = values.filter_map(HeaderValue::as_address);
        addresses
            .flat_map(Address::iter)
            .filter_map(|person| {
                let text =
                    |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
                let (name, address) = (text(&person.name), text(&person.address));
                (!address.is_empty()).then_some(Person { name, address })
            })
            .collect()
    }

    /// The message as plain text; made of the HTML where there is no other.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        match &self.message {
            Some(message) => message.body_text(0),
            None => Some(String::from_utf8_lossy(self.octets)),
        }
    }

    /// The message as HTML, if it has any.
    pub(super) fn html(&self) -> Option<Cow<'_, str>> {
        let message = self.message.as_ref()?;
        let part = message.html_part(0)?;
        match &part.body {
            PartType::Html(html) => Some(Cow::Borrowed(html)),
            _ => None,
        }
    }

    pub(super) fn attachments(&self) -> Vec<Attachment<'_>> {
        let parts = self.message.iter().flat_map(Message::attachments);
        parts
            .enumerate()
            .map(|(index, part)| attachment(index, part))
            .collect()
    }
}

impl Person {
    /// As it is written in a header field.
    pub(super) fn written(&self) -> String {
        if self.name.is_empty() {
            return self.address.clone();
        }
        let name = self.name.replace(['"', '\\'], "");
        format!("\"{name}\" <{}>", self.address)
    }
}

/// People as they are written in a header field.
pub(super) fn written(people: &[Person]) -> String {
    let people: Vec<String> = people.iter().map(Person::written).collect();
    people.join(", ")
}

fn raw_fields(message: &Message<'_>) -> Vec<(String, String)> {
    let octets: &[u8] = &message.raw_message;
    let fields = message.headers().iter().map(|field| {
        let value = octets.get(field.offset_start as usize..field.offset_end as usize);
        let value = String::from_utf8_lossy(value.unwrap_or_default());
        let value = value.replace(['\r', '\n'], "");
        (field.name().to_owned(), value.trim().to_owned())
    });
    fields.collect()
}

fn attachment<'a>(index: usize, part: &'a MessagePart<'a>) -> Attachment<'a> {
    let kind = match part.content_type() {
        Some(kind) => match kind.subtype() {
            Some(subtype) => format!("{}/{subtype}", kind.ctype()),
            None => kind.ctype().to_owned(),
        },
        None if part.is_text() => "text/plain".to_owned(),
        None => "application/octet-stream".to_owned(),
    };
    let unnamed = || format!("attachment{}", index + 1);
    let charset = part
        .content_type()
        .and_then(|kind| kind.attribute("charset"));
    Attachment {
        name: part.attachment_name().map_or_else(unnamed, str::to_owned),
        kind: kind.to_lowercase(),
        charset,
        content_id: part.content_id(),
        octets: part.contents(),
    }
}
