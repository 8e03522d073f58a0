//! An entry of a stream: a message for one mailbox.

use crate::redis::{Command, Value, command};
use crate::spool::Slip;

/// The fields of an entry.
const SLIP: &str = "slip";
const MARK: &str = "mark";
const CONTENT: &str = "content";
/// Those of a dead one, besides.
const WHY: &str = "why";
const FROM: &str = "from";

/// What a receiver hands over: a message for one mailbox.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Its envelope; `mailboxes` is the one that it is for.
    pub slip: Slip,
    /// What names it for this mailbox, wherever it comes from and however often.
    pub mark: String,
    /// Trace fields and content, with CRLF line ends.
    pub content: Vec<u8>,
}

/// The same, as it is in a stream.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The partition that it is in.
    pub partition: u16,
    /// Its name there: the time, in milliseconds since 1970, and a number.
    pub id: String,
    /// What it holds; what is wrong with it, where that is no message of ours.
    pub parcel: Result<Parcel, String>,
    /// Why it is dead, if it is.
    pub why: Option<String>,
}

impl Entry {
    /// When it was published, in milliseconds since 1970.
    pub fn time(&self) -> u64 {
        let time = self.id.split('-').next().unwrap_or_default();
        time.parse().unwrap_or_default()
    }

    /// Octets of its content.
    pub fn octets(&self) -> usize {
        self.parcel
            .as_ref()
            .map_or(0, |parcel| parcel.content.len())
    }

    /// Reads `[id, [name, value, ...]]`. None is an entry that was removed meanwhile.
    pub(super) fn read(partition: u16, value: Value) -> Option<Self> {
        let Value::Array(pair) = value else {
            return None;
        };
        let [id, fields] = <[Value; 2]>::try_from(pair).ok()?;
        let id = text(id)?;
        let Value::Array(fields) = fields else {
            return None;
        };
        let (parcel, why) = read(fields);
        Some(Self {
            partition,
            id,
            parcel,
            why,
        })
    }
}

/// The field values of an entry, by name.
fn read(fields: Vec<Value>) -> (Result<Parcel, String>, Option<String>) {
    let (mut slip, mut mark, mut content, mut why) = (None, None, None, None);
    let mut fields = fields.into_iter();
    while let (Some(name), Some(Value::BulkString(value))) = (fields.next(), fields.next()) {
        match text(name).as_deref() {
            Some(SLIP) => slip = Some(Slip::read(&value)),
            Some(MARK) => mark = String::from_utf8(value).ok(),
            Some(CONTENT) => content = Some(value),
            Some(WHY) => why = Some(String::from_utf8_lossy(&value).into_owned()),
            _ => {}
        }
    }
    let parcel = match (slip, mark, content) {
        (Some(Ok(slip)), Some(mark), Some(content)) => Ok(Parcel {
            slip,
            mark,
            content,
        }),
        (Some(Err(error)), ..) => Err(format!("its envelope cannot be read: {error}")),
        _ => Err("it is no message of ours: slip, mark or content is missing".into()),
    };
    (parcel, why)
}

impl Parcel {
    /// The command that adds it to a stream.
    ///
    /// # Errors
    ///
    /// An envelope that cannot be written.
    pub(super) fn add(&self, stream: &str) -> std::io::Result<Command> {
        let mut add = command("XADD");
        add.arg(stream).arg("*");
        add.arg(SLIP).arg(self.slip.json()?);
        add.arg(MARK).arg(&self.mark);
        add.arg(CONTENT).arg(&self.content[..]);
        Ok(add)
    }

    /// The same, among the dead ones.
    pub(super) fn bury(&self, stream: &str, from: &str, why: &str) -> std::io::Result<Command> {
        let mut add = self.add(stream)?;
        add.arg(WHY).arg(why).arg(FROM).arg(from);
        Ok(add)
    }
}

/// What is in place of a message that is none.
pub(super) fn bury_unread(stream: &str, from: &str, why: &str) -> Command {
    let mut add = command("XADD");
    add.arg(stream).arg("*").arg(WHY).arg(why);
    add.arg(FROM).arg(from);
    add
}

/// A text of Redis.
pub(super) fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(octets) => String::from_utf8(octets).ok(),
        Value::SimpleString(text) => Some(text),
        Value::Int(number) => Some(number.to_string()),
        Value::Okay => Some("OK".into()),
        _ => None,
    }
}
