//! The database of a configuration.

use std::sync::Arc;
use std::time::Duration;

use super::handing::{Consumers, Habits, Queues};
use super::outlet::{Outlet, compression, is_in_save, is_queued};
use super::redis::Redis;
use crate::chain::Registry;
use crate::config::Config;
use crate::health::Health;
use crate::maildir::Store;
use crate::mysql::{Database, Question, Settings, Users};
use crate::processor::{Bodies, MySql, Scribe};
#[cfg(feature = "redis")]
use crate::processor::{Clerk, Depot, GuerrillaDbRedis};
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
    outlet: Outlet<Scribe>,
    #[cfg(feature = "redis")]
    both: Outlet<Clerk>,
}

impl Sql {
    /// Goes on with the database from before, unless it is to be another one.
    #[cfg_attr(
        not(feature = "redis"),
        expect(unused_variables, reason = "there is none")
    )]
    pub(super) fn new(config: &Config, redis: &Redis, before: Option<&Self>) -> Self {
        let database = config
            .mysql_settings()
            .map(|settings| database(settings, before));
        let delivery = config.mysql.as_ref().map(|section| section.delivery);
        Self {
            outlet: Outlet::new(
                NAME,
                is_queued(NAME, delivery, config),
                scribe(config, &database),
                before.map(|before| &before.outlet),
            ),
            #[cfg(feature = "redis")]
            both: Outlet::new(
                BOTH,
                is_queued(BOTH, delivery, config),
                clerk(config, &database, redis),
                before.map(|before| &before.both),
            ),
            database,
        }
    }

    /// Has it told on the board whether the database can be used, where something needs it.
    pub(super) fn tell(&self, health: &Health) {
        if let Ok(database) = &self.database {
            database.telling(health.part("mysql"));
        }
    }

    pub(super) fn add_consumers(&self, config: &Config, store: &Arc<Store>, all: &mut Consumers) {
        self.outlet.add_consumer(config, store, all);
        #[cfg(feature = "redis")]
        self.both.add_consumer(config, store, all);
    }

    pub(super) fn register(&self, registry: &mut Registry, config: &Config, queues: &Queues<'_>) {
        let database = self.database.clone();
        let processor = database.map(|database| MySql::new(database, bodies(config)));
        self.outlet
            .register(registry, queues, processor, MySql::queued);
        self.register_both(registry, config, queues);
    }

    #[cfg(feature = "redis")]
    fn register_both(&self, registry: &mut Registry, config: &Config, queues: &Queues<'_>) {
        let durable = config.redis.as_ref().is_some_and(|redis| redis.durable);
        let processor = self.both.consumer();
        let processor = processor.map(|clerk| GuerrillaDbRedis::new(clerk.clone(), durable));
        let queueing = GuerrillaDbRedis::queued;
        self.both.register(registry, queues, processor, queueing);
    }

    /// This program was built without Redis.
    #[cfg(not(feature = "redis"))]
    #[expect(clippy::unused_self, reason = "as where there is a Redis")]
    fn register_both(&self, registry: &mut Registry, _: &Config, _: &Queues<'_>) {
        registry.add(BOTH, || {
            Err(format!(
                "{BOTH} needs Redis, which is not in this build: build with `--features mysql,redis`"
            ))
        });
    }

    /// Who answers for users.
    pub(super) fn users(&self, statement: &str) -> Result<Arc<dyn UserSource>, String> {
        let database = self.database.as_ref()?;
        let question =
            Question::read(statement).map_err(|error| format!("{statement:?} {error}"))?;
        Ok(Arc::new(Users::new(Arc::clone(database), question)))
    }
}

/// The database from before, unless it is to be another one.
fn database(settings: Settings, before: Option<&Sql>) -> Arc<Database> {
    let known = before.and_then(|before| before.database.as_ref().ok());
    let known = known.filter(|known| *known.settings() == settings);
    known.map_or_else(|| Arc::new(Database::new(settings)), Arc::clone)
}

fn scribe(
    config: &Config,
    database: &Result<Arc<Database>, String>,
) -> Result<(Scribe, Habits), String> {
    let database = database.clone()?;
    let habits = habits(&database);
    let scribe = Scribe::new(database, bodies(config), compression(config));
    Ok((scribe, habits))
}

#[cfg(feature = "redis")]
fn clerk(
    config: &Config,
    database: &Result<Arc<Database>, String>,
    redis: &Redis,
) -> Result<(Clerk, Habits), String> {
    let database = database.clone()?;
    let habits = habits(&database);
    Ok((Clerk::new(database, depot(config, redis)?), habits))
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
