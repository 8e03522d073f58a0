//! `MySQL`: a row for each recipient in a database, as an index of the mail or with it.
//!
//! With `delivery: inline` the rows are inserted in the commit. Staging makes sure that the database is
//! there and takes them, so that the commit fails only where the server dies in between; it then takes
//! back what was committed before it, and what comes after it, by the rules of the chain. Rows of
//! deliveries that commit at the same time go into one statement.
//!
//! With `delivery: queued` a letter for each recipient goes into a queue, and a [`Scribe`] writes the
//! rows.

#[cfg(feature = "redis")]
mod guerrilla;
mod rows;
mod scribe;

use std::sync::Arc;
use std::time::SystemTime;

#[cfg(feature = "redis")]
pub use guerrilla::{Clerk, Depot, GuerrillaDbRedis};
pub use rows::Bodies;
use rows::Misfit;
pub use scribe::Scribe;

use super::{Commit, Delivery, Pending, Processor, Queued, Staged};
use crate::failure::Failure;
use crate::mysql::{Database, Fault, Row};
use crate::smtp::reply;

/// Writes a row for each recipient.
#[derive(Debug)]
pub struct MySql {
    database: Arc<Database>,
    bodies: Bodies,
    queued: Option<Queued>,
}

impl MySql {
    /// Into this database, with the messages or without.
    pub fn new(database: Arc<Database>, bodies: Bodies) -> Self {
        Self {
            database,
            bodies,
            queued: None,
        }
    }

    /// The same, which does not let clients wait for the database: letters go into a queue.
    #[must_use]
    pub fn queued(self, queued: Queued) -> Self {
        Self {
            queued: Some(queued),
            ..self
        }
    }

    fn stage_rows(&self, delivery: &Delivery) -> Result<Staged, Failure> {
        let table = self.database.ready().map_err(|fault| failure(&fault))?;
        let rows = rows::of_delivery(delivery, self.bodies)?;
        if let Some(misfit) = rows::misfit(&rows, &table) {
            self.database.look_again();
            let (reply, cause) = match misfit {
                Misfit::Table(cause) => (reply::LOCAL_FAULT, cause),
                Misfit::Size(cause) => (reply::STORAGE_FULL, cause),
            };
            return Err(Failure::new(reply, format!("MySQL: {cause}")));
        }
        Ok(Insertion::of(&self.database, rows, delivery))
    }
}

/// What the client hears, who can do nothing about it, and the log.
pub(super) fn failure(fault: &Fault) -> Failure {
    Failure::new(reply::LOCAL_FAULT, format!("MySQL: {fault}"))
}

impl Processor for MySql {
    fn name(&self) -> &'static str {
        "MySQL"
    }

    /// An index keeps no mail.
    fn stores(&self) -> bool {
        matches!(self.bodies, Bodies::Copied | Bodies::Kept)
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        match &self.queued {
            Some(queued) => queued.stage(delivery),
            None => Box::pin(async move { self.stage_rows(delivery) }),
        }
    }
}

/// Rows that are inserted in the commit.
struct Insertion {
    database: Arc<Database>,
    rows: Vec<Row>,
    /// The keys of those that it has inserted; what was there before is not its own.
    own: Vec<String>,
    received: SystemTime,
}

impl Insertion {
    fn of(database: &Arc<Database>, rows: Vec<Row>, delivery: &Delivery) -> Staged {
        Staged::Until(Box::new(Self {
            rows,
            own: Vec::new(),
            received: delivery.mail.envelope.received,
            database: Arc::clone(database),
        }))
    }
}

impl Commit for Insertion {
    fn commit(&mut self) -> Pending<'_, Result<(), Failure>> {
        Box::pin(async move {
            let rows = std::mem::take(&mut self.rows);
            let inserted = self.database.insert(rows);
            self.own = inserted.map_err(|fault| failure(&fault))?;
            Ok(())
        })
    }

    fn abort(&mut self) -> Pending<'_, ()> {
        Box::pin(async move {
            if self.own.is_empty() {
                return;
            }
            if let Err(fault) = self.database.remove(&self.own, self.received) {
                log::error!(error:% = fault; "could not take rows back; they are found when the message comes again");
            }
        })
    }
}
