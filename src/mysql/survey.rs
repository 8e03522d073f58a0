//! How the server and the table are set up.

use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, Error, Row as _};

use super::column::{Column, Holds};
use super::fault::Fault;
use super::field::FIELDS;
use super::link::{Blame, Link, Links, wait};
use super::misfit::misfits;
use super::rights;
use super::settings::{Settings, quoted};
use super::table::{Table, missing_table};

/// How the server and the table are set up.
#[derive(Clone, Debug)]
pub struct Survey {
    settings: Settings,
    pub(super) facts: Facts,
    no_insert: Option<Fault>,
    no_delete: Option<Fault>,
}

/// What the server says.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) version: String,
    /// The largest statement, in octets.
    pub(super) packet: u64,
    pub(super) is_read_only: bool,
    /// Whether a value that a column cannot have is refused; else another one is written.
    pub(super) is_strict: bool,
    /// Such as `InnoDB`; none if there is no such table.
    pub(super) engine: Option<String>,
    pub(super) columns: Vec<Column>,
    pub(super) keys: Vec<Key>,
    /// When InnoDB writes what is committed to its disk; none without InnoDB.
    pub(super) flush: Option<String>,
}

/// Columns that must not hold the same values twice.
#[derive(Clone, Debug)]
pub(super) struct Key {
    name: String,
    /// With whether they count as a whole.
    columns: Vec<(String, bool)>,
}

const SERVER: &str = "SELECT CAST(@@version AS CHAR), CAST(@@max_allowed_packet AS UNSIGNED), \
                      CAST(@@global.read_only AS CHAR), CAST(@@sql_mode AS CHAR)";
const ENGINE: &str = "SELECT CAST(COALESCE(engine, table_type) AS CHAR) FROM information_schema.tables \
                      WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?";
const COLUMNS: &str = "SELECT CAST(column_name AS CHAR), CAST(data_type AS CHAR), \
                       CAST(column_type AS CHAR), CAST(character_set_name AS CHAR), \
                       CAST(COALESCE(character_maximum_length, 0) AS UNSIGNED), \
                       CAST(COALESCE(character_octet_length, 0) AS UNSIGNED), \
                       CAST(is_nullable = 'NO' AND column_default IS NULL \
                       AND extra NOT LIKE '%auto_increment%' AND extra NOT LIKE '%GENERATED%' AS UNSIGNED), \
                       CAST(extra LIKE '%auto_increment%' AS UNSIGNED) \
                       FROM information_schema.columns WHERE table_schema = COALESCE(?, DATABASE()) \
                       AND table_name = ? ORDER BY ordinal_position";
const KEYS: &str = "SELECT CAST(index_name AS CHAR), CAST(COALESCE(column_name, '') AS CHAR), \
                    CAST(sub_part IS NULL AS UNSIGNED) FROM information_schema.statistics \
                    WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? \
                    AND non_unique = 0 ORDER BY index_name, seq_in_index";
const FLUSH: &str = "SHOW GLOBAL VARIABLES LIKE 'innodb_flush_log_at_trx_commit'";

impl Survey {
    pub(super) fn new(links: &Links) -> Result<Self, Fault> {
        let settings = links.settings().clone();
        links.with(Blame::All, |link| {
            let facts = facts(link, &settings)?;
            let table = Table::new(&settings, &facts).ok();
            // A server that is read-only refuses everybody.
            let table = table.filter(|_| !facts.is_read_only);
            let mut refusal = |look: fn(&mut Link, &Table) -> Result<Option<Fault>, Fault>| {
                table.as_ref().map_or(Ok(None), |table| look(link, table))
            };
            Ok(Self {
                no_insert: refusal(rights::no_insert)?,
                no_delete: refusal(rights::no_delete)?,
                settings: settings.clone(),
                facts,
            })
        })
    }

    /// The version of the server.
    pub fn version(&self) -> &str {
        &self.facts.version
    }

    /// Whether the table is there.
    pub fn has_table(&self) -> bool {
        self.facts.engine.is_some()
    }

    /// Statements that bring the table up to date; the last one gives every row a key of its own.
    pub fn migration(&self) -> Vec<String> {
        super::schema::migration(&self.settings, &self.facts)
    }

