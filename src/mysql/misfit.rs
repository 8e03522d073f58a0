//! Columns whose type cannot have what is written into them. What is not known to be wrong is right.

use super::column::{Column, Holds};
use super::field::{FIELDS, Field};
use super::settings::Settings;
use super::survey::Facts;

/// Characters of a time.
const TIME: u64 = 19;

/// Types that have some words and no others.
const CHOICES: [&str; 2] = ["enum", "set"];
/// Types of one form of text, for which there are no numbers.
const NAMES: [&str; 3] = ["inet4", "inet6", "uuid"];
/// Numbers that no time fits into; only the last one has room for an address.
const INTEGERS: [&str; 4] = ["tinyint", "smallint", "mediumint", "int"];
const NUMBERS: [&str; 4] = ["bigint", "decimal", "float", "double"];
const DATES: [&str; 3] = ["date", "datetime", "timestamp"];
const CLOCKS: [&str; 2] = ["time", "year"];

/// What is written into a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// What `FROM_UNIXTIME` makes.
    Time,
    /// 0.
    Zero,
    /// 0 or 1.
    Flag,
    /// An address, as a number where the column has no text and no octets.
    Address,
    /// One of these.
    Word(&'static [&'static str]),
    /// Whatever senders write.
    Text,
}

/// A column, and what it cannot have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Misfit<'a> {
    pub(super) field: Field,
    column: &'a Column,
    what: &'static str,
}

/// Those of the live table.
pub(super) fn misfits<'a>(
    settings: &'a Settings,
    facts: &'a Facts,
) -> impl Iterator<Item = Misfit<'a>> {
    // Without a column for the hash nothing is written at all, and there is another reason for it.
    let fields = FIELDS.iter().filter(|(field, _)| *field != Field::Hash);
    fields.filter_map(move |(field, _)| {
        let column = facts.column(settings.column(*field)?)?;
        let what = written(*field).into();
        let misfit = !takes(column, written(*field));
        misfit.then_some(Misfit {
            field: *field,
            column,
            what,
        })
    })
}

impl Misfit<'_> {
    /// What is wrong with it.
    pub(super) fn words(&self) -> String {
        let Column { name, shown, .. } = self.column;
        format!(
            "the column {name} is {shown}, which cannot have {}",
            self.what
        )
    }
}

impl From<Written> for &str {
    fn from(written: Written) -> Self {
        match written {
            Written::Time => "a time",
            Written::Zero | Written::Flag => "a number",
            Written::Address => "each address",
            Written::Word(_) | Written::Text => "what is written there",
        }
    }
}

fn written(field: Field) -> Written {
    match field {
        Field::Date => Written::Time,
        Field::SpamScore | Field::HasAttach => Written::Zero,
        Field::IsTls => Written::Flag,
        Field::IpAddr => Written::Address,
        Field::Body => Written::Word(&["", "gzip", "gzencode", "redis"]),
        Field::Charset => Written::Word(&["UTF-8"]),
        // A message is written only where it can be.
        Field::AttachInfo | Field::Mail => Written::Word(&[""]),
        Field::To
        | Field::From
        | Field::Subject
        | Field::Hash
        | Field::ContentType
        | Field::Recipient
        | Field::ReturnPath
        | Field::MessageId
        | Field::ReplyTo
        | Field::Sender => Written::Text,
    }
}

fn takes(column: &Column, written: Written) -> bool {
    let shown = column.shown.to_ascii_lowercase();
    let kind = shown.split(['(', ' ']).next().unwrap_or_default();
    let is_in = |kinds: &[&[&str]]| kinds.iter().any(|kinds| kinds.contains(&kind));
    if is_in(&[&CHOICES]) {
        return may_choose(kind == "set", &shown, written);
    }
    let takes_text = !is_in(&[&NAMES, &INTEGERS, &NUMBERS, &DATES, &CLOCKS]);
    match written {
        Written::Time => !is_in(&[&NAMES, &INTEGERS]) && may_have_time(&column.holds),
        Written::Zero => !is_in(&[&NAMES]),
        Written::Flag => !is_in(&[&NAMES, &DATES]),
        Written::Address if kind == "int" => shown.contains("unsigned"),
        Written::Address => !is_in(&[&NAMES, &INTEGERS, &DATES, &CLOCKS]),
        Written::Word(_) => takes_text,
        Written::Text => takes_text && kind != "bit",
    }
}

fn may_have_time(holds: &Holds) -> bool {
    match *holds {
        Holds::Text { characters, .. } => characters >= TIME,
        Holds::Octets(octets) => octets >= TIME,
        Holds::Other => true,
    }
}

/// A SET of none of its members is the empty text and 0; an ENUM has no such value unless it is a member.
fn may_choose(is_set: bool, shown: &str, written: Written) -> bool {
    match written {
        Written::Word(words) => words
            .iter()
            .any(|word| has_member(shown, word) || is_set && word.is_empty()),
        Written::Zero | Written::Flag => is_set,
        Written::Time | Written::Address | Written::Text => false,
    }
}

/// Whether an ENUM or a SET, as the server shows it, has this word.
fn has_member(shown: &str, word: &str) -> bool {
    shown.contains(&format!("'{}'", word.to_ascii_lowercase()))
}
