//! `HeadersParser`: reads the header fields that other processors ask for.

use std::io;

use mail_parser::{HeaderName, Message, MessageParser, MimeHeaders};

use super::{Delivery, Headers, Pending, Processor, Staged};
use crate::content::Content;
use crate::failure::Failure;

/// Octets that are parsed, at most: a field can take thirty times its size in
/// memory, and the fields that are asked for come early.
const HEADER: usize = 128 << 10;

/// Parses a fixed set of header fields with `mail-parser`; the body is not
/// looked at. A header that cannot be read is no reason to refuse mail.
#[derive(Clone, Debug)]
pub struct HeadersParser {
    parser: MessageParser,
}

impl Default for HeadersParser {
    fn default() -> Self {
        let parser = MessageParser::new()
            .header_text(HeaderName::Subject)
            .header_address(HeaderName::From)
            .header_address(HeaderName::To)
            .header_address(HeaderName::ReplyTo)
            .header_address(HeaderName::Sender)
            .header_id(HeaderName::MessageId)
            .header_content_type(HeaderName::ContentType)
            .default_header_ignore();
        Self { parser }
    }
}

impl Processor for HeadersParser {
    fn name(&self) -> &'static str {
        "HeadersParser"
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move {
            delivery.headers = self.read(&delivery.mail.content)?;
            Ok(Staged::Done)
        })
    }
}

impl HeadersParser {
    fn read(&self, content: &Content) -> io::Result<Option<Headers>> {
        let head = content.head(HEADER)?;
        Ok(self.parser.parse_headers(&*head).map(|m| headers(&m)))
    }
}

/// The fields, where `HeadersParser` is not in the chain.
///
/// # Errors
///
/// Those of reading content from disk.
#[cfg(feature = "mysql")]
pub(super) fn read_headers(content: &Content) -> io::Result<Option<Headers>> {
    HeadersParser::default().read(content)
}

fn headers(message: &Message<'_>) -> Headers {
    let first = |address: Option<&mail_parser::Address<'_>>| {
        address
            .and_then(|address| address.first())
            .and_then(|first| first.address())
            .map(str::to_owned)
    };
    Headers {
        subject: message.subject().map(str::to_owned),
        from: first(message.from()),
        to: first(message.to()),
        reply_to: first(message.reply_to()),
        sender: first(message.sender()),
        message_id: message.message_id().map(str::to_owned),
        content_type: message.content_type().map(|value| match value.subtype() {
            Some(subtype) => format!("{}/{subtype}", value.ctype()),
            None => value.ctype().to_owned(),
        }),
    }
}
