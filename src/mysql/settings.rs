//! Where the database is, and what goes into which column.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::Field;

/// How the database is reached, and what is written there.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Who we are there.
    pub user: String,
    /// Our password there.
    pub password: Option<String>,
    /// The name of the database.
    pub database: String,
    /// How connections are encrypted.
    pub tls: Tls,
    /// The table that rows go into: a name, or `database.name`.
    pub table: String,
    /// Columns that have another name, or none: what is not written.
    pub columns: BTreeMap<Field, Option<String>>,
    /// Connections at once.
    pub connections: usize,
    /// Until there is a connection.
    pub connect_timeout: Duration,
    /// Until a statement is done.
    pub timeout: Duration,
    /// Messages that may wait for the server at once, under way or not.
    pub waiting: usize,
}

/// Where a database listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A host, and its port.
    Tcp(String, u16),
}

/// How connections are encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    Off,
    /// If the server can, whoever it is.
    #[default]
    Preferred,
    /// Always, whoever it is.
    Required,
    /// Always, and the server shows a certificate for its name, from a CA in this file or, without
    /// one, from one that the web trusts.
    Verified(Option<PathBuf>),
}

impl Settings {
    /// The column for a field; none if it is not to be written.
    pub(super) fn column(&self, field: Field) -> Option<&str> {
        match self.columns.get(&field) {
            Some(name) => name.as_deref(),
            None => Some(field.name()),
        }
    }

    /// The table, quoted.
    pub(super) fn quoted_table(&self) -> String {
        let parts: Vec<String> = self.table.split('.').map(quoted).collect();
        parts.join(".")
    }

    /// The name of the table without that of its database, and the latter if it is named.
    pub(super) fn table_parts(&self) -> (&str, Option<&str>) {
        match self.table.split_once('.') {
            Some((database, table)) => (table, Some(database)),
            None => (&self.table, None),
        }
    }
}

/// A name as it stands in a statement. Names are those of the configuration and of the table itself,
/// never what came in with mail.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

/// Without the password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Settings({}@{}/{}.{})",
            self.user, self.endpoint, self.database, self.table
        )
    }
}
