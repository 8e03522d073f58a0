//! Letters that waited in the spool become rows.

use std::sync::Arc;

use super::rows::{self, Bodies, Misfit};
use crate::mysql::{Database, Fault};
use crate::spool::{Answer, Consumer, Letter, Pending};

/// Writes rows for letters; those that are handed over at the same time in one statement. One is equal to
/// another if it would write the same into the same database.
#[derive(Debug, PartialEq)]
pub struct Scribe {
    database: Arc<Database>,
    bodies: Bodies,
    /// Of the zlib streams that messages become; none leaves them as they are.
    level: Option<u32>,
}

impl Scribe {
    /// One who writes into this database; messages, if any, as zlib streams of this level.
    pub fn new(database: Arc<Database>, bodies: Bodies, level: Option<u32>) -> Self {
        Self {
            database,
            bodies,
            level,
        }
    }

    fn write(&self, letter: &Arc<Letter>) -> Result<Answer, Fault> {
        let table = self.database.ready()?;
        let row = match rows::of_letter(letter, self.bodies, self.level) {
            Ok(row) => row,
            Err(error) => {
                let why = format!("the letter cannot be read: {error}");
                return Ok(Answer::Later { after: None, why });
            }
        };
        let rows = vec![row];
        if let Some(misfit) = rows::misfit(&rows, &table) {
            self.database.look_again();
            return Ok(match misfit {
                Misfit::Table(why) => {
                    let why = format!("MySQL: {why}");
                    Answer::Later { after: None, why }
                }
                // As a dead letter it is kept, and can come again.
                Misfit::Size(why) => {
                    let why = format!("MySQL: {why}");
                    Answer::Never { why }
                }
            });
        }
        self.database.insert(rows)?;
        Ok(Answer::Delivered)
    }
}

impl Consumer for Scribe {
    fn hand(&self, letter: Arc<Letter>, _: u32) -> Pending<'_, Answer> {
        Box::pin(async move {
            self.write(&letter).unwrap_or_else(|fault| {
                let why = format!("MySQL: {fault}");
                Answer::Later { after: None, why }
            })
        })
    }
}
