//! Rows in a MySQL or MariaDB database: one for each recipient of a message, in go-guerrilla's
//! table or one like it.
//!
//! Everything here blocks, for `timeout` at most, and may be used by many threads at once. Rows that
//! are brought at the same time go into the database in one statement (`Group`); whoever has
//! brought some returns when they are committed.
//!
//! A row has a key, its `hash`. What is there already is not inserted again, so whoever does not know
//! whether its rows are there brings them once more.

mod column;
mod fault;
mod field;
mod insert;
mod line;
mod link;
mod misfit;
mod parcel;
mod question;
mod rights;
mod row;
mod schema;
mod settings;
mod statement;
mod survey;
mod table;
mod turn;
mod users;

use std::ptr;
use std::time::SystemTime;

pub use fault::{Fault, Kind};
pub use field::Field;
pub use question::{Question, QuestionError};
pub use row::{Form, Message, Row};
pub use schema::create;
pub use settings::{Endpoint, Settings, Tls};
pub use survey::Survey;
pub use table::Table;
pub use users::Users;

use self::link::Links;
use self::parcel::Parcel;
use self::table::Tables;
use crate::group::Group;
use crate::health::Part;

/// A database, and the table that rows go into. The last one who has it says goodbye to the server.
#[derive(Debug)]
pub struct Database {
    links: Links,
    tables: Tables,
    group: Group<Parcel>,
    waiting: line::Line,
}

impl Database {
    /// A database that is connected to when it is needed.
    pub fn new(settings: Settings) -> Self {
        let connections = settings.connections.max(1);
        Self {
            group: Group::new(connections),
            waiting: line::Line::new(settings.waiting),
            tables: Tables::new(&settings),
            links: Links::new(settings),
        }
    }

    /// What it was told.
    pub fn settings(&self) -> &Settings {
        self.links.settings()
    }

    /// The table as it is there, after a look whether the database answers.
    ///
    /// # Errors
    ///
    /// What is wrong, at once where the database was down a moment ago, or many wait for it.
    pub fn ready(&self) -> Result<std::sync::Arc<Table>, Fault> {
        let _place = self.waiting.enter()?;
        self.links.alive()?;
        self.tables.current(&self.links)
    }

    /// Has the table looked at again when it is needed next: it may have been mended.
    pub fn look_again(&self) {
        self.tables.forget();
    }

    /// Inserts rows: all of them are there, or none. What has the key of one that is there is not
    /// inserted. Returns the keys of those that were.
    ///
    /// # Errors
    ///
    /// What is wrong. Where a connection broke at the wrong moment, the rows may be there all the same.
    pub fn insert(&self, rows: Vec<Row>) -> Result<Vec<String>, Fault> {
        let place = self.waiting.enter()?;
        let table = self.tables.current(&self.links)?;
        let parcel = Parcel::new(rows, &table);
        let mut load = parcel::Load::new(&table);
        let parcel = self.group.join(
            parcel,
            |parcel| load.takes(parcel),
            |parcels| parcel::bring(self, parcels),
        );
        drop(place);
        parcel.outcome()
    }

    /// Takes rows back that [`Database::insert`] has inserted for a message of this time.
    ///
    /// # Errors
    ///
    /// What is wrong: they are there still.
    pub fn remove(&self, keys: &[String], received: SystemTime) -> Result<(), Fault> {
        let table = self.tables.current(&self.links)?;
        statement::remove(&self.links, &table, keys, received)
    }

    /// Whether there is a row in answer to a question about a mailbox.
    ///
    /// # Errors
    ///
    /// Why that cannot be said.
    pub fn ask(&self, question: &Question, local: &str, domain: &str) -> Result<bool, Fault> {
        statement::ask(&self.links, question, local, domain)
    }

    /// Runs statements that change the table, one after another.
    ///
    /// # Errors
    ///
    /// The first one that failed, and why.
    pub fn apply(&self, statements: &[String]) -> Result<(), (String, Fault)> {
        statement::apply(&self.links, statements)?;
        self.tables.forget();
        Ok(())
    }

    /// How the database and the table are set up.
    ///
    /// # Errors
    ///
    /// Why that cannot be seen.
    pub fn survey(&self) -> Result<Survey, Fault> {
        Survey::new(&self.links)
    }

    /// Why it cannot be used now, as far as was seen.
    pub fn trouble(&self) -> Option<String> {
        self.links.trouble()
    }

    /// Tells on a board whether it can be used; nothing is wrong until something was.
    pub fn telling(&self, part: Part) {
        self.links.telling(part);
    }
}

/// Each is another one, wherever it leads.
impl PartialEq for Database {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }
}
