//! The keys of the processors that write to MySQL and Redis.

use std::time::Duration;

use serde::de::value::{Error, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer as _};

use super::draft::{Draft, Said};
use super::dsn::{Source, source};
use super::ledger::Id;
use super::sheet::Value;
use crate::config::{DatabaseAddress, MysqlConfig, RedisConfig, Time, TimeoutsConfig};

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
    /// How long a client waits for a delivery.
    pub(super) delivery: Option<Said<Duration>>,
}

/// Which of them chains name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) sql: bool,
    pub(super) redis: bool,
    /// The one that writes to both.
    pub(super) both: bool,
}

const BUILD: &str = "It needs a program that was built with --features mysql,redis.";
const SECRET: &str = "This file is a secret as well now: chmod 600.";
const INLINE: &str = "The client waits for the row, as before. Without this line rows are written from \
                      a queue, and an outage of MySQL costs nobody anything.";
const MAIL: &str = "The message is in its row, as before, unless it is in Redis.";
const DIGITS: &str = "What fits into the column hash of go-guerrilla's table.";
const SOONER: &str = "It must have answered before the client is told to come again.";
const MOST_CONNECTIONS: u64 = 1000;
const UNUSED: &str = "no chain names the processor that it was for; write MySQL, Redis or GuerrillaDbRedis \
                      into save, and the section mysql or redis";

const ALONE: &str = "it goes with MySQL, of which too little is known; write the sections mysql and redis, and \
                     GuerrillaDbRedis into save";

