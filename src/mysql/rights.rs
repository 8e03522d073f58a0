//! What this user may do with the table. The server says so itself: it checks the rights of statements that
//! concern no row, too.

use sqlx::{AssertSqlSafe, Executor as _};

use super::fault::{Fault, Kind};
use super::link::{Link, wait};
use super::settings::quoted;
use super::table::Table;

/// What keeps this user from writing; nothing where it may.
///
/// # Errors
///
/// Why that cannot be seen.
pub(super) fn no_insert(link: &mut Link, table: &Table) -> Result<Option<Fault>, Fault> {
    let columns = table.columns.iter();
    let names: Vec<String> = columns.map(|(_, column)| quoted(&column.name)).collect();
    let values = vec!["NULL"; names.len()].join(", ");
    let (name, names) = (&table.name, names.join(", "));
    let statement = format!("INSERT INTO {name} ({names}) SELECT {values} FROM DUAL WHERE FALSE");
    refusal(link, statement)
}

/// What keeps this user from taking rows back; nothing where it may.
///
/// # Errors
///
/// Why that cannot be seen.
pub(super) fn no_delete(link: &mut Link, table: &Table) -> Result<Option<Fault>, Fault> {
    refusal(link, format!("DELETE FROM {} WHERE FALSE", table.name))
}

fn refusal(link: &mut Link, statement: String) -> Result<Option<Fault>, Fault> {
    let tried = link.connection.execute(AssertSqlSafe(statement));
    match wait("a look at the rights", link.timeout, tried) {
        Ok(_) => Ok(None),
        Err(fault) => match fault.kind {
            Kind::Down => Ok(Some(fault)),
            Kind::Broken | Kind::Late => Err(fault),
            // That is not about rights: whoever writes rows hears it if it concerns them.
            _ => Ok(None),
        },
    }
}
