//! What single values of the section cannot show.

use super::{DatabaseTls, MysqlConfig};
use crate::config::check::{Outcome, refuse};
use crate::config::{Config, Handover, suggestion};

/// What is known of a message, by the names that go-guerrilla's table has for it.
pub(in crate::config) const FIELDS: [&str; 19] = [
    "date",
    "to",
    "from",
    "subject",
    "body",
    "charset",
    "mail",
    "spam_score",
    "hash",
    "content_type",
    "recipient",
    "has_attach",
    "ip_addr",
    "attach_info",
    "return_path",
    "is_tls",
    "message_id",
    "reply_to",
    "sender",
];

/// Connections that nobody needs more of.
const MOST_CONNECTIONS: usize = 1000;

pub(in crate::config) fn check(config: &Config) -> Outcome {
    let Some(mysql) = &config.mysql else {
        return Ok(());
    };
    let both = mysql.password.is_some() && mysql.password_file.is_some();
    let message = "is there beside mysql.password_file; keep one of them";
    refuse(both, "mysql.password", message)?;
    for (key, name) in [
        ("mysql.user", &mysql.user),
        ("mysql.database", &mysql.database),
    ] {
        refuse(name.is_empty(), key, "is empty; write a name")?;
    }
    let message = "is for `tls: verified` only; write that, or take this away";
    let vain = mysql.tls_ca.is_some() && mysql.tls != DatabaseTls::Verified;
    refuse(vain, "mysql.tls_ca", message)?;
    names(mysql)?;
    let message = "with 0 nothing could be written; write a larger number";
    refuse(mysql.connections == 0, "mysql.connections", message)?;
    let message = format!(
        "{} is more than {MOST_CONNECTIONS}; write a smaller number",
        mysql.connections
    );
    refuse(
        mysql.connections > MOST_CONNECTIONS,
        "mysql.connections",
        message,
    )?;
    times(config, mysql)
}

/// Names become part of statements: nothing but names may be there.
fn names(mysql: &MysqlConfig) -> Outcome {
    let table = &mysql.table;
    let is_table = table.split('.').count() <= 2 && table.split('.').all(is_identifier);
    let message = format!(
        "{table:?} is not the name of a table; write letters, digits and _, such as new_mail"
    );
    refuse(!is_table, "mysql.table", message)?;
    for (field, column) in &mysql.columns {
        if !FIELDS.contains(&field.as_str()) {
            let message = suggestion::unknown("column", field, &FIELDS);
            return refuse(true, "mysql.columns", message);
        }
        let key = format!("mysql.columns.{field}");
        let Some(column) = column else {
            let message = "cannot be left out: a row is found again by it";
            refuse(field == "hash", key, message)?;
            continue;
        };
        let message = format!(
            "{column:?} is not the name of a column; write letters, digits and _, or ~ for none"
        );
        refuse(!is_identifier(column), key, message)?;
    }
    let columns = || FIELDS.iter().filter_map(|field| mysql.column(field));
    let is_double = |name: &&str| {
        columns()
            .filter(|other| other.eq_ignore_ascii_case(name))
            .count()
            > 1
    };
    let Some(double) = columns().find(is_double) else {
        return Ok(());
    };
    let message = format!("{double} would be written twice; name another column, or ~ for none");
    refuse(true, "mysql.columns", message)
}

fn times(config: &Config, mysql: &MysqlConfig) -> Outcome {
    for (key, time) in [
        ("mysql.connect_timeout", mysql.connect_timeout),
        ("mysql.timeout", mysql.timeout),
    ] {
        let message = "no time at all is not enough; write a time such as 10s";
        refuse(time.get().is_zero(), key, message)?;
    }
    let (time, delivery) = (mysql.timeout, config.timeouts.delivery);
    let message = format!(
        "{time} is not shorter than timeouts.delivery ({delivery}), which the client waits for at \
         most; lower the one or raise the other"
    );
    let inline = mysql.delivery == Handover::Inline;
    refuse(inline && time >= delivery, "mysql.timeout", message)
}

/// Whether this may be the name of a table or a column: letters, digits, `_` and `$`.
fn is_identifier(name: &str) -> bool {
    let is_plain = |c: char| (c.is_alphanumeric() && c <= '\u{ffff}') || matches!(c, '_' | '$');
    (1..=64).contains(&name.chars().count()) && name.chars().all(is_plain)
}

impl MysqlConfig {
    /// The column for a field; none if it is not to be written.
    fn column<'a>(&'a self, field: &'a str) -> Option<&'a str> {
        match self.columns.get(field) {
            Some(name) => name.as_deref(),
            None => Some(field),
        }
    }
}
