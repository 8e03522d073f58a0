//! The other statements: rows that are taken back, questions, changes to the table.

use std::time::SystemTime;

use sqlx::{AssertSqlSafe, Executor as _};

use super::fault::Fault;
use super::link::{Blame, Links, wait};
use super::question::{Part, Question};
use super::row::seconds;
use super::table::Table;

/// Takes rows back that we have inserted. That the time is the same, too, tells them from those that somebody
/// else has made since of the same message; without a column for it they stay, and are found when the message
/// comes again.
pub(super) fn remove(
    links: &Links,
    table: &Table,
    keys: &[String],
    received: SystemTime,
) -> Result<(), Fault> {
    let Some(date) = &table.date else {
        return Ok(());
    };
    let (name, key) = (&table.name, &table.key_column);
    // Where a key may be there twice, the other row is somebody else's.
    let one = if table.is_unique() { "" } else { " LIMIT 1" };
    let statement =
        format!("DELETE FROM {name} WHERE {key} = ? AND {date} = FROM_UNIXTIME(?){one}");
    links.with(Blame::All, |link| {
        for removed in keys {
            let query = sqlx::query(AssertSqlSafe(statement.clone()))
                .bind(table.key(removed))
                .bind(seconds(received));
            wait("DELETE", link.timeout, query.execute(&mut link.connection))?;
        }
        Ok(())
    })
}

pub(super) fn ask(
    links: &Links,
    question: &Question,
    local: &str,
    domain: &str,
) -> Result<bool, Fault> {
    let address = format!("{local}@{domain}");
    links.with(Blame::Silence, |link| {
        let mut query = sqlx::query(AssertSqlSafe(question.statement.clone()));
        for part in &question.parts {
            query = query.bind(match part {
                Part::Address => address.clone(),
                Part::Local => local.to_owned(),
                Part::Domain => domain.to_owned(),
            });
        }
        let row = query.fetch_optional(&mut link.connection);
        wait("SELECT", link.timeout, row).map(|row| row.is_some())
    })
}

pub(super) fn apply(links: &Links, statements: &[String]) -> Result<(), (String, Fault)> {
    for statement in statements {
        let done = links.with(Blame::All, |link| {
            let work = link.connection.execute(AssertSqlSafe(statement.clone()));
            wait("a change of the table", link.timeout * 60, work).map(drop)
        });
        done.map_err(|fault| (statement.clone(), fault))?;
    }
    Ok(())
}
