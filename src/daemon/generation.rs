//! What one configuration becomes. All that can be wrong with it is found here, and nothing of it
//! can be noticed yet by anybody.

use std::io;
use std::sync::{Arc, Mutex, Weak};

use super::StartError;
use super::acme::Acme;
use super::certificates::Offers;
use super::handing::{Consumers, Job, Queues};
use super::logging::Logging;
use super::mysql::Sql;
use super::own::Own;
use super::php::Php;
use super::redis::Redis;
use super::{processors, recipients};
use crate::chain::{Chain, Uses};
use crate::config::{Config, ConfigError, Source};
use crate::credentials::Credentials;
use crate::disks::{Disks, Known};
use crate::events::Events;
use crate::health::Health;
use crate::locks::lock;
use crate::maildir::{Durability, Settings, Store};
use crate::recipients::{Recipients, UserSource};
use crate::server::{Counts, InUse, Linger, Logins, Service, Spooler};

/// What a daemon has beside its configuration, and keeps when that changes.
pub(super) struct Parts {
    /// Processors that are not of this crate.
    pub(super) added: Own,
    /// Consumers that are not of this crate.
    pub(super) consumers: Consumers,
    /// Who knows the users, if that is not of this crate.
    pub(super) users: Option<Arc<dyn UserSource>>,
    pub(super) counts: Counts,
    /// Which processors are at work.
    uses: Uses,
    pub(super) disks: Known,
    pub(super) events: Events,
    pub(super) health: Health,
    /// The log of the process, if it is to be changed too.
    pub(super) logging: Option<Logging>,
    pub(super) stores: Stores,
}

/// What one configuration has become.
pub(super) struct Generation {
    pub(super) config: Arc<Config>,
    pub(super) store: Arc<Store>,
    pub(super) disks: Arc<Disks>,
    consumers: Consumers,
    pub(super) offers: Offers,
    pub(super) acme: Acme,
    pub(super) redis: Redis,
    sql: Sql,
    php: Php,
}

impl Generation {
    /// With what serves mail, without certificates and logins.
    pub(super) fn new(
        config: Config,
        source: &Source,
        parts: &Parts,
        before: Option<&Self>,
    ) -> Result<(Self, Service), StartError> {
        config.check(source)?;
        let redis = Redis::new(&config, before.map(|before| &before.redis));
        let sql = Sql::new(&config, &redis, before.map(|before| &before.sql));
        let recipients = recipients::load(&config, parts.users.as_ref(), &sql, &redis)
            .map_err(|(key, message)| source.error(&key, message))?;
        let store = parts.store(&config, source)?;
        let php = Php::new(&config, before.map(|before| &before.php));
        let mut consumers = parts.consumers.clone();
        php.add_consumer(&config, &store, &mut consumers);
        redis.add_consumer(&config, &store, &mut consumers);
        sql.add_consumers(&config, &store, &mut consumers);
        let disks = disks(&config, &consumers, &recipients, &parts.disks);
        let disks = Arc::new(disks.reporting(&parts.health));
        let generation = Self {
            config: Arc::new(config),
            store,
            disks,
            consumers,
            offers: Offers::default(),
            acme: Acme::default(),
            redis,
            sql,
            php,
        };
        let chain = generation.chain(source, &parts.added)?;
        let service = generation.service(recipients, chain, parts);
        Ok((generation, service))
    }

    /// What serves mail so.
    fn service(&self, recipients: Recipients, chain: Chain, parts: &Parts) -> Service {
        let config = &self.config;
        Service {
            recipients,
            chain: Arc::new(chain.sharing(&parts.uses)),
            limits: config.limits().sharing(&parts.counts),
            timeouts: config.timeouts(),
            linger: Linger::new(config.limits.deliveries).sharing(&parts.counts),
            spooler: self.spooler(),
            logins: None,
            ids: Arc::clone(&parts.counts.ids),
            in_use: InUse::default(),
            events: parts.events.clone(),
            health: parts.health.clone(),
        }
    }

    /// What is to be handed over, and how.
    pub(super) fn jobs(&self) -> Vec<Job> {
        self.consumers.jobs(&self.config, &self.store)
    }

    /// Has it told on the board how its back ends are.
    pub(super) fn tell(&self, health: &Health) {
        self.redis.tell(health);
        self.sql.tell(health);
    }

    /// Reads certificates and users.
    pub(super) fn equip(
        &mut self,
        service: &mut Service,
        source: &Source,
        parts: &Parts,
        before: Option<&Self>,
    ) -> Result<(), StartError> {
        service.logins = self.logins(source)?.map(|it| it.sharing(&parts.counts));
        let certificates = self.certificates(source, before)?;
        (self.acme, self.offers) = certificates;
        Ok(())
    }

