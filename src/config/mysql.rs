//! Where the database is, and what is written there.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use serde::de::{Deserialize, Deserializer};

use super::scalars::{Scalar, words};
use super::units::Time;
use super::{Handover, Hidden};

pub(super) mod check;
#[cfg(feature = "mysql")]
mod settings;

/// What the processors `MySQL` and `GuerrillaDbRedis` are told, and who asks there about users.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct MysqlConfig {
    /// Where it listens (default: 127.0.0.1:3306).
    pub address: DatabaseAddress,
    /// Who we are there (default: maiasaura).
    pub user: String,
    /// Our password there (default: none).
    pub password: Option<Hidden>,
    /// The file that the password is in (default: none).
    pub password_file: Option<PathBuf>,
    /// The name of the database (default: mail).
    pub database: String,
    /// How connections are encrypted (default: preferred).
    pub tls: DatabaseTls,
    /// The certificates of those who may have signed that of the server, with `tls: verified`
    /// (default: those of the web).
    pub tls_ca: Option<PathBuf>,
    /// The table (default: `new_mail`).
    pub table: String,
    /// Columns that have another name, or none (default: those of go-guerrilla).
    pub columns: BTreeMap<String, Option<String>>,
    /// Whether the message itself is written, too (default: false).
    pub mail: bool,
    /// When a row is written (default: queued).
    pub delivery: Handover,
    /// Connections at once (default: 4).
    pub connections: usize,
    /// Until there is a connection (default: 5s).
    pub connect_timeout: Time,
    /// Until a statement is done (default: 10s).
    pub timeout: Time,
}

/// Where a database listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseAddress {
    /// `unix:/run/mysqld/mysqld.sock`, or just the path.
    Unix(PathBuf),
    /// A host, or an IP address, and a port.
    Tcp(String, u16),
}

words! {
    /// How connections to a database are encrypted.
    pub enum DatabaseTls {
        /// Not at all.
        Off = "off",
        /// If the server can.
        #[default]
        Preferred = "preferred",
        /// Always, whoever the server is.
        Required = "required",
        /// Always, and the server shows who it is.
        Verified = "verified",
    }
}

impl Default for MysqlConfig {
    fn default() -> Self {
        Self {
            address: DatabaseAddress::Tcp("127.0.0.1".into(), 3306),
            user: "maiasaura".into(),
            password: None,
            password_file: None,
            database: "mail".into(),
            tls: DatabaseTls::Preferred,
            tls_ca: None,
            table: "new_mail".into(),
            columns: BTreeMap::new(),
            mail: false,
            delivery: Handover::Queued,
            connections: 4,
            connect_timeout: Time::seconds(5),
            timeout: Time::seconds(10),
        }
    }
}

impl<'de> Deserialize<'de> for DatabaseAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "an address such as 127.0.0.1:3306 or unix:/run/mysqld/mysqld.sock";
        deserializer.deserialize_any(Scalar {
            expected,
            read: address,
        })
    }
}

/// A port may be left out.
fn address(text: &str) -> Result<DatabaseAddress, String> {
    const PORT: u16 = 3306;
    let path = text.strip_prefix("unix:").unwrap_or(text);
    if path.starts_with('/') {
        return Ok(DatabaseAddress::Unix(path.into()));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, port.parse().ok())
        }
        _ => (text, Some(PORT)),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_name = !host.is_empty() && host.chars().all(is_letter);
    let is_host = is_name || host.parse::<Ipv6Addr>().is_ok();
    match port {
        Some(port @ 1..) if is_host => Ok(DatabaseAddress::Tcp(host.to_owned(), port)),
        _ => Err(format!(
            "{text:?} is not where a database listens; write an address such as 127.0.0.1:3306 or \
             unix:/run/mysqld/mysqld.sock"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let section = MysqlConfig {
            password: Some("tops3cret".into()),
            ..MysqlConfig::default()
        };
        let shown = format!("{section:?}");
        assert!(!shown.contains("tops3cret"), "{shown}");
        assert!(shown.contains("password: Some(\"(hidden)\")"), "{shown}");
    }
}
