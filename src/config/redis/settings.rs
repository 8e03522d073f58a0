//! The section becomes what the client is told.

use std::fs;
use std::path::Path;

use super::{RedisConfig, endpoint};
use crate::config::Config;
use crate::redis::{Endpoint, Settings, Tls};
use crate::{spool, stream};

impl Config {
    /// How Redis is reached; reads the password and the CA.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub fn redis_settings(&self) -> Result<Settings, String> {
        let redis = self.redis.as_ref();
        let redis = redis.ok_or("the section redis is missing: where Redis listens")?;
        Ok(Settings {
            endpoints: redis
                .address
                .iter()
                .filter_map(|text| place(text))
                .collect(),
            cluster: redis.cluster,
            tls: redis.encryption()?,
            user: redis.user.clone(),
            password: redis.secret()?,
            database: redis.database,
            connections: redis.connections,
            connect_timeout: redis.connect_timeout.get(),
            timeout: redis.timeout.get(),
            waiting: (self.limits.deliveries / 2).max(1),
        })
    }
}

impl Config {
    /// When a worker tries again what it cannot deliver.
    pub fn stream_schedule(&self) -> spool::Schedule {
        spool::Schedule {
            give_up_after: self.stream.give_up_after.get(),
            ..spool::Schedule::default()
        }
    }

    /// What receivers and workers agree on.
    pub fn stream_settings(&self) -> stream::Settings {
        let stream = &self.stream;
        stream::Settings {
            prefix: stream.prefix.clone(),
            partitions: stream.partitions,
            group: stream.group.clone(),
            replicas: stream.replicas,
            waitaof: stream.waitaof,
            remember: stream.remember.get(),
        }
    }
}

impl RedisConfig {
    fn encryption(&self) -> Result<Option<Tls>, String> {
        let read = |path: &Path| {
            let shown = path.display();
            fs::read(path).map_err(|error| format!("redis.ca: {shown}: {error}"))
        };
        let ca = self.ca.as_deref().map(read).transpose()?;
        Ok(self.tls.then_some(Tls { ca }))
    }

    fn secret(&self) -> Result<Option<String>, String> {
        let Some(path) = &self.password_file else {
            return Ok(self.password.as_deref().map(str::to_owned));
        };
        let shown = path.display();
        let text = fs::read_to_string(path)
            .map_err(|error| format!("redis.password_file: {shown}: {error}"))?;
        match text.trim() {
            "" => Err(format!("redis.password_file: {shown} is empty")),
            text => Ok(Some(text.to_owned())),
        }
    }
}

fn place(text: &str) -> Option<Endpoint> {
    Some(match endpoint(text)? {
        Ok(path) => Endpoint::Unix(path),
        Err((host, port)) => Endpoint::Tcp(host, port),
    })
}