    /// What keeps mail from being written.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.facts.is_read_only {
            faults.push(
                "the server is read-only: is that a replica? Write the address of the primary"
                    .to_owned(),
            );
        }
        match Table::new(&self.settings, &self.facts) {
            Ok(table) => faults.extend(self.clashes(&table)),
            Err(fault) => faults.push(fault.message),
        }
        faults.extend(self.no_insert.iter().map(ToString::to_string));
        if self.facts.is_strict {
            faults.extend(misfits_told(&self.settings, &self.facts));
        }
        faults
    }

    /// Columns that cannot have what is written, and that a migration leaves as they are: what is wrong with each,
    /// and the statement that makes it another one.
    pub fn misfits(&self) -> Vec<(String, String)> {
        super::schema::misfits(&self.settings, &self.facts)
    }

    /// What keeps rows from being taken back, as those are whose mail is refused by a later part of the chain.
    pub fn sticks(&self) -> Option<String> {
        let fault = self.no_delete.as_ref()?;
        Some(format!(
            "rows of mail that is refused in the end stay there: {fault}"
        ))
    }

    /// What makes the table no place for mail that is nowhere else, for which `sole` is the reason.
    pub fn store_faults(&self, sole: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let Ok(table) = Table::new(&self.settings, &self.facts) else {
            return faults;
        };
        if table.room() == 0 {
            faults.push(format!(
                "the table has no column of octets for messages, and {sole}; make it one with: maiasaura schema mysql --apply"
            ));
        }
        if let Some(engine) = self.other_engine() {
            faults.push(format!(
                "the table is {engine}, which may lose what was committed when its machine stops, and {sole}; write \
                 ALTER TABLE {} ENGINE=InnoDB",
                table.name
            ));
        }
        // MariaDB knows 3, which syncs even more often.
        if let Some(flush) = self
            .facts
            .flush
            .as_deref()
            .filter(|it| !["1", "3"].contains(it))
        {
            faults.push(format!(
                "innodb_flush_log_at_trx_commit is {flush}: what was promised is lost when its machine stops, \
                 and {sole}; write 1"
            ));
        }
        faults
    }

    /// Unique keys that rows with different hashes can clash in.
    fn clashes(&self, table: &Table) -> Option<String> {
        let hash = self.settings.column(super::Field::Hash)?;
        let is_written = |name: &str| {
            let mut columns = table.columns.iter();
            columns.any(|(_, column)| column.name.eq_ignore_ascii_case(name))
        };
        let is_counted = |name: &str| {
            let mut columns = self.facts.columns.iter();
            columns.any(|column| column.is_counted && column.name.eq_ignore_ascii_case(name))
        };
        let clashes = |key: &&Key| {
            let tells_apart = |(name, is_whole): &(String, bool)| {
                *is_whole && (name.eq_ignore_ascii_case(hash) || is_counted(name))
            };
            key.columns.iter().any(|(name, _)| is_written(name))
                && !key.columns.iter().any(tells_apart)
        };
        let keys = self.facts.keys.iter().filter(clashes);
        let names: Vec<String> = keys.map(|key| quoted(&key.name)).collect();
        (!names.is_empty()).then(|| {
            format!(
                "the unique keys {} refuse mail of which one message, or one recipient, has what another had; drop \
                 them: only hash is once for each row",
                names.join(", ")
            )
        })
    }

    /// The engine, if it is not InnoDB.
    fn other_engine(&self) -> Option<&str> {
        let engine = self.facts.engine.as_deref();
        engine.filter(|it| !it.eq_ignore_ascii_case("InnoDB"))
    }

    /// What is not as good as it could be. `largest` is the size of the largest message that is
    /// written, if any are.
    pub fn warnings(&self, largest: Option<u64>) -> Vec<String> {
        let mut warnings = Vec::new();
        let Ok(table) = Table::new(&self.settings, &self.facts) else {
            return warnings;
        };
        let missing: Vec<&str> = FIELDS
            .iter()
            .filter_map(|(field, _)| self.settings.column(*field))
            .filter(|name| self.facts.column(name).is_none())
            .collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            warnings.push(format!(
                "there are no columns {missing}: they are not written; add them with: maiasaura schema mysql --apply"
            ));
        }
        if !table.is_unique() {
            warnings.push(
                "hash has no unique key: rows cost a question more, and are written by one connection at a time; add one with: maiasaura schema mysql --apply"
                    .to_owned(),
            );
        }
        warnings.extend(self.narrow());
        if !self.facts.is_strict {
            warnings.extend(misfits_told(&self.settings, &self.facts));
        }
        if let Some(engine) = self.other_engine() {
            warnings.push(format!(
                "the table is {engine}, which has no transactions: a crash can leave some rows of a message"
            ));
        }
        warnings.extend(largest.and_then(|largest| self.short_of_mail(&table, largest)));
        warnings
    }

    /// A column that does not have all messages.
    fn short_of_mail(&self, table: &Table, largest: u64) -> Option<String> {
        let room = table.room();
        let unfit = table.mail().filter(|_| room == 0);
        if let Some(Column {
            name, shown, holds, ..
        }) = unfit
        {
            // What is neither text nor octets is a misfit, and told as one.
            let is_text = matches!(holds, Holds::Text { .. });
            return is_text.then(|| {
                format!(
                    "{name} is {shown}: messages that are no text, and all that are compressed, are not written \
                     there; mend it with: maiasaura schema mysql --apply"
                )
            });
        }
        (largest > room).then(|| {
            let packet = self.facts.packet;
            format!(
                "of messages over {room} octets (up to {largest} are taken) the column mail is left empty; raise \
                 max_allowed_packet ({packet})"
            )
        })
    }

    /// A subject that cannot have every character.
    fn narrow(&self) -> Option<String> {
        let name = self.settings.column(super::Field::Subject)?;
        let column = self.facts.column(name)?;
        let charset = column
            .charset
            .as_deref()
            .filter(|charset| *charset != "utf8mb4")?;
        Some(format!(
            "{name} is in {charset}: characters that it does not have become question marks; mend it with: maiasaura schema mysql --apply"
        ))
    }
}

