//! `Redis`: the message is at a key made of its digest, for a while.
//!
//! With `delivery: inline` it is put there while the message is staged. Nobody knows the key before the
//! delivery is over, and what is left of a delivery that failed goes when its time is over: it is not
//! removed, as the same message may have been delivered before, under the same key. Doing it twice
//! changes nothing.

use std::fmt;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::{Delivery, Pending, Processor, Queued, Staged, keys};
use crate::failure::Failure;
use crate::redis::{Client, Command, Fault, command};
use crate::spool::{self, Answer, Consumer, Letter};

/// Puts each message into Redis, for a while.
pub struct Redis {
    keeper: Keeper,
    durable: bool,
    queued: Option<Queued>,
}

/// Where in Redis, and for how long.
#[derive(Clone, PartialEq)]
struct Keeper {
    client: Arc<Client>,
    prefix: String,
    expire: Duration,
    digits: usize,
}

impl Redis {
    /// Puts them at `prefix` and their digest, for as long as `expire`; zero is for ever.
    pub fn new(client: Arc<Client>, prefix: &str, expire: Duration) -> Self {
        let prefix = prefix.to_owned();
        Self {
            keeper: Keeper {
                client,
                prefix,
                expire,
                digits: usize::MAX,
            },
            durable: false,
            queued: None,
        }
    }

    /// The same, with so many digits of the digest in a key.
    #[must_use]
    pub fn digits(mut self, digits: usize) -> Self {
        self.keeper.digits = digits;
        self
    }

    /// The same; whether what is there counts as stored.
    #[must_use]
    pub fn durable(self, durable: bool) -> Self {
        Self { durable, ..self }
    }

    /// The same, which does not let clients wait for Redis: mail goes into a queue.
    #[must_use]
    pub fn queued(self, queued: Queued) -> Self {
        Self {
            queued: Some(queued),
            ..self
        }
    }

    fn stage_all(&self, delivery: &Delivery) -> Result<(), Failure> {
        let keys = keys(delivery)?;
        let indices = delivery.recipients().iter().zip(&*keys);
        let mut commands = Vec::new();
        for (recipient, key) in indices {
            let octets = match &delivery.compressed {
                Some(compressed) => compressed,
                None => &delivery.whole(recipient)?,
            };
            commands.push(self.keeper.set(key, octets));
        }
        Ok(self.keeper.client.run(commands).map(drop)?)
    }
}

impl Keeper {
    fn set(&self, key: &str, octets: &[u8]) -> Command {
        let mut set = command("SET");
        let key = &key[..self.digits.min(key.len())];
        set.arg([&self.prefix, key].concat()).arg(octets);
        if !self.expire.is_zero() {
            set.arg("EX").arg(self.expire.as_secs());
        }
        set
    }
}

impl Processor for Redis {
    fn name(&self) -> &'static str {
        "Redis"
    }

    /// The queue does; Redis itself where it is said so.
    fn stores(&self) -> bool {
        self.durable || self.queued.is_some()
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        match &self.queued {
            Some(queued) => queued.stage(delivery),
            None => Box::pin(async move { self.stage_all(delivery).map(|()| Staged::Done) }),
        }
    }
}

/// Brings letters that waited in the spool to Redis. One is equal to another if it would bring the same to
/// the same client.
#[derive(PartialEq)]
pub struct RedisPostman {
    keeper: Keeper,
    /// The level that they are compressed at, where they are.
    level: Option<u32>,
}

impl RedisPostman {
    /// One who puts them where `processor` would; `level` is that of the Compressor before it.
    pub fn new(processor: &Redis, level: Option<u32>) -> Self {
        Self {
            keeper: processor.keeper.clone(),
            level,
        }
    }

    fn put(&self, letter: &Letter) -> std::io::Result<Result<(), Fault>> {
        let mut octets = letter.content()?;
        if let Some(level) = self.level {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(&octets)?;
            octets = encoder.finish()?;
        }
        let set = self.keeper.set(&letter.slip.key, &octets);
        Ok(self.keeper.client.run(vec![set]).map(drop))
    }
}

impl Consumer for RedisPostman {
    fn hand(&self, letter: Arc<Letter>, _: u32) -> spool::Pending<'_, Answer> {
        Box::pin(async move {
            let why = match self.put(&letter) {
                Ok(Ok(())) => return Answer::Delivered,
                Ok(Err(fault)) => fault.to_string(),
                Err(error) => format!("the letter cannot be read: {error}"),
            };
            Answer::Later { after: None, why }
        })
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redis {{ {:?} }}", self.keeper.client)
    }
}
