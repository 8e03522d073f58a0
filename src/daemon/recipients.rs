//! Whose mail is taken, and who is asked about that.

use std::sync::Arc;

use super::Daemon;
use super::mysql::Sql;
use super::redis::Redis;
use crate::config::Config;
use crate::recipients::{Question, Recipients, UserSource, Users};

impl Daemon {
    /// Has this source asked who has a mailbox, whatever `recipients.users` says. Hosts, aliases and who
    /// stands in for unknown users are those of the configuration.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use maiasaura::recipients::{Pending, UserSource};
    /// use maiasaura::smtp::address::Mailbox;
    /// use maiasaura::{Config, Daemon};
    ///
    /// struct Mine;
    ///
    /// impl UserSource for Mine {
    ///     fn name(&self) -> &str {
    ///         "the directory"
    ///     }
    ///
    ///     fn knows<'a>(&'a self, mailbox: &'a Mailbox) -> Pending<'a, Result<bool, String>> {
    ///         Box::pin(async { Ok(mailbox.local_part() == "alice") })
    ///     }
    /// }
    ///
    /// let mut config = Config::default();
    /// config.recipients.hosts = vec!["example.org".into()];
    /// # let folder = tempfile::tempdir()?;
    /// # config.listen_on("127.0.0.1:0")?;
    /// # config.maildir.path = format!("{}/{{user}}", folder.path().display());
    /// let running = Daemon::new(config).recipients(Arc::new(Mine)).start()?;
    /// # running.shutdown();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn recipients(mut self, source: Arc<dyn UserSource>) -> Self {
        self.parts.users = Some(source);
        self
    }
}

/// The recipients of a configuration; those whom `own` knows, if there is such a source. An error
/// comes with its key.
pub(super) fn load(
    config: &Config,
    own: Option<&Arc<dyn UserSource>>,
    sql: &Sql,
    redis: &Redis,
) -> Result<Recipients, (String, String)> {
    let mut settings = config.recipients();
    if own.is_some() {
        settings.users = Users::Asked(Question::default());
    }
    let recipients = Recipients::new(&settings).map_err(|error| {
        let message = format!("{:?} {}", error.value, error.message);
        (error.key, message)
    })?;
    let source = match (own, &settings.users) {
        (Some(own), _) => Arc::clone(own),
        (None, Users::Asked(question)) => source(sql, redis, question)
            .map_err(|message| (format!("recipients.users.{}", question.of), message))?,
        (None, _) => return Ok(recipients),
    };
    Ok(recipients.with_source(source, config.recipients.answers.asking()))
}

/// Who answers a question of the configuration.
fn source(sql: &Sql, redis: &Redis, question: &Question) -> Result<Arc<dyn UserSource>, String> {
    let Question { of, text } = question;
    match of.as_str() {
        "mysql" => sql.users(text),
        "redis" => redis.users(text),
        _ => Err(format!(
            "{of} is not in this build: build with `--features {of}`"
        )),
    }
}