impl Databases {
    /// Puts the sections on the sheet that are wanted, and returns which are there.
    pub(super) fn put(self, draft: &mut Draft, wanted: Wanted) -> (bool, bool) {
        let (redis, expire) = (self.redis.clone(), self.expire.clone());
        let delivery = self.delivery.clone();
        let is_sql = if wanted.sql || wanted.both {
            self.put_sql(draft, wanted)
        } else {
            let ids = self.ids();
            tell_all(draft, &ids, UNUSED);
            false
        };
        let is_redis = if wanted.redis || (wanted.both && is_sql) {
            let is_there = put_redis(draft, redis.as_ref(), expire.as_ref(), wanted);
            if is_there {
                let usual = RedisConfig::default().timeout;
                put_timeout(draft, "redis.timeout", None, usual, delivery.as_ref());
            }
            is_there
        } else {
            let texts = redis.iter().map(|said| said.from);
            let ids: Vec<Id> = texts.chain(expire.iter().map(|said| said.from)).collect();
            tell_all(draft, &ids, if wanted.both { ALONE } else { UNUSED });
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
        let read = match self.whole() {
            Ok(read) => read,
            Err(why) => {
                tell_all(draft, &self.ids(), &why);
                return false;
            }
        };
        self.put_source(draft, &read);
        if self.dsn.is_some() {
            let parts = [&self.host, &self.user, &self.password, &self.database];
            let ids: Vec<Id> = parts.into_iter().flatten().map(|said| said.from).collect();
            tell_all(draft, &ids, "sql_dsn says the same, and counts");
        }
        if let Some(table) = &self.table {
            put_table(draft, table);
        }
        if let Some(said) = &self.connections {
            put_connections(draft, said);
        }
        if wanted.sql {
            draft.put("mysql.mail", Value::Word("true".into()), &[], MAIL);
        }
        draft.put("mysql.delivery", Value::Word("inline".into()), &[], INLINE);
        true
    }

    /// Where the database is, and who we are there.
    fn put_source(&self, draft: &mut Draft, source: &Source) {
        let from =
            |said: &Option<Said<String>>| said.iter().map(|said| said.from).collect::<Vec<Id>>();
        let all: Vec<Id> = [from(&self.dsn), from(&self.driver)].concat();
        let part = |said: &Option<Said<String>>| match self.dsn {
            Some(_) => all.clone(),
            None => [from(said), from(&self.driver)].concat(),
        };
        let text = |text: &String| Value::Text(text.clone());
        draft.put(
            "mysql.address",
            text(&source.address),
            &part(&self.host),
            BUILD,
        );
        draft.put("mysql.user", text(&source.user), &part(&self.user), "");
        if !source.password.is_empty() {
            let password = text(&source.password);
            draft.put("mysql.password", password, &part(&self.password), SECRET);
        }
        draft.put(
            "mysql.database",
            text(&source.database),
            &part(&self.database),
            "",
        );
        self.put_parameters(draft, source, &all);
    }

    /// What else the name of the data source has.
    fn put_parameters(&self, draft: &mut Draft, source: &Source, from: &[Id]) {
        if let Some(tls) = source.tls {
            draft.put("mysql.tls", Value::Word(tls.into()), from, "");
        }
        if let Some(time) = source.connect_timeout {
            let value = Value::Word(Time(time).to_string());
            draft.put("mysql.connect_timeout", value, from, "");
        }
        let asked = source.timeout.map(|value| (value, from));
        let usual = MysqlConfig::default().timeout;
        put_timeout(draft, "mysql.timeout", asked, usual, self.delivery.as_ref());
        if !source.others.is_empty() {
            let why = format!(
                "{}: there is no key for this here; rows are written in utf8mb4",
                source.others.join("&")
            );
            draft.tell(from, why);
        }
    }

    /// Where MySQL is and who we are there, if the keys say all of it; else why not.
    fn whole(&self) -> Result<Source, String> {
        let read = match &self.dsn {
            Some(said) => source(&said.value),
            None => self.parts(),
        };
        let is_whole = |it: &Source| !it.database.is_empty() && !it.user.is_empty();
        let why = "this does not say where MySQL is, who we are there, and which database; \
                   write it into the section mysql";
        let mut read = read.filter(is_whole).ok_or(why)?;
        read.address = with_host(&read.address);
        if !is_taken::<DatabaseAddress>(&read.address) {
            return Err(format!(
                "{:?} is not where MySQL listens; write the section mysql",
                read.address
            ));
        }
        Ok(read)
    }

    fn parts(&self) -> Option<Source> {
        let text = |said: &Option<Said<String>>| said.as_ref().map(|said| said.value.clone());
        Some(Source {
            address: text(&self.host).unwrap_or_else(|| "127.0.0.1:3306".into()),
            user: text(&self.user)?,
            password: text(&self.password).unwrap_or_default(),
            database: text(&self.database)?,
            ..Source::default()
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
    let address = with_host(address);
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
        put_expire(draft, said);
    }
    true
}

fn put_expire(draft: &mut Draft, said: &Said<u64>) {
    let time = format!("{}s", said.value);
    if !is_taken::<Time>(&time) {
        let why = format!("{time} is more than can be; the default stands in the result");
        return draft.tell(&[said.from], why);
    }
    let note = match said.value {
        0 => "For ever; Redis refuses messages that are to be kept for no time at all.",
        _ => "",
    };
    draft.put("redis.expire", Value::Word(time), &[said.from], note);
}

/// How long a database may take: what is asked for, and less if the client would have gone by then.
fn put_timeout(
    draft: &mut Draft,
    key: &str,
    asked: Option<(Duration, &[Id])>,
    usual: Time,
    delivery: Option<&Said<Duration>>,
) {
    let most = TimeoutsConfig::default().delivery.get();
    let most = delivery.map_or(most, |said| said.value);
    let (time, from) = asked.unwrap_or((usual.get(), &[]));
    if time >= most {
        let from = [
            from,
            &delivery.map_or_else(Vec::new, |said| vec![said.from]),
        ]
        .concat();
        let value = Value::Word(Time(most * 5 / 6).to_string());
        draft.put(key, value, &from, SOONER);
    } else if asked.is_some() {
        draft.put(key, Value::Word(Time(time).to_string()), from, "");
    }
}

fn put_connections(draft: &mut Draft, said: &Said<u64>) {
    let number = said.value;
    let usual = MysqlConfig::default().connections;
    let why = match number {
        0 => format!("0 was no limit; here there is one, and {usual} stand in the result"),
        1..=MOST_CONNECTIONS => {
            let value = Value::Word(number.to_string());
            return draft.put("mysql.connections", value, &[said.from], "");
        }
        _ => format!("{number} are more than {MOST_CONNECTIONS}; {usual} stand in the result"),
    };
    draft.tell(&[said.from], why);
}

fn put_table(draft: &mut Draft, said: &Said<String>) {
    let is_plain = |c: char| (c.is_alphanumeric() && c <= '\u{ffff}') || matches!(c, '_' | '$');
    let is_part =
        |part: &str| (1..=64).contains(&part.chars().count()) && part.chars().all(is_plain);
    let name = said.value.replace('`', "");
    let is_name = name.split('.').count() <= 2 && name.split('.').all(is_part);
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

/// An address with a port alone is one of this machine.
fn with_host(address: &str) -> String {
    match address.strip_prefix(':') {
        Some(port) => format!("127.0.0.1:{port}"),
        None => address.to_owned(),
    }
}

/// Whether our own configuration takes a text as such a value.
fn is_taken<T: DeserializeOwned>(text: &str) -> bool {
    let text: StrDeserializer<Error> = text.into_deserializer();
    T::deserialize(text).is_ok()
}

/// Tells of keys, if there are any.
fn tell_all(draft: &mut Draft, ids: &[Id], why: &str) {
    if !ids.is_empty() {
        draft.tell(ids, why);
    }
}