    fn chain(&self, source: &Source, added: &Own) -> Result<Chain, ConfigError> {
        let Self {
            config,
            store,
            disks,
            ..
        } = self;
        let mut registry = processors::registry(config, store, disks);
        let queues = Queues {
            place: config.spool(),
            store,
            disks,
        };
        self.consumers.register(&mut registry, &queues);
        self.php.register(&mut registry, config, &queues);
        self.redis.register(&mut registry, config, &queues);
        self.sql.register(&mut registry, config, &queues);
        added.register(&mut registry, config, source)?;
        let (validate, save) = (&config.validate, &config.save);
        Chain::new(&registry, validate, save, Arc::clone(disks))
            .map_err(|error| source.error(error.chain, &error.message))
    }

    /// Who may log in.
    fn logins(&self, source: &Source) -> Result<Option<Logins>, ConfigError> {
        let Some((settings, users)) = self.config.logins() else {
            return Ok(None);
        };
        let credentials =
            Credentials::open(users).map_err(|error| source.error("auth.users", error))?;
        Ok(Some(Logins::new(settings, Arc::new(credentials))))
    }

    fn certificates(
        &self,
        source: &Source,
        before: Option<&Self>,
    ) -> Result<(Acme, Offers), ConfigError> {
        let config = &self.config;
        let known = before.map(|before| &before.offers);
        let acme = match before {
            Some(before) => before.acme.next(&before.config, config),
            None => Some(Acme::new(config)),
        };
        let acme = acme.ok_or_else(|| {
            let message = "a change of this, or of the names for the certificate, needs a restart";
            source.error("tls.acme", message)
        })?;
        let made = acme.and_then(|acme| {
            let offers = Offers::new(config, acme.certificates().as_ref(), known)?;
            Ok((acme, offers))
        });
        made.map_err(|(key, error)| source.error(&key, error.to_string()))
    }

    /// Spools to the disk of the first mailbox: if that is full, the message has no place anyway.
    fn spooler(&self) -> Spooler {
        let store = Arc::clone(&self.store);
        Spooler::new(Arc::clone(&self.disks), move |recipient| {
            let first = recipient.destinations.first();
            store.unnamed(&first.ok_or(io::ErrorKind::NotFound)?.location)
        })
    }
}

/// Those of the Maildirs, and that of the spool if there is one.
fn disks(config: &Config, consumers: &Consumers, recipients: &Recipients, known: &Known) -> Disks {
    let place = consumers.place(config);
    let spool = place.map(|place| Arc::clone(place.root()));
    let mut roots = recipients.roots();
    roots.extend(spool.iter().cloned());
    roots.sort();
    roots.dedup();
    let limits = &config.limits;
    Disks::among(known, &roots, limits.deliveries, limits.disk_errors).always(spool)
}

impl Default for Parts {
    fn default() -> Self {
        let events = Events::default();
        Self {
            added: Own::default(),
            consumers: Consumers::default(),
            users: None,
            counts: Counts::default(),
            uses: Uses::default(),
            disks: Known::default(),
            health: Health::new(events.clone()),
            events,
            logging: None,
            stores: Stores::default(),
        }
    }
}

/// All that somebody still uses.
#[derive(Clone, Debug, Default)]
pub(super) struct Stores(Arc<Mutex<Vec<Weak<Store>>>>);

impl Stores {
    /// Puts what is promised where it belongs. A configuration that ends does not do this: the next
    /// one may have the same store.
    pub(super) fn close(&self) {
        let stores: Vec<_> = lock(&self.0).iter().filter_map(Weak::upgrade).collect();
        for store in stores {
            store.close();
        }
    }
}

impl Parts {
    /// The store that works as the configuration says, if somebody has it, else another one. Two
    /// cannot have the same log.
    fn store(&self, config: &Config, source: &Source) -> Result<Arc<Store>, ConfigError> {
        let settings = config.maildir();
        let mut stores = lock(&self.stores.0);
        stores.retain(|store| store.strong_count() > 0);
        for store in stores.iter().filter_map(Weak::upgrade) {
            if *store.settings() == settings {
                return Ok(store);
            }
            if let Some(key) = conflict(store.settings(), &settings) {
                let message = "a change of this needs a restart while maildir.durability is journal, in which mail waits as it was to be stored";
                return Err(source.error(key, message));
            }
        }
        let store = Arc::new(Store::new(settings));
        stores.push(Arc::downgrade(&store));
        Ok(store)
    }
}

/// What is different between two stores that would want the same log.
fn conflict(one: &Settings, other: &Settings) -> Option<&'static str> {
    let Settings {
        durability,
        file_mode,
        directory_mode,
        host,
        require_root,
        cached_maildirs,
    } = one;
    let have_logs = [*durability, other.durability] == [Durability::Journal; 2];
    [
        ("maildir.file_mode", *file_mode != other.file_mode),
        (
            "maildir.directory_mode",
            *directory_mode != other.directory_mode,
        ),
        ("hostname", *host != other.host),
        ("maildir.require_root", *require_root != other.require_root),
        (
            "maildir.cached_maildirs",
            *cached_maildirs != other.cached_maildirs,
        ),
    ]
    .into_iter()
    .find(|(_, differs)| have_logs && *differs)
    .map(|(key, _)| key)
}