impl Facts {
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        let mut columns = self.columns.iter();
        columns.find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// Whether a column alone must not hold a value twice.
    pub(super) fn is_unique(&self, name: &str) -> bool {
        self.keys.iter().any(|key| match &*key.columns {
            [(column, is_whole)] => *is_whole && column.eq_ignore_ascii_case(name),
            _ => false,
        })
    }
}

pub(super) fn facts(link: &mut Link, settings: &Settings) -> Result<Facts, Fault> {
    let (table, database) = settings.table_parts();
    let timeout = link.timeout;
    let connection = &mut link.connection;
    let look = async {
        let server = sqlx::query(SERVER).fetch_one(&mut *connection).await?;
        let ask = |statement| sqlx::query(statement).bind(database).bind(table);
        let engine = ask(ENGINE).fetch_optional(&mut *connection).await?;
        let columns = ask(COLUMNS).fetch_all(&mut *connection).await?;
        let keys = ask(KEYS).fetch_all(&mut *connection).await?;
        let flush = sqlx::query(FLUSH).fetch_optional(&mut *connection).await?;
        if engine.is_some() && !columns.is_empty() {
            // Whoever may not read the table is told so by the server itself.
            let try_it = format!("SELECT 1 FROM {} LIMIT 0", settings.quoted_table());
            sqlx::query(AssertSqlSafe(try_it))
                .fetch_optional(&mut *connection)
                .await?;
        }
        Ok(Facts {
            version: server.try_get(0)?,
            packet: server.try_get(1)?,
            is_read_only: !["0", "OFF"].contains(&&*server.try_get::<String, _>(2)?),
            is_strict: server.try_get::<String, _>(3)?.contains("STRICT_"),
            engine: engine.map(|row| row.try_get(0)).transpose()?,
            columns: columns.iter().map(column).collect::<Result<_, Error>>()?,
            keys: self::keys(&keys)?,
            flush: flush.map(|row| row.try_get(1)).transpose()?,
        })
    };
    wait("looking at the table", timeout, look)
}

/// Columns that cannot have what is written, and what comes of it.
pub(super) fn misfits_told<'a>(
    settings: &'a Settings,
    facts: &'a Facts,
) -> impl Iterator<Item = String> {
    let outcome = if facts.is_strict {
        "rows are refused"
    } else {
        "another value is there"
    };
    misfits(settings, facts).map(move |misfit| {
        let words = misfit.words();
        format!("{words}, so {outcome}; maiasaura schema mysql prints what mends it")
    })
}

fn column(row: &MySqlRow) -> Result<Column, Error> {
    let (kind, charset): (String, Option<String>) = (row.try_get(1)?, row.try_get(3)?);
    let (characters, octets) = (row.try_get(4)?, row.try_get(5)?);
    Ok(Column {
        name: row.try_get(0)?,
        holds: Holds::new(&kind, charset.as_deref(), characters, octets),
        shown: row.try_get(2)?,
        charset,
        is_needed: row.try_get::<u64, _>(6)? != 0,
        is_counted: row.try_get::<u64, _>(7)? != 0,
    })
}

fn keys(rows: &[MySqlRow]) -> Result<Vec<Key>, Error> {
    let mut keys: Vec<Key> = Vec::new();
    for row in rows {
        let name: String = row.try_get(0)?;
        let column = (row.try_get(1)?, row.try_get::<u64, _>(2)? != 0);
        match keys.last_mut().filter(|last| last.name == name) {
            Some(last) => last.columns.push(column),
            None => keys.push(Key {
                name,
                columns: vec![column],
            }),
        }
    }
    Ok(keys)
}

/// That there is no such table, or none that this user may see.
pub(super) fn no_table(settings: &Settings) -> Fault {
    missing_table(&format!(
        "{} in {}",
        quoted(&settings.table),
        quoted(&settings.database)
    ))
}
