//! The keys of the processors that write to MySQL and Redis.

use super::draft::{Draft, Said};
use super::ledger::Id;
use super::sheet::Value;

/// The keys that these processors had, under whichever names.
#[derive(Debug, Default)]
pub(super) struct Databases {
    pub(super) host: Option<Said<String>>,
    pub(super) user: Option<Said<String>>,
    pub(super) password: Option<Said<String>>,
    pub(super) database: Option<Said<String>>,
    pub(super) table: Option<Said<String>>,
    /// All of it but the table in one text, as Go's driver has it.
    pub(super) dsn: Option<Said<String>>,
    pub(super) driver: Option<Said<String>>,
    pub(super) connections: Option<Said<u64>>,
    pub(super) redis: Option<Said<String>>,
    /// Seconds that Redis keeps a message.
    pub(super) expire: Option<Said<u64>>,
}

/// Which of them chains name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) sql: bool,
    pub(super) redis: bool,
    /// The one that writes to both.
    pub(super) both: bool,
}

/// A data source name, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
struct Source {
    user: String,
    password: String,
    address: String,
    database: String,
    tls: Option<&'static str>,
}

const BUILD: &str = "It needs a program that was built with --features mysql,redis.";
const SECRET: &str = "This file is a secret as well now: chmod 600.";
const INLINE: &str = "The client waits for the row, as before. Without this line rows are written from \
                      a queue, and an outage of MySQL costs nobody anything.";
const MAIL: &str = "The message is in its row, as before, unless it is in Redis.";
const DIGITS: &str = "What fits into the column hash of go-guerrilla's table.";
const UNUSED: &str = "no chain names the processor that it was for; write MySQL, Redis or GuerrillaDbRedis \
                      into save, and the section mysql or redis";

impl Databases {
    /// Puts the sections on the sheet that are wanted, and returns which are there.
    pub(super) fn put(self, draft: &mut Draft, wanted: Wanted) -> (bool, bool) {
        let (redis, expire) = (self.redis.clone(), self.expire.clone());
        let is_sql = if wanted.sql || wanted.both {
            self.put_sql(draft, wanted)
        } else {
            let ids = self.ids();
            tell_all(draft, &ids, UNUSED);
            false
        };
        let is_redis = if wanted.redis || (wanted.both && is_sql) {
            put_redis(draft, redis.as_ref(), expire.as_ref(), wanted)
        } else {
            let texts = redis.iter().map(|said| said.from);
            let ids: Vec<Id> = texts.chain(expire.iter().map(|said| said.from)).collect();
            tell_all(draft, &ids, UNUSED);
            false
        };
        (is_sql, is_redis)
    }

    /// The keys for MySQL.
    fn ids(&self) -> Vec<Id> {
        let texts = [
            &self.host,
            &self.user,
            &self.password,
            &self.database,
            &self.table,
            &self.dsn,
            &self.driver,
        ];
        let texts = texts.into_iter().flatten().map(|said| said.from);
        texts
            .chain(self.connections.iter().map(|said| said.from))
            .collect()
    }

    fn put_sql(self, draft: &mut Draft, wanted: Wanted) -> bool {
        let is_other = |said: &&Said<String>| !said.value.eq_ignore_ascii_case("mysql");
        if let Some(said) = self.driver.as_ref().filter(is_other) {
            let why = format!(
                "{:?} is not spoken here; rows go to MySQL and MariaDB only",
                said.value
            );
            tell_all(draft, &self.ids(), &why);
            return false;
        }
        let read = match &self.dsn {
            Some(said) => source(&said.value),
            None => self.parts(),
        };
        let is_whole = |it: &Source| !it.database.is_empty() && !it.user.is_empty();
        let Some(read) = read.filter(is_whole) else {
            let why = "this does not say where MySQL is, who we are there, and which database; \
                       write it into the section mysql";
            tell_all(draft, &self.ids(), why);
            return false;
        };
        self.put_source(draft, read);
        if let Some(table) = self.table {
            put_table(draft, &table);
        }
        let connections = self
            .connections
            .filter(|said| (1..=1000).contains(&said.value));
        if let Some(said) = connections {
            let number = Value::Word(said.value.to_string());
            draft.put("mysql.connections", number, &[said.from], "");
        }
        if wanted.sql {
            draft.put("mysql.mail", Value::Word("true".into()), &[], MAIL);
        }
        draft.put("mysql.delivery", Value::Word("inline".into()), &[], INLINE);
        true
    }

    /// Where the database is, and who we are there.
    fn put_source(&self, draft: &mut Draft, source: Source) {
        let from =
            |said: &Option<Said<String>>| said.iter().map(|said| said.from).collect::<Vec<Id>>();
        let all: Vec<Id> = [from(&self.dsn), from(&self.driver)].concat();
        let part = |said: &Option<Said<String>>| match self.dsn {
            Some(_) => all.clone(),
            None => [from(said), from(&self.driver)].concat(),
        };
        let text = |text: String| Value::Text(text);
        draft.put(
            "mysql.address",
            text(source.address),
            &part(&self.host),
            BUILD,
        );
        draft.put("mysql.user", text(source.user), &part(&self.user), "");
        if !source.password.is_empty() {
            let password = text(source.password);
            draft.put("mysql.password", password, &part(&self.password), SECRET);
        }
        draft.put(
            "mysql.database",
            text(source.database),
            &part(&self.database),
            "",
        );
        if let Some(tls) = source.tls {
            draft.put("mysql.tls", Value::Word(tls.into()), &all, "");
        }
    }

