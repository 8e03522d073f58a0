//! The section becomes what the database is told.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{DatabaseAddress, DatabaseTls, MysqlConfig};
use crate::config::{Config, Handover};
use crate::mysql::{Endpoint, Field, Settings, Tls};

impl Config {
    /// How the database is reached; reads the password.
    pub fn mysql_settings(&self) -> Result<Settings, String> {
        let section = self.mysql.as_ref();
        let section = section
            .ok_or_else(|| "the section mysql is missing: where the database is".to_owned())?;
        section.settings(match section.delivery {
            // The other half of the turns is for mail that does not need it.
            Handover::Inline => (self.limits.deliveries / 2).max(1),
            // No turns are taken, and the queue has a bound of its own.
            Handover::Queued => usize::MAX,
        })
    }
}

impl MysqlConfig {
    fn settings(&self, waiting: usize) -> Result<Settings, String> {
        let columns = self.columns.iter();
        let columns =
            columns.map(|(field, column)| Some((field.parse::<Field>().ok()?, column.clone())));
        let columns: Option<BTreeMap<_, _>> = columns.collect();
        Ok(Settings {
            endpoint: match &self.address {
                DatabaseAddress::Unix(path) => Endpoint::Unix(path.clone()),
                DatabaseAddress::Tcp(host, port) => Endpoint::Tcp(host.clone(), *port),
            },
            user: self.user.clone(),
            password: match &self.password_file {
                Some(file) => Some(read(file)?),
                None => self.password.as_deref().map(str::to_owned),
            },
            database: self.database.clone(),
            tls: match self.tls {
                DatabaseTls::Off => Tls::Off,
                DatabaseTls::Preferred => Tls::Preferred,
                DatabaseTls::Required => Tls::Required,
                DatabaseTls::Verified => Tls::Verified(self.tls_ca.clone()),
            },
            table: self.table.clone(),
            columns: columns.ok_or("mysql.columns: a column has a name that is not known")?,
            connections: self.connections,
            connect_timeout: self.connect_timeout.get(),
            timeout: self.timeout.get(),
            waiting,
        })
    }
}

fn read(file: &Path) -> Result<String, String> {
    let shown = file.display();
    let text = fs::read_to_string(file)
        .map_err(|error| format!("mysql.password_file: {shown}: {error}"))?;
    // A password may end in a blank, and a file in the end of its line.
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(format!("mysql.password_file: {shown} is empty"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_configuration_knows_all_fields() {
        let fields: Vec<_> = crate::mysql::Field::names().collect();
        assert_eq!(fields, super::super::check::FIELDS);
    }
}
