//! Processors that are not of this crate, and their sections of the configuration.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{Daemon, StartError};
use crate::chain::Registry;
use crate::config::{Config, ConfigError, Section, Source};
use crate::processor::Processor;
use crate::server::Service;

impl Daemon {
    /// Adds a processor that the chains may name.
    #[must_use]
    pub fn processor<C>(mut self, name: &str, constructor: C) -> Self
    where
        C: Fn() -> Result<Arc<dyn Processor>, String> + Send + Sync + 'static,
    {
        self.parts.added.add(name, constructor);
        self
    }

    /// The same, for one that has a section of its own in the configuration, which is read as `S`:
    /// `processors: {NAME: {...}}`. Without a section it is as if it were empty. Wrong types,
    /// unknown and missing keys are complained about with their lines, as those of this crate are;
    /// what the constructor finds fault with, with the line of the section.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use maiasaura::config::Environment;
    /// use maiasaura::failure::Failure;
    /// use maiasaura::processor::{Delivery, Pending, Processor, Staged};
    /// use maiasaura::smtp::reply;
    /// use maiasaura::{Config, Daemon};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Largest {
    ///     octets: usize,
    /// }
    ///
    /// impl Processor for Largest {
    ///     fn name(&self) -> &str {
    ///         "Largest"
    ///     }
    ///
    ///     fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
    ///         let is_larger = delivery.mail.content.len() > self.octets;
    ///         let too_large = || Failure::new(reply::TOO_BIG, "larger than Largest");
    ///         Box::pin(async move { if is_larger { Err(too_large()) } else { Ok(Staged::Done) } })
    ///     }
    /// }
    ///
    /// let yaml = "save: Largest|MailDir\nprocessors: {Largest: {octets: lots}}\n";
    /// let config = Config::parse(yaml, "mail.yaml", &Environment::default())?;
    /// let daemon = Daemon::new(config).processor_with("Largest", |largest: Largest| Ok(Arc::new(largest)));
    /// let error = daemon.service().unwrap_err().to_string();
    /// assert_eq!(error, "configuration: processors.Largest.octets: expected a whole number, 0 or more, found \"lots\"");
    /// # Ok::<(), maiasaura::config::ConfigError>(())
    /// ```
    #[must_use]
    pub fn processor_with<S, C>(mut self, name: &str, constructor: C) -> Self
    where
        S: Section,
        C: Fn(S) -> Result<Arc<dyn Processor>, String> + Send + Sync + 'static,
    {
        self.parts.added.add_with(name, constructor);
        self
    }

    /// Lets processors get what they need. Whoever uses a [`service`](Self::service) without the
    /// daemon does this before the first message.
    pub fn start_processors(&self, service: &Service) -> Result<(), StartError> {
        Ok(start(service, &self.source)?)
    }
}

/// Starts the processors of a service.
pub(super) fn start(service: &Service, source: &Source) -> Result<(), ConfigError> {
    let started = smol::block_on(service.chain.start(service.timeouts.shutdown));
    started.map_err(|error| source.error(error.chain, &error.message))
}

/// The processors that somebody has added to a daemon.
#[derive(Default)]
pub(super) struct Own {
    plain: Registry,
    typed: Vec<(String, Make)>,
}

/// Reads the section of a processor, and makes it if it is wanted.
type Make = Box<
    dyn Fn(&Source, &Config, bool) -> Result<Option<Arc<dyn Processor>>, ConfigError> + Send + Sync,
>;

impl Own {
    /// Adds one that has no section.
    pub(super) fn add<C>(&mut self, name: &str, constructor: C)
    where
        C: Fn() -> Result<Arc<dyn Processor>, String> + Send + Sync + 'static,
    {
        self.plain.add(name, constructor);
    }

    /// Adds one that has.
    pub(super) fn add_with<S, C>(&mut self, name: &str, constructor: C)
    where
        S: Section,
        C: Fn(S) -> Result<Arc<dyn Processor>, String> + Send + Sync + 'static,
    {
        let own_name = name.to_owned();
        let make = move |source: &Source, config: &Config, is_wanted: bool| {
            let section = source.section(config, &own_name)?;
            if !is_wanted {
                return Ok(None);
            }
            let key = format!("processors.{own_name}");
            let made = catch_unwind(AssertUnwindSafe(|| constructor(section)))
                .unwrap_or_else(|_| Err("the constructor panicked".to_owned()));
            made.map(Some).map_err(|error| source.error(&key, error))
        };
        self.typed
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.typed.push((name.to_owned(), Box::new(make)));
    }

    /// Reads all sections, and makes those whose processors are in a chain.
    pub(super) fn register(
        &self,
        registry: &mut Registry,
        config: &Config,
        source: &Source,
    ) -> Result<(), ConfigError> {
        registry.extend(&self.plain);
        self.all_are_known(config, source)?;
        for (name, make) in &self.typed {
            let is_named = |other: &String| other.trim().eq_ignore_ascii_case(name);
            let is_wanted = config.validate.iter().chain(&config.save).any(is_named);
            let has_section = config.processors.keys().any(is_named);
            let made = if is_wanted || has_section {
                make(source, config, is_wanted)?
            } else {
                None
            };
            registry.add(name, move || {
                made.clone().ok_or_else(|| "it is in no chain".to_owned())
            });
        }
        Ok(())
    }

    /// Refuses sections that nobody would read.
    fn all_are_known(&self, config: &Config, source: &Source) -> Result<(), ConfigError> {
        let mut seen: Vec<&str> = Vec::new();
        for key in config.processors.keys() {
            let error = |message: String| source.error(&format!("processors.{key}"), message);
            let is_same = |other: &&str| other.eq_ignore_ascii_case(key);
            if let Some(other) = seen.iter().copied().find(|other| is_same(other)) {
                return Err(error(format!(
                    "this is {other} once more; keep one of them"
                )));
            }
            seen.push(key);
            let mut names = self.typed.iter().map(|(name, _)| name.as_str());
            if names.clone().any(|name| is_same(&name)) {
                continue;
            }
            let known = match names.clone().count() {
                0 => "none is known, as this program has no processors of its own".to_owned(),
                _ => format!(
                    "known are: {}",
                    names.by_ref().collect::<Vec<_>>().join(", ")
                ),
            };
            return Err(error(format!(
                "there is no processor of this name that has a section here; {known}"
            )));
        }
        Ok(())
    }
}
