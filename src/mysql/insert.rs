//! INSERT: many rows in one statement, cut to the columns, none of them twice.

use std::collections::HashSet;
use std::io;
use std::iter::repeat_n;
use std::net::IpAddr;

use sqlx::mysql::MySqlArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Executor as _, MySql, Row as _};

use super::column::{Column, Holds};
use super::fault::{Fault, Kind};
use super::field::Field;
use super::link::{Blame, Link, Links, wait};
use super::row::Row;
use super::table::Table;
use super::turn::alone;

/// Rows of one statement, at most.
pub(super) const ROWS: usize = 64;

/// How often others may insert the same rows in between.
const RACES: usize = 3;

type Statement<'q> = Query<'q, MySql, MySqlArguments>;

/// What is written into one column of one row.
enum Value {
    Number(u64),
    Text(String),
    Octets(Vec<u8>),
}

/// Inserts all rows or none, each unless its key is there; the keys of those that were not.
///
/// Nothing that clashes is passed over by the server: what is left out here has a row with its key.
pub(super) fn insert(
    links: &Links,
    table: &Table,
    rows: &[&Row],
) -> Result<HashSet<String>, Fault> {
    links.with(Blame::All, |link| {
        if !table.is_unique() {
            // What is there when all were asked is there when all is written.
            return alone(link, &table.turn, |link| insert_missing(link, table, rows));
        }
        // Mostly nothing is there, and the server would say so.
        match insert_all(link, table, rows) {
            Err(fault) if fault.kind == Kind::Present => insert_missing(link, table, rows),
            done => done,
        }
    })
}

/// The same, after a look at what is there.
fn insert_missing(link: &mut Link, table: &Table, rows: &[&Row]) -> Result<HashSet<String>, Fault> {
    for _ in 0..RACES {
        let missing = missing(link, table, rows)?;
        match insert_all(link, table, &missing) {
            Err(fault) if fault.kind == Kind::Present => {}
            done => return done,
        }
    }
    let message = "a row clashes with another one that has not its hash; maiasaura check tells which \
                   unique keys the table has besides";
    Err(Fault::new(Kind::Refused, message))
}

/// Inserts all rows or none.
fn insert_all(link: &mut Link, table: &Table, rows: &[&Row]) -> Result<HashSet<String>, Fault> {
    let groups = groups(table, rows);
    match *groups {
        [] => {}
        [group] => insert_group(link, table, group)?,
        _ => in_transaction(link, |link| {
            let mut groups = groups.iter();
            groups.try_for_each(|group| insert_group(link, table, group))
        })?,
    }
    Ok(rows.iter().map(|row| row.key.clone()).collect())
}

fn in_transaction(
    link: &mut Link,
    work: impl FnOnce(&mut Link) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let timeout = link.timeout;
    wait(
        "BEGIN",
        timeout,
        link.connection.execute("START TRANSACTION"),
    )?;
    let outcome = work(link);
    let is_over = matches!(&outcome, Err(fault) if matches!(fault.kind, Kind::Broken | Kind::Late));
    if is_over {
        return outcome;
    }
    let end = if outcome.is_ok() {
        "COMMIT"
    } else {
        "ROLLBACK"
    };
    let ended = wait(end, timeout, link.connection.execute(end));
    outcome.and(ended.map(drop))
}

/// The rows whose keys are not there, each once.
fn missing<'a>(link: &mut Link, table: &Table, rows: &[&'a Row]) -> Result<Vec<&'a Row>, Fault> {
    let mut known = HashSet::new();
    for some in rows.chunks(ROWS) {
        let places = places(some.len(), "?");
        let (name, key) = (&table.name, &table.key_column);
        let statement = format!("SELECT CAST({key} AS CHAR) FROM {name} WHERE {key} IN ({places})");
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for row in some {
            query = query.bind(table.key(&row.key));
        }
        let timeout = link.timeout;
        let found = wait("SELECT", timeout, query.fetch_all(&mut link.connection))?;
        for row in found {
            known.insert(row.try_get::<String, _>(0)?);
        }
    }
    let is_missing = |row: &&&Row| known.insert(table.key(&row.key));
    Ok(rows.iter().filter(is_missing).copied().collect())
}

/// Rows that go into one statement each.
fn groups<'a, 'b>(table: &Table, rows: &'b [&'a Row]) -> Vec<&'b [&'a Row]> {
    let mut groups = Vec::new();
    let (mut start, mut octets) = (0, 0);
    for (at, row) in rows.iter().enumerate() {
        let weight = weight(row, table);
        if at > start && (at - start == ROWS || octets + weight > table.batch()) {
            groups.push(&rows[start..at]);
            (start, octets) = (at, 0);
        }
        octets += weight;
    }
    if start < rows.len() {
        groups.push(&rows[start..]);
    }
    groups
}

