//! What can be wrong with a database, in words that say how to mend it.

use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use sqlx::Error;
use sqlx::mysql::MySqlDatabaseError;

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whom it concerns.
    pub kind: Kind,
    /// What is wrong, and how to mend it where that is known.
    pub message: String,
}

/// Whom a fault concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The connection: another one may do better.
    Broken,
    /// The server: it does not answer in time.
    Late,
    /// Everybody, until somebody mends it.
    Down,
    /// This statement, this time: two were in each other's way.
    Collision,
    /// The table is not as it was.
    Changed,
    /// A row is there already.
    Present,
    /// What was to be written.
    Refused,
}

impl Fault {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, message }
    }

    pub(super) fn too_late(what: &str, time: Duration) -> Self {
        let message = format!("{what} took longer than {time:?}");
        Self::new(Kind::Late, message)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let Error::Database(told) = &error else {
            return other(&error);
        };
        let told = told.downcast_ref::<MySqlDatabaseError>();
        let (kind, hint) = known(told.number(), told.message());
        let message = format!("{} ({})", told.message(), told.number());
        Self::new(
            kind,
            if hint.is_empty() {
                message
            } else {
                format!("{message}; {hint}")
            },
        )
    }
}

fn tls(error: &dyn fmt::Display) -> Fault {
    let message = format!("TLS: {error}; look at mysql.tls and mysql.tls_ca");
    Fault::new(Kind::Down, message)
}

fn other(error: &Error) -> Fault {
    match error {
        // What the other side of a handshake has sent.
        Error::Io(error) if error.kind() == ErrorKind::InvalidData => tls(error),
        Error::Io(error) => Fault::new(Kind::Broken, error.to_string()),
        Error::Tls(error) => tls(error),
        Error::Configuration(error) => Fault::new(Kind::Down, error.to_string()),
        error => Fault::new(Kind::Broken, error.to_string()),
    }
}

/// What the numbers of the server mean here, and how to mend it.
fn known(number: u16, message: &str) -> (Kind, &'static str) {
    let is_change = ["CREATE ", "ALTER ", "INDEX "]
        .iter()
        .any(|verb| message.starts_with(verb));
    let is_full = message.contains("No space left") || message.contains("error 28");
    match number {
        1045 | 1698 | 1251 | 1275 => (Kind::Down, "look at mysql.user and mysql.password_file"),
        1044 => (Kind::Down, "GRANT this user the rights on mysql.database"),
        1049 => (Kind::Down, "create it, or look at mysql.database"),
        1130 => (
            Kind::Down,
            "GRANT the rights to this user from this machine",
        ),
        1129 => (Kind::Down, "FLUSH HOSTS there"),
        1142 if is_change => (
            Kind::Down,
            "GRANT this user CREATE and ALTER on mysql.database, or have another one run what \
             `maiasaura schema mysql` prints",
        ),
        1142 | 1143 | 1227 => (
            Kind::Down,
            "GRANT this user SELECT, INSERT and DELETE on the table",
        ),
        1146 => (Kind::Down, "make it with: maiasaura schema mysql --apply"),
        1290 | 1792 | 1836 => (
            Kind::Down,
            "is that a replica? Write the address of the primary",
        ),
        1021 | 1114 | 1041 | 1037 | 1038 | 1135 => (Kind::Down, "make room on the server"),
        1040 | 1203 | 1226 => (
            Kind::Down,
            "raise max_connections there, or lower mysql.connections",
        ),
        1205 => (Kind::Down, "somebody keeps the table locked"),
        1213 | 1020 | 1637 => (Kind::Collision, ""),
        1053
        | 1077
        | 1078
        | 1079
        | 1080
        | 1152
        | 1158..=1161
        | 1184
        | 1189
        | 1190
        | 1317
        | 1927
        | 4031 => (Kind::Broken, ""),
        1054 | 1136 | 1264 | 1364 | 1366 | 1406 | 1110 | 1615 => (Kind::Changed, ""),
        1062 => (Kind::Present, ""),
        1153 => (Kind::Refused, "raise max_allowed_packet there"),
        _ if is_full => (Kind::Down, "make room on the server"),
        _ => (Kind::Refused, ""),
    }
}
