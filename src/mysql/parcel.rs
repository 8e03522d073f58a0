//! The rows of one message on their way, with those of others.

use std::sync::atomic::{AtomicUsize, Ordering};

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
    outcome: Option<Result<(), Fault>>,
}

impl Parcel {
    pub(super) fn new(rows: Vec<Row>, table: &Table) -> Self {
        Self {
            weight: rows.iter().map(|row| insert::weight(row, table)).sum(),
            outcome: None,
            rows,
        }
    }

    /// What has come of it.
    pub(super) fn outcome(self) -> Result<(), Fault> {
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
            most: table.budget(),
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
    let outcome = stubbornly(database, &all);
    match outcome {
        Err(fault) if fault.kind == Kind::Refused && parcels.len() > 1 => {
            for parcel in parcels {
                let rows: Vec<&Row> = parcel.rows.iter().collect();
                parcel.outcome = Some(stubbornly(database, &rows));
            }
        }
        outcome => {
            for parcel in parcels {
                parcel.outcome = Some(outcome.clone());
            }
        }
    }
}

/// Inserts rows; again after a collision, and once with a new look at a table that has changed.
fn stubbornly(database: &Database, rows: &[&Row]) -> Result<(), Fault> {
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

/// Those who wait for the server, of whom there may be so many.
#[derive(Debug)]
pub(super) struct Line {
    waiting: AtomicUsize,
    most: usize,
}

/// A place among them.
pub(super) struct Place<'a>(&'a Line);

impl Line {
    pub(super) fn new(most: usize) -> Self {
        let waiting = AtomicUsize::new(0);
        Self { waiting, most }
    }

    pub(super) fn enter(&self) -> Result<Place<'_>, Fault> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Place(self);
        if before < self.most {
            return Ok(place);
        }
        let message = format!("{before} messages wait for the server already");
        Err(Fault::new(Kind::Down, message))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_wait() {
        let line = Line::new(2);
        let first = line.enter().ok();
        let second = line.enter().ok();
        assert!(line.enter().is_err() && line.enter().is_err());
        drop(first);
        let third = line.enter();
        assert!(third.is_ok() && second.is_some());
    }
}
