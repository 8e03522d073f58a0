//! The database of a configuration.

use std::sync::Arc;
use std::time::Duration;

use super::handing::{Consumers, Habits, fills_queue, has_letters, queued};
use crate::chain::Registry;
use crate::config::{Config, Handover};
use crate::disks::Disks;
use crate::maildir::Store;
use crate::mysql::{Database, Question, Users};
use crate::processor::{Bodies, MySql, Processor, Scribe};
use crate::recipients::UserSource;

/// The processor and its queue.
const NAME: &str = "MySQL";
/// Processors that keep mail, beside this one.
const STORES: [&str; 3] = ["MailDir", "FastCGI", "Redis"];
/// How much longer an attempt may take than a statement: there are several, and a connection.
const STATEMENTS: u32 = 5;

/// The database, or what is missing for it.
pub(super) struct Sql(Result<Arc<Database>, String>);

impl Sql {
    pub(super) fn new(config: &Config) -> Self {
        let section = config
            .mysql
            .as_ref()
            .ok_or_else(|| "the section mysql is missing: where the database is".to_owned());
        let settings = section.and_then(|section| section.settings());
        Self(settings.map(|settings| Arc::new(Database::new(settings))))
    }

    /// Adds who writes rows for what waits: mail will be put into the queue, or some was before the
    /// configuration was changed.
    pub(super) fn add_consumer(&self, config: &Config, store: &Arc<Store>, all: &mut Consumers) {
        let Ok(database) = &self.0 else {
            return;
        };
        if !is_queued(config) && !has_letters(NAME, config, store) {
            return;
        }
        let scribe = Scribe::new(Arc::clone(database), bodies(config), level(config));
        let settings = database.settings();
        let habits = Habits {
            timeout: settings.connect_timeout
                + settings.timeout * STATEMENTS
                + Duration::from_secs(1),
            // They are written together, so more of them take no more connections.
            at_once: usize::MAX,
        };
        all.add_with(NAME, Arc::new(scribe), habits);
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
    }

    fn processor(
        &self,
        config: &Config,
        store: &Arc<Store>,
        disks: &Arc<Disks>,
    ) -> Result<Arc<dyn Processor>, String> {
        let database = self.0.as_ref()?;
        let processor = MySql::new(Arc::clone(database), bodies(config));
        if !is_queued(config) {
            return Ok(Arc::new(processor));
        }
        let queued = queued(NAME, config, store, disks)?;
        Ok(Arc::new(processor.queued(queued)))
    }

    /// Who answers for users.
    pub(super) fn users(&self, statement: &str) -> Result<Arc<dyn UserSource>, String> {
        let database = self.0.as_ref()?;
        let question =
            Question::read(statement).map_err(|error| format!("{statement:?} {error}"))?;
        Ok(Arc::new(Users::new(Arc::clone(database), question)))
    }
}

fn is_queued(config: &Config) -> bool {
    let section = config.mysql.as_ref();
    section.is_some_and(|section| section.delivery == Handover::Queued) && fills_queue(NAME, config)
}

/// Whether rows have messages, and whether these are elsewhere, too.
fn bodies(config: &Config) -> Bodies {
    let section = config.mysql.as_ref();
    if !section.is_some_and(|section| section.mail) {
        return Bodies::Without;
    }
    let is_store = |name: &String| {
        STORES
            .iter()
            .any(|store| name.trim().eq_ignore_ascii_case(store))
    };
    if config.save.iter().any(is_store) {
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