/// The octets of a row in a statement.
pub(super) fn weight(row: &Row, table: &Table) -> u64 {
    let message = row.message.as_ref().filter(|it| table.takes(it));
    row.weight() + message.map_or(0, |message| message.size)
}

fn insert_group(link: &mut Link, table: &Table, rows: &[&Row]) -> Result<(), Fault> {
    let statement = table.statement(rows.len(), |table| sql(table, rows.len()));
    let mut query = sqlx::query(AssertSqlSafe(statement));
    for row in rows {
        query = bind(query, table, row)?;
    }
    let timeout = link.timeout;
    wait("INSERT", timeout, query.execute(&mut link.connection)).map(drop)
}

fn sql(table: &Table, rows: usize) -> String {
    let names: Vec<String> = table
        .columns
        .iter()
        .map(|(_, column)| super::settings::quoted(&column.name))
        .collect();
    let values = table.columns.iter().map(|(field, _)| match field {
        Field::Date => "FROM_UNIXTIME(?)",
        _ => "?",
    });
    let row = format!("({})", values.collect::<Vec<_>>().join(", "));
    let (name, names) = (&table.name, names.join(", "));
    format!("INSERT INTO {name} ({names}) VALUES {}", places(rows, &row))
}

fn places(count: usize, place: &str) -> String {
    repeat_n(place, count).collect::<Vec<_>>().join(", ")
}

fn bind<'q>(mut query: Statement<'q>, table: &Table, row: &Row) -> Result<Statement<'q>, Fault> {
    // The table may have been another one when it was promised.
    if let Some(message) = row.message.as_ref().filter(|message| message.is_sole) {
        table
            .admit(message)
            .map_err(|cause| Fault::new(Kind::Refused, cause))?;
    }
    for (field, column) in &table.columns {
        let value = value(*field, column, table, row).map_err(|error| {
            let message = format!("the message cannot be read: {error}");
            Fault::new(Kind::Refused, message)
        })?;
        query = match value {
            Value::Number(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
            Value::Octets(octets) => query.bind(octets),
        };
    }
    Ok(query)
}

fn value(field: Field, column: &Column, table: &Table, row: &Row) -> io::Result<Value> {
    let text = |text: &str| Value::Text(column.holds.fit(text).into_owned());
    let message = row.message.as_ref().filter(|it| table.takes(it));
    Ok(match field {
        Field::Date => Value::Number(row.received),
        Field::To => text(&row.to),
        Field::From | Field::ReturnPath => text(&row.return_path),
        Field::Subject => text(&row.subject),
        Field::Body => text(message.map_or("", |message| message.form.word())),
        Field::Charset => text("UTF-8"),
        Field::Mail => match message {
            Some(message) => octets(&column.holds, (message.read)()?),
            None => Value::Octets(Vec::new()),
        },
        Field::SpamScore | Field::HasAttach => Value::Number(0),
        Field::Hash => text(&row.key),
        Field::ContentType => text(&row.content_type),
        Field::Recipient => text(&row.recipient),
        Field::IpAddr => address(&column.holds, row.client),
        Field::AttachInfo => text(""),
        Field::IsTls => Value::Number(u64::from(row.is_tls)),
        Field::MessageId => text(&row.message_id),
        Field::ReplyTo => text(&row.reply_to),
        Field::Sender => text(&row.sender),
    })
}

/// A message for a column; a column of text has it only if it is text, whole.
fn octets(holds: &Holds, octets: Vec<u8>) -> Value {
    let Holds::Text { .. } = holds else {
        return Value::Octets(octets);
    };
    let text = String::from_utf8(octets).unwrap_or_default();
    if holds.fit(&text) == text {
        Value::Text(text)
    } else {
        Value::Text(String::new())
    }
}

/// An address as 4 or 16 octets, or as text; nothing where it does not fit as a whole.
fn address(holds: &Holds, address: Option<IpAddr>) -> Value {
    let Some(address) = address.map(|address| address.to_canonical()) else {
        return match holds {
            Holds::Other => Value::Number(0),
            _ => Value::Octets(Vec::new()),
        };
    };
    match holds {
        Holds::Text { characters, .. } => {
            let text = address.to_string();
            let fits = text.len() as u64 <= *characters;
            Value::Text(if fits { text } else { String::new() })
        }
        Holds::Octets(most) => {
            let octets = match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            let fits = octets.len() as u64 <= *most;
            Value::Octets(if fits { octets } else { Vec::new() })
        }
        Holds::Other => match address {
            IpAddr::V4(address) => Value::Number(u32::from(address).into()),
            IpAddr::V6(_) => Value::Number(0),
        },
    }
}
