//! The table as it is there, and how rows are written into it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::column::{Column, Holds};
use super::fault::{Fault, Kind};
use super::field::{FIELDS, Field};
use super::link::{Blame, Links};
use super::rights;
use super::row::{Form, Message};
use super::settings::{Settings, quoted};
use super::survey::{self, Facts, no_table};
use crate::locks::lock;

/// Octets of a statement that are not values of rows.
const HEAD: u64 = 64 << 10;
/// Octets of the rows of one statement, unless a single row has more: it is in memory twice, as it is read
/// and as it is sent, on each connection.
const BATCH: u64 = 4 << 20;
/// Digits of a hash that tell any two messages apart.
const DIGITS: u64 = 32;

/// A name for the table that is the same for all who write into it; names of locks are the server's, and short.
fn turn(settings: &Settings) -> String {
    let (table, database) = settings.table_parts();
    let database = database.unwrap_or(&settings.database);
    let whole = format!("{database}.{table}").to_lowercase();
    let digest = blake3::hash(whole.as_bytes()).to_hex();
    format!("maiasaura {}", &digest[..32])
}

/// The columns that are written, and what fits into each.
#[derive(Debug)]
pub struct Table {
    /// The table, quoted.
    pub(super) name: String,
    pub(super) columns: Vec<(Field, Column)>,
    /// The column of the key, quoted.
    pub(super) key_column: String,
    key_holds: Holds,
    /// The column of the time, quoted, if it is written.
    pub(super) date: Option<String>,
    is_unique: bool,
    /// What writers take turns under, where it is not.
    pub(super) turn: String,
    packet: u64,
    /// Statements by the number of rows.
    statements: Mutex<HashMap<usize, Arc<str>>>,
}

impl Table {
    pub(super) fn new(settings: &Settings, facts: &Facts) -> Result<Self, Fault> {
        if facts.engine.is_none() || facts.columns.is_empty() {
            return Err(no_table(settings));
        }
        let fields = FIELDS.iter().map(|(field, _)| *field);
        let columns: Vec<(Field, Column)> = fields
            .filter_map(|field| Some((field, facts.column(settings.column(field)?)?.clone())))
            .collect();
        let quoted_column = |field| {
            let mut columns = columns.iter();
            let (_, column) = columns.find(|(known, _)| *known == field)?;
            Some((quoted(&column.name), column.holds.clone(), &column.name))
        };
        let Some((key_column, key_holds, key_name)) = quoted_column(Field::Hash) else {
            let name = settings.column(Field::Hash).unwrap_or("hash");
            let message = format!(
                "the table has no column {name}, by which a row is found again; add it with: maiasaura schema mysql --apply"
            );
            return Err(Fault::new(Kind::Down, message));
        };
        if !tells_apart(&key_holds) {
            let message = format!(
                "the column {key_name} has no room for a hash, so messages would be taken for one another; widen it with: maiasaura schema mysql --apply"
            );
            return Err(Fault::new(Kind::Down, message));
        }
        let is_unique = facts.is_unique(key_name);
        let date = quoted_column(Field::Date).map(|(date, ..)| date);
        refuse_needed(facts, &columns)?;
        Ok(Self {
            name: settings.quoted_table(),
            key_column,
            key_holds,
            date,
            is_unique,
            turn: turn(settings),
            packet: facts.packet,
            columns,
            statements: Mutex::default(),
        })
    }

    /// Octets of a message that can be in a row, whatever they are; 0 where there is no column for it, or
    /// one of text.
    pub fn room(&self) -> u64 {
        match self.mail() {
            Some(column) if matches!(column.holds, Holds::Octets(_)) => self.reach(column),
            _ => 0,
        }
    }

    /// Whether a message can be in its row. A column of text has one that is not packed, if it is text.
    pub(super) fn takes(&self, message: &Message) -> bool {
        let may_be_text = message.form == Form::Plain && !message.is_sole;
        let most = match self.mail() {
            Some(column) if may_be_text => self.reach(column),
            _ => self.room(),
        };
        message.size <= most
    }