    fn parts(&self) -> Option<Source> {
        let text = |said: &Option<Said<String>>| said.as_ref().map(|said| said.value.clone());
        Some(Source {
            address: text(&self.host).unwrap_or_else(|| "127.0.0.1:3306".into()),
            user: text(&self.user)?,
            password: text(&self.password).unwrap_or_default(),
            database: text(&self.database)?,
            tls: None,
        })
    }
}

fn put_redis(
    draft: &mut Draft,
    redis: Option<&Said<String>>,
    expire: Option<&Said<u64>>,
    wanted: Wanted,
) -> bool {
    let address = redis.map_or(":6379", |said| &said.value);
    let address = match address.strip_prefix(':') {
        Some(port) => format!("127.0.0.1:{port}"),
        None => address.to_owned(),
    };
    let is_address = address.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    let from: Vec<Id> = redis.iter().map(|said| said.from).collect();
    if !is_address {
        let from: Vec<Id> = from
            .into_iter()
            .chain(expire.map(|said| said.from))
            .collect();
        let why = format!("{address:?} is not where Redis listens; write it into redis.address");
        draft.tell(&from, why);
        return false;
    }
    draft.put("redis.address", Value::Text(address), &from, BUILD);
    if wanted.redis {
        draft.put("redis.digits", Value::Word("32".into()), &[], DIGITS);
    }
    if let Some(said) = expire {
        draft.put(
            "redis.expire",
            Value::Word(format!("{}s", said.value)),
            &[said.from],
            "",
        );
    }
    true
}

fn put_table(draft: &mut Draft, said: &Said<String>) {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    let name = said.value.replace('`', "");
    let is_name = name.split('.').count() <= 2
        && name
            .split('.')
            .all(|part| !part.is_empty() && part.len() <= 64 && part.chars().all(is_plain));
    if is_name {
        draft.put("mysql.table", Value::Text(name), &[said.from], "");
    } else {
        let why = format!(
            "{:?} is not the name of a table; write it into mysql.table",
            said.value
        );
        draft.tell(&[said.from], why);
    }
}

/// Tells of keys, if there are any.
fn tell_all(draft: &mut Draft, ids: &[Id], why: &str) {
    if !ids.is_empty() {
        draft.tell(ids, why);
    }
}

/// `user:password@tcp(host:port)/database?parameters`, as Go's driver reads it.
fn source(dsn: &str) -> Option<Source> {
    let (before, after) = dsn.rsplit_once('/')?;
    let (database, parameters) = after.split_once('?').unwrap_or((after, ""));
    let (who, place) = before.rsplit_once('@').unwrap_or(("", before));
    let (user, password) = who.split_once(':').unwrap_or((who, ""));
    let (net, address) = match place.split_once('(') {
        Some((net, rest)) => (net, rest.strip_suffix(')')?),
        None => (place, ""),
    };
    let address = match (net, address) {
        ("unix", path) if path.starts_with('/') => format!("unix:{path}"),
        ("unix", _) => "unix:/tmp/mysql.sock".to_owned(),
        ("" | "tcp", "") => "127.0.0.1:3306".to_owned(),
        ("tcp", address) => address.to_owned(),
        _ => return None,
    };
    let mut parameters = parameters.split('&');
    Some(Source {
        user: user.to_owned(),
        password: password.to_owned(),
        address,
        database: database.to_owned(),
        tls: parameters.find_map(|parameter| match parameter.strip_prefix("tls=")? {
            "true" => Some("verified"),
            "skip-verify" => Some("required"),
            "preferred" => Some("preferred"),
            "false" => Some("off"),
            _ => None,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_data_sources() {
        for (dsn, user, password, address, database, tls) in [
            ("u:p@tcp(h:1)/d", "u", "p", "h:1", "d", None),
            (
                "u:p/@:x@tcp(127.0.0.1:3306)/d?readTimeout=10s&tls=true",
                "u",
                "p/@:x",
                "127.0.0.1:3306",
                "d",
                Some("verified"),
            ),
            (
                "u@unix(/run/my.sock)/d?tls=skip-verify",
                "u",
                "",
                "unix:/run/my.sock",
                "d",
                Some("required"),
            ),
            ("u:p@/d", "u", "p", "127.0.0.1:3306", "d", None),
            ("/", "", "", "127.0.0.1:3306", "", None),
        ] {
            let expected = Source {
                user: user.into(),
                password: password.into(),
                address: address.into(),
                database: database.into(),
                tls,
            };
            assert_eq!(source(dsn), Some(expected), "{dsn}");
        }
        for odd in ["", "u:p@tcp(h:1)", "u@tcp(h:1/d", "u@pipe(x)/d"] {
            assert_eq!(source(odd), None, "{odd}");
        }
    }
}
