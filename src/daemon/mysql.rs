//! The database of a configuration.

use std::sync::Arc;
use std::time::Duration;

use super::handing::{Consumers, Habits, has_letters, is_in_save, queued};
use super::redis::Redis;
use crate::chain::Registry;
use crate::config::{Config, Handover};
use crate::disks::Disks;
use crate::health::Health;
use crate::maildir::Store;
use crate::mysql::{Database, Question, Settings, Users};
use crate::processor::{Bodies, MySql, Processor, Scribe};
#[cfg(feature = "redis")]
use crate::processor::{Depot, GuerrillaDbRedis};
use crate::recipients::UserSource;

/// The processors and their queues.
const NAME: &str = "MySQL";
const BOTH: &str = "GuerrillaDbRedis";
/// Processors that keep mail, beside these.
const STORES: [&str; 3] = ["MailDir", "FastCGI", "Stream"];
/// How much longer an attempt may take than a statement: there are several, and a connection.
const STATEMENTS: u32 = 5;
const SPARE: Duration = Duration::from_secs(1);

/// The database, or what is missing for it; and Redis, which goes with it in `GuerrillaDbRedis`.
pub(super) struct Sql {
    database: Result<Arc<Database>, String>,
    #[cfg(feature = "redis")]
    depot: Result<Depot, String>,
}

impl Sql {
    #[cfg_attr(
        not(feature = "redis"),
        expect(unused_variables, reason = "there is none")
    )]
    /// Goes on with the database from before, unless it is to be another one.
    pub(super) fn new(config: &Config, redis: &Redis, before: Option<&Self>) -> Self {
        Self {
            database: config
                .mysql_settings()
                .map(|settings| database(settings, before)),
            #[cfg(feature = "redis")]
            depot: depot(config, redis),
        }
    }

    /// Has it told on the board whether the database can be used, where something needs it.
    pub(super) fn tell(&self, health: &Health) {
        if let Ok(database) = &self.database {
            database.telling(health.part("mysql"));
        }
    }

    /// Adds who writes rows for what waits: mail will be put into the queue, or some was before the
    /// configuration was changed.
    pub(super) fn add_consumers(&self, config: &Config, store: &Arc<Store>, all: &mut Consumers) {
        let Ok(database) = &self.database else {
            return;
        };
        let habits = habits(database);
        let is_wanted = |name| is_queued(name, config) || has_letters(name, config, store);
        if is_wanted(NAME) {
            let scribe = Scribe::new(Arc::clone(database), bodies(config), level(config));
            all.add_with(NAME, Arc::new(scribe), habits);
        }
        #[cfg(feature = "redis")]
        if is_wanted(BOTH)
            && let Ok(both) = self.both(config)
        {
            all.add_with(BOTH, Arc::new(both), habits);
        }
    }

    pub(super) fn register(
        &self,
        registry: &mut Registry,
        config: &Config,
        store: &Arc<Store>,
        disks: &Arc<Disks>,
    ) {
        let processor = self.processor(config, store, disks);
        registry.add(NAME, move || processor.clone());
        let both = self.processor_of_both(config, store, disks);
        registry.add(BOTH, move || both.clone());
    }

    #[cfg(feature = "redis")]
    fn both(&self, config: &Config) -> Result<GuerrillaDbRedis, String> {
        let (database, depot) = (self.database.clone()?, self.depot.clone()?);
        let durable = config.redis.as_ref().is_some_and(|redis| redis.durable);
        Ok(GuerrillaDbRedis::new(database, depot, durable))
    }

    #[cfg(feature = "redis")]
    fn processor_of_both(
        &self,
        config: &Config,
        store: &Arc<Store>,
        disks: &Arc<Disks>,
    ) -> Result<Arc<dyn Processor>, String> {
        let both = self.both(config)?;
        if !is_queued(BOTH, config) {
            return Ok(Arc::new(both));
        }
        Ok(Arc::new(both.queued(queued(BOTH, config, store, disks)?)))
    }

    /// This program was built without Redis.
    #[cfg(not(feature = "redis"))]
    #[expect(clippy::unused_self, reason = "as where there is a Redis")]
    fn processor_of_both(
        &self,
        _: &Config,
        _: &Arc<Store>,
        _: &Arc<Disks>,
    ) -> Result<Arc<dyn Processor>, String> {
        Err(format!(
            "{BOTH} needs Redis, which is not in this build: build with `--features mysql,redis`"
        ))
    }

    fn processor(
        &self,
        config: &Config,
        store: &Arc<Store>,
        disks: &Arc<Disks>,
    ) -> Result<Arc<dyn Processor>, String> {
        let database = self.database.as_ref()?;
        let processor = MySql::new(Arc::clone(database), bodies(config));
        if !is_queued(NAME, config) {
            return Ok(Arc::new(processor));
        }
        let queued = queued(NAME, config, store, disks)?;
        Ok(Arc::new(processor.queued(queued)))
    }

    /// Who answers for users.
    pub(super) fn users(&self, statement: &str) -> Result<Arc<dyn UserSource>, String> {
        let database = self.database.as_ref()?;
        let question =
            Question::read(statement).map_err(|error| format!("{statement:?} {error}"))?;
        Ok(Arc::new(Users::new(Arc::clone(database), question)))
    }
}

