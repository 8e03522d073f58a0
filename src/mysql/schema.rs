//! The table: as it is made anew, and what one of go-guerrilla lacks.

use super::column::{Column, Holds};
use super::field::{FIELDS, Field};
use super::misfit;
use super::settings::{Settings, quoted};
use super::survey::Facts;
use super::table::tells_apart;

/// The statement that makes the table.
pub fn create(settings: &Settings) -> String {
    let mut lines = vec!["`mail_id` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT".to_owned()];
    let fields = FIELDS.iter().map(|(field, _)| *field);
    lines.extend(fields.filter_map(|field| line(settings, field)));
    lines.push("`delivered` BIT(1) NOT NULL DEFAULT b'0'".to_owned());
    lines.push("`dkim_valid` TINYINT NULL".to_owned());
    lines.push("PRIMARY KEY (`mail_id`)".to_owned());
    lines.extend(key(settings, Field::Hash, "UNIQUE KEY `hash_once`"));
    lines.extend(key(settings, Field::Recipient, "KEY `recipient`"));
    lines.extend(key(settings, Field::To, "KEY `to`"));
    lines.extend(key(settings, Field::Date, "KEY `date`"));
    format!(
        "CREATE TABLE {} (\n  {}\n) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4",
        settings.quoted_table(),
        lines.join(",\n  ")
    )
}

/// What a table lacks, as statements in their order.
pub(super) fn migration(settings: &Settings, facts: &Facts) -> Vec<String> {
    if facts.engine.is_none() {
        return vec![create(settings)];
    }
    let table = settings.quoted_table();
    let alter = |change: &str| format!("ALTER TABLE {table} {change}");
    let mut changes = Vec::new();
    for (field, _) in FIELDS {
        let Some(name) = settings.column(field) else {
            continue;
        };
        let column = facts.column(name);
        let change = match column {
            None => Some("ADD COLUMN"),
            Some(column) => is_unfit(field, column).then_some("MODIFY COLUMN"),
        };
        // Fifteen characters are not enough for IPv6. What is text stays so.
        if let (
            Field::IpAddr,
            Some(Holds::Text {
                characters: ..45, ..
            }),
        ) = (field, column.map(|column| &column.holds))
        {
            let name = quoted(name);
            changes.push(alter(&format!(
                "MODIFY COLUMN {name} VARCHAR(45) NOT NULL DEFAULT ''"
            )));
        }
        let line = line(settings, field).filter(|_| change.is_some());
        changes.extend(
            change
                .zip(line)
                .map(|(change, line)| alter(&format!("{change} {line}"))),
        );
    }
    if let Some(hash) = settings.column(Field::Hash) {
        let is_unique = facts.is_unique(hash);
        let key = key(settings, Field::Hash, "ADD UNIQUE KEY `hash_once`").filter(|_| !is_unique);
        changes.extend(key.map(|key| alter(&key)));
    }
    changes
}

/// Columns that cannot have what is written and are left as they are, as a change would make something else of what
/// is in them: what is wrong with each, and what would change it.
pub(super) fn misfits(settings: &Settings, facts: &Facts) -> Vec<(String, String)> {
    let table = settings.quoted_table();
    let left = misfit::misfits(settings, facts).filter(|misfit| {
        let column = settings
            .column(misfit.field)
            .and_then(|name| facts.column(name));
        !column.is_some_and(|column| is_unfit(misfit.field, column))
    });
    left.filter_map(|misfit| {
        let line = line(settings, misfit.field)?;
        Some((
            misfit.words(),
            format!("ALTER TABLE {table} MODIFY COLUMN {line}"),
        ))
    })
    .collect()
}

/// Whether a column cannot have all that is to be in it. What is there stays as it is.
fn is_unfit(field: Field, column: &Column) -> bool {
    match field {
        Field::Subject => column.charset.as_deref() != Some("utf8mb4"),
        Field::Hash => !tells_apart(&column.holds),
        Field::Mail => matches!(column.holds, Holds::Text { .. }),
        _ => false,
    }
}

fn line(settings: &Settings, field: Field) -> Option<String> {
    let name = settings.column(field)?;
    Some(format!("{} {}", quoted(name), definition(field)))
}

fn key(settings: &Settings, field: Field, kind: &str) -> Option<String> {
    let name = settings.column(field)?;
    Some(format!("{kind} ({})", quoted(name)))
}

fn definition(field: Field) -> &'static str {
    match field {
        Field::Date => "DATETIME NOT NULL",
        Field::Body | Field::Charset => "VARCHAR(32) NOT NULL DEFAULT ''",
        Field::Mail => "LONGBLOB NOT NULL",
        Field::SpamScore => "FLOAT NOT NULL DEFAULT 0",
        Field::Hash => "CHAR(64) CHARACTER SET ascii NOT NULL",
        Field::HasAttach => "INT NOT NULL DEFAULT 0",
        Field::IpAddr => "VARBINARY(16) NOT NULL DEFAULT ''",
        Field::AttachInfo => "TEXT NOT NULL",
        Field::IsTls => "BIT(1) NOT NULL DEFAULT b'0'",
        Field::Subject
        | Field::To
        | Field::From
        | Field::ContentType
        | Field::Recipient
        | Field::ReturnPath
        | Field::MessageId
        | Field::ReplyTo
        | Field::Sender => "VARCHAR(255) CHARACTER SET utf8mb4 NOT NULL DEFAULT ''",
    }
}
