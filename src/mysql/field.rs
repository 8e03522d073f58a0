//! What is known of a message, and the columns that go-guerrilla's table has for it.

use std::str::FromStr;

/// One thing that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// When the message was received.
    Date,
    /// The first address of To, else the recipient.
    To,
    /// Where a bounce would go.
    From,
    /// The subject, decoded.
    Subject,
    /// What is in `mail`: `gzip` for a zlib stream, `redis` if it is there under the hash, else nothing.
    Body,
    /// The character set of the subject: UTF-8.
    Charset,
    /// The message.
    Mail,
    /// 0: nobody has looked.
    SpamScore,
    /// The key of the message for this recipient.
    Hash,
    /// The type of the content, such as text/plain.
    ContentType,
    /// The address as the client gave it.
    Recipient,
    /// 0: nobody has looked.
    HasAttach,
    /// The address of the client.
    IpAddr,
    /// Nothing: nobody has looked.
    AttachInfo,
    /// Where a bounce would go.
    ReturnPath,
    /// Whether the client used TLS.
    IsTls,
    /// Message-ID, else one that is made of the key.
    MessageId,
    /// The first address of Reply-To.
    ReplyTo,
    /// The address of Sender.
    Sender,
}

/// All of them, with their names in go-guerrilla's table.
pub(super) const FIELDS: [(Field, &str); 19] = [
    (Field::Date, "date"),
    (Field::To, "to"),
    (Field::From, "from"),
    (Field::Subject, "subject"),
    (Field::Body, "body"),
    (Field::Charset, "charset"),
    (Field::Mail, "mail"),
    (Field::SpamScore, "spam_score"),
    (Field::Hash, "hash"),
    (Field::ContentType, "content_type"),
    (Field::Recipient, "recipient"),
    (Field::HasAttach, "has_attach"),
    (Field::IpAddr, "ip_addr"),
    (Field::AttachInfo, "attach_info"),
    (Field::ReturnPath, "return_path"),
    (Field::IsTls, "is_tls"),
    (Field::MessageId, "message_id"),
    (Field::ReplyTo, "reply_to"),
    (Field::Sender, "sender"),
];

impl Field {
    /// The name of its column in go-guerrilla's table.
    pub fn name(self) -> &'static str {
        let named = FIELDS.iter().find(|(field, _)| *field == self);
        named.map_or("", |(_, name)| name)
    }

    /// The names of all.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FIELDS.iter().map(|(_, name)| *name)
    }
}

impl FromStr for Field {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let named = FIELDS.iter().find(|(_, known)| *known == name);
        named.map(|(field, _)| *field).ok_or(())
    }
}