fn is_queued(name: &str, config: &Config) -> bool {
    let section = config.mysql.as_ref();
    section.is_some_and(|section| section.delivery == Handover::Queued) && is_in_save(name, config)
}

/// The database from before, unless it is to be another one.
fn database(settings: Settings, before: Option<&Sql>) -> Arc<Database> {
    if let Some(Ok(known)) = before.map(|before| &before.database)
        && *known.settings() == settings
    {
        return Arc::clone(known);
    }
    Arc::new(Database::new(settings))
}

/// How letters are handed over.
fn habits(database: &Database) -> Habits {
    let settings = database.settings();
    Habits {
        timeout: settings.connect_timeout + settings.timeout * STATEMENTS + SPARE,
        // They are written together, so more of them take no more connections.
        at_once: usize::MAX,
    }
}

#[cfg(feature = "redis")]
fn depot(config: &Config, redis: &Redis) -> Result<Depot, String> {
    let section = config.redis.as_ref();
    let section = section.ok_or("the section redis is missing: where Redis listens")?;
    Ok(Depot {
        client: Arc::clone(redis.client()?),
        prefix: section.prefix.clone(),
        expire: section.expire.get(),
        level: config.compressor.level,
    })
}

/// Why mail is in rows and nowhere else, where that is so.
pub(crate) fn sole_store(config: &Config) -> Option<&'static str> {
    if bodies(config) == Bodies::Kept {
        return Some("nothing else of the chain keeps the mail");
    }
    let is_fallback = is_in_save(BOTH, config) && !is_in_stores(config);
    is_fallback.then_some("while Redis is down nothing else keeps the mail")
}

/// Whether mail is kept elsewhere.
fn is_in_stores(config: &Config) -> bool {
    STORES.iter().any(|store| is_in_save(store, config))
}

/// Whether rows have messages, and whether these are elsewhere, too.
fn bodies(config: &Config) -> Bodies {
    let place = |name: &str| {
        let mut save = config.save.iter();
        save.position(|link| link.trim().eq_ignore_ascii_case(name))
    };
    if let Some(redis) = place("Redis")
        && place(NAME).is_some_and(|own| redis < own)
    {
        return Bodies::InRedis;
    }
    let section = config.mysql.as_ref();
    if !section.is_some_and(|section| section.mail) {
        return Bodies::Without;
    }
    if is_in_stores(config) || is_in_save(BOTH, config) {
        Bodies::Copied
    } else {
        Bodies::Kept
    }
}

/// How Compressor, if it is in the chain, compresses.
fn level(config: &Config) -> Option<u32> {
    let is_compressor = |name: &String| name.trim().eq_ignore_ascii_case("Compressor");
    let is_there = config.save.iter().any(is_compressor);
    is_there.then_some(config.compressor.level)
}