    /// Whether a message that is nowhere else can be in its row.
    ///
    /// # Errors
    ///
    /// Why not, and how to mend it.
    pub fn admit(&self, message: &Message) -> Result<(), String> {
        let (size, room) = (message.size, self.room());
        if size <= room {
            return Ok(());
        }
        let remedy = match self.mail() {
            None => "there is no column for it; add it with: maiasaura schema mysql --apply",
            Some(_) if room == 0 => {
                "its column holds text, and not every message is; mend it with: maiasaura schema mysql --apply"
            }
            Some(_) => "raise max_allowed_packet there",
        };
        Err(format!(
            "a message of {size} octets does not fit into a row ({room} at most), and nothing else of \
             the chain keeps it: {remedy}, or write MailDir into save"
        ))
    }

    /// The column of messages.
    pub(super) fn mail(&self) -> Option<&Column> {
        let mut columns = self.columns.iter();
        let mail = columns.find(|(field, _)| *field == Field::Mail);
        mail.map(|(_, column)| column)
    }

    fn reach(&self, column: &Column) -> u64 {
        column.holds.room().min(self.budget())
    }

    /// Octets that the rows of a statement have, if they are several.
    pub(super) fn batch(&self) -> u64 {
        self.budget().min(BATCH)
    }

    /// Octets that the rows of a statement may have.
    fn budget(&self) -> u64 {
        self.packet.saturating_sub(HEAD).max(self.packet / 2)
    }

    /// Whether the server itself refuses a key that is there.
    pub fn is_unique(&self) -> bool {
        self.is_unique
    }

    /// A key as it is in the table.
    pub fn key(&self, key: &str) -> String {
        self.key_holds.fit(key).into_owned()
    }

    /// A statement that is made of the number of its rows.
    pub(super) fn statement(&self, rows: usize, make: impl FnOnce(&Self) -> String) -> Arc<str> {
        let mut statements = lock(&self.statements);
        let statement = statements.entry(rows).or_insert_with(|| make(self).into());
        Arc::clone(statement)
    }
}

/// Whether a hash fits, or so much of it that no two are the same.
pub(super) fn tells_apart(holds: &Holds) -> bool {
    match holds {
        Holds::Text { characters, .. } => *characters >= DIGITS,
        Holds::Octets(octets) => *octets >= DIGITS,
        Holds::Other => false,
    }
}

/// Columns that must have a value, of which we know none.
fn refuse_needed(facts: &Facts, columns: &[(Field, Column)]) -> Result<(), Fault> {
    let is_written = |name: &str| columns.iter().any(|(_, column)| column.name == name);
    let needed = facts.columns.iter().filter(|column| column.is_needed);
    let needed: Vec<String> = needed
        .filter(|column| !is_written(&column.name))
        .map(|column| format!("{} ({})", column.name, column.shown))
        .collect();
    if needed.is_empty() {
        return Ok(());
    }
    let message = format!(
        "the table wants values that are not known here, for {}; give these columns a default",
        needed.join(", ")
    );
    Err(Fault::new(Kind::Down, message))
}

pub(super) fn missing_table(name: &str) -> Fault {
    let message = format!(
        "there is no table {name}, or this user may not see it; make it with: maiasaura schema mysql --apply"
    );
    Fault::new(Kind::Down, message)
}

/// The table as it was when it was last looked at.
#[derive(Debug)]
pub(super) struct Tables {
    settings: Settings,
    current: Mutex<Option<Arc<Table>>>,
}

impl Tables {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            current: Mutex::default(),
        }
    }

    pub(super) fn current(&self, links: &Links) -> Result<Arc<Table>, Fault> {
        if let Some(table) = &*lock(&self.current) {
            return Ok(Arc::clone(table));
        }
        let table = links.with(Blame::All, |link| {
            let facts = survey::facts(link, &self.settings)?;
            let table = Table::new(&self.settings, &facts)?;
            if let Some(fault) = rights::no_insert(link, &table)? {
                return Err(fault);
            }
            for misfit in survey::misfits_told(&self.settings, &facts) {
                log::warn!(table = table.name; "MySQL: {misfit}");
            }
            Ok(table)
        })?;
        let table = Arc::new(table);
        *lock(&self.current) = Some(Arc::clone(&table));
        Ok(table)
    }

    /// It may have changed.
    pub(super) fn forget(&self) {
        *lock(&self.current) = None;
    }
}
