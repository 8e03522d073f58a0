//! Where Redis is, and what is put there.

use std::path::PathBuf;

use super::check::{Outcome, refuse};
use super::scalars::texts;
use super::units::Time;
use super::{Config, Handover, Hidden};

#[cfg(feature = "redis")]
mod settings;

/// Digits of a digest.
const DIGITS: usize = 64;
/// With fewer, two messages may well have the same.
const FEWEST_DIGITS: usize = 32;

/// How to write an address.
const ADDRESS: &str = "write one such as 127.0.0.1:6379 or unix:/run/redis/redis.sock";

/// Where Redis is, and what is put there.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct RedisConfig {
    /// Where it listens; of a cluster some nodes; needed.
    #[serde(deserialize_with = "texts")]
    pub address: Vec<String>,
    /// Whether that is a Redis Cluster (default: false).
    pub cluster: bool,
    /// Whether the connection is encrypted (default: false).
    pub tls: bool,
    /// The PEM file of the CA that its certificate is from (default: those that Mozilla trusts).
    pub ca: Option<PathBuf>,
    /// The user of its access control list (default: none, which is `default`).
    pub user: Option<String>,
    /// The password (default: none).
    pub password: Option<Hidden>,
    /// The file that the password is in (default: none).
    pub password_file: Option<PathBuf>,
    /// The number of the database (default: 0).
    pub database: u32,
    /// What keys of messages begin with, before the digest (default: nothing).
    pub prefix: String,
    /// Digits of the digest in a key; 32 are what fits into the column hash of go-guerrilla's table
    /// (default: 64).
    pub digits: usize,
    /// How long Redis keeps a message; 0s is for ever (default: 2h).
    pub expire: Time,
    /// When a message is put there (default: inline).
    pub delivery: Handover,
    /// Whether what is in Redis counts as stored (default: false).
    pub durable: bool,
    /// Pipelines at once (default: 2).
    pub connections: usize,
    /// Until there is a connection (default: 2s).
    pub connect_timeout: Time,
    /// Until Redis has answered (default: 5s).
    pub timeout: Time,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            address: Vec::new(),
            cluster: false,
            tls: false,
            ca: None,
            user: None,
            password: None,
            password_file: None,
            database: 0,
            prefix: String::new(),
            digits: DIGITS,
            expire: Time::hours(2),
            delivery: Handover::Inline,
            durable: false,
            connections: 2,
            connect_timeout: Time::seconds(2),
            timeout: Time::seconds(5),
        }
    }
}

/// A path, or a host and a port; none if it is no address.
pub(super) fn endpoint(text: &str) -> Option<Result<PathBuf, (String, u16)>> {
    let path = text.strip_prefix("unix:").unwrap_or(text);
    if path.starts_with('/') {
        return Some(Ok(path.into()));
    }
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    (!host.is_empty()).then(|| Err((host.to_owned(), port)))
}

/// What single values of the section cannot show.
pub(super) fn check(config: &Config) -> Outcome {
    let Some(redis) = &config.redis else {
        return Ok(());
    };
    let missing = format!("is missing; {ADDRESS}");
    refuse(redis.address.is_empty(), "redis.address", missing)?;
    for text in &redis.address {
        let message = format!("{text:?} is not an address of Redis; {ADDRESS}");
        refuse(endpoint(text).is_none(), "redis.address", message)?;
    }
    let is_unix = |text: &String| endpoint(text).is_some_and(|endpoint| endpoint.is_ok());
    let message = "only the nodes of a cluster may be several; keep one, or write `cluster: true`";
    let several = redis.address.len() > 1 && !redis.cluster;
    refuse(several, "redis.address", message)?;
    let has_unix = redis.address.iter().any(is_unix);
    let message = "a cluster is not reached on a Unix socket; write addresses with ports";
    refuse(redis.cluster && has_unix, "redis.address", message)?;
    let message = "a Unix socket is not encrypted; leave it out";
    refuse(redis.tls && has_unix, "redis.tls", message)?;
    let message = "nothing is encrypted; write `tls: true`";
    refuse(redis.ca.is_some() && !redis.tls, "redis.ca", message)?;
    let message = "a cluster has the database 0 only";
    refuse(
        redis.cluster && redis.database > 0,
        "redis.database",
        message,
    )?;
    secrets(redis)?;
    let message = "with 0 no mail could go to Redis; write a larger number";
    refuse(redis.connections == 0, "redis.connections", message)?;
    let message = format!(
        "{} digits are not from {FEWEST_DIGITS} to {DIGITS}; write 32 for go-guerrilla's table, or leave it out",
        redis.digits
    );
    let odd = !(FEWEST_DIGITS..=DIGITS).contains(&redis.digits);
    refuse(odd, "redis.digits", message)?;
    times(config, redis)
}

fn secrets(redis: &RedisConfig) -> Outcome {
    let message = "is there beside redis.password_file; keep one of them";
    let both = redis.password.is_some() && redis.password_file.is_some();
    refuse(both, "redis.password", message)?;
    let empty = redis.password.as_deref().is_some_and(str::is_empty);
    refuse(empty, "redis.password", "is empty; write a password, or ~")?;
    let message = "has no password; write password_file: FILE";
    let has_none = redis.password.is_none() && redis.password_file.is_none();
    refuse(redis.user.is_some() && has_none, "redis.user", message)
}

fn times(config: &Config, redis: &RedisConfig) -> Outcome {
    for (key, time) in [
        ("redis.connect_timeout", redis.connect_timeout),
        ("redis.timeout", redis.timeout),
    ] {
        let message = "no time at all is not enough; write a time such as 5s";
        refuse(time.get().is_zero(), key, message)?;
    }
    let expire = redis.expire.get();
    let message = format!("{} is less than a second; write 0s for ever", redis.expire);
    let short = !expire.is_zero() && expire.as_secs() == 0;
    refuse(short, "redis.expire", message)?;
    let (time, delivery) = (redis.timeout, config.timeouts.delivery);
    let message = format!(
        "{time} is not shorter than timeouts.delivery ({delivery}), which the client waits for \
         at most; lower the one or raise the other"
    );
    refuse(time >= delivery, "redis.timeout", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let redis = RedisConfig {
            user: Some("bob".into()),
            password: Some("secret".into()),
            ..RedisConfig::default()
        };
        let shown = format!("{redis:?}");
        assert!(
            shown.contains("bob") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
