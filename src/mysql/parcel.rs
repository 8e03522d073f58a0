//! The rows of one message on their way, with those of others.

use std::collections::HashSet;

use super::Database;
use super::fault::{Fault, Kind};
use super::insert;
use super::row::Row;
use super::table::Table;

/// How often two that were in each other's way try again.
const COLLISIONS: usize = 5;

/// The rows of one message: all of them are inserted, or none.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) rows: Vec<Row>,
    weight: u64,
    outcome: Option<Result<Vec<String>, Fault>>,
}

impl Parcel {
    pub(super) fn new(rows: Vec<Row>, table: &Table) -> Self {
        Self {
            weight: rows.iter().map(|row| insert::weight(row, table)).sum(),
            outcome: None,
            rows,
        }
    }

    /// What has come of it: the keys of its rows that were not there.
    pub(super) fn outcome(self) -> Result<Vec<String>, Fault> {
        let lost = || Fault::new(Kind::Down, "whoever was at it has failed");
        self.outcome.unwrap_or_else(|| Err(lost()))
    }
}

/// What goes into one statement.
pub(super) struct Load {
    rows: usize,
    octets: u64,
    most: u64,
}

impl Load {
    pub(super) fn new(table: &Table) -> Self {
        Self {
            rows: 0,
            octets: 0,
            most: table.batch(),
        }
    }

    pub(super) fn takes(&mut self, parcel: &Parcel) -> bool {
        self.rows += parcel.rows.len();
        self.octets += parcel.weight;
        self.rows <= insert::ROWS && self.octets <= self.most
    }
}

/// Inserts the rows of all parcels, in one statement if possible. Where that is refused, those of each
/// by themselves: what is wrong with one is no matter of the others.
pub(super) fn bring(database: &Database, parcels: &mut [Parcel]) {
    let all: Vec<&Row> = parcels.iter().flat_map(|parcel| &parcel.rows).collect();
    match stubbornly(database, &all) {
        Err(fault) if fault.kind == Kind::Refused && parcels.len() > 1 => {
            for parcel in parcels {
                bring(database, std::slice::from_mut(parcel));
            }
        }
        Err(fault) => {
            for parcel in parcels {
                parcel.outcome = Some(Err(fault.clone()));
            }
        }
        Ok(mut new) => {
            for parcel in parcels {
                let keys = parcel.rows.iter().map(|row| row.key.clone());
                // Of two parcels with the same row one has brought it.
                let own = keys.filter(|key| new.remove(key)).collect();
                parcel.outcome = Some(Ok(own));
            }
        }
    }
}

/// Inserts rows; again after a collision, and once with a new look at a table that has changed. Returns the
/// keys of those that were not there.
fn stubbornly(database: &Database, rows: &[&Row]) -> Result<HashSet<String>, Fault> {
    let mut has_looked = false;
    let mut collisions = 0;
    loop {
        let table = database.tables.current(&database.links)?;
        match insert::insert(&database.links, &table, rows) {
            Err(fault) if fault.kind == Kind::Changed => {
                database.tables.forget();
                if has_looked {
                    return Err(Fault::new(Kind::Refused, fault.message));
                }
                has_looked = true;
            }
            Err(fault) if fault.kind == Kind::Collision && collisions < COLLISIONS => {
                collisions += 1;
            }
            Err(fault) => {
                if fault.kind == Kind::Down {
                    database.tables.forget();
                }
                return Err(fault);
            }
            done => return done,
        }
    }
}
