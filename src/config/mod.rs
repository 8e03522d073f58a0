//! The configuration: a YAML file becomes a [`Config`], and a [`Config`] the settings of each layer.
//!
//! Every key has a default; the file may be empty or absent. On the way from the file to the
//! [`Config`], `${NAME}` is replaced from the environment, unknown keys and bad values are refused,
//! `MAIASAURA__LIMITS__CONNECTIONS=5` in the environment overrides a key, and last what single
//! values cannot show is checked: contradictions. Every error says where, which key, what is
//! wrong, and how to mend it.
//!
//! The file is read and never written. No other part of the program knows YAML.
//!
//! ```
//! use maiasaura::Config;
//! use maiasaura::config::Environment;
//!
//! let environment: Environment = [("MAIL", "/var/vmail")].into_iter().collect();
//! let config = Config::parse("maildir: {path: '${MAIL}/{host}/{user}'}", "mine", &environment)?;
//! assert_eq!(config.maildir.path, "/var/vmail/{host}/{user}");
//!
//! let error = Config::parse("threads: 1\nlimits: {conections: 5}", "mine", &environment);
//! let said = error.unwrap_err().to_string();
//! assert!(said.starts_with("mine:2:10: limits: unknown key \"conections\"; did you mean \"connections\"?"));
//! # Ok::<(), maiasaura::config::ConfigError>(())
//! ```

mod acme;
mod asked;
mod auth;
mod auth_http;
mod check;
mod document;
mod environment;
mod error;
mod expand;
mod fastcgi;
mod hidden;
mod limits;
mod listeners;
mod locate;
mod log;
mod metrics;
mod mysql;
mod networks;
mod overrides;
mod own;
mod recipients;
mod redis;
mod scalars;
mod settings;
mod source;
mod spool;
mod storage;
mod stream;
mod suggestion;
#[cfg(test)]
mod tests;
mod tls;
mod units;
mod wording;
mod written;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use self::acme::{AcmeConfig, AcmeDirectory, ChallengeKind};
pub use self::asked::AnswersConfig;
pub use self::auth::{Auth, AuthConfig, Mechanism, Plaintext};
pub use self::auth_http::AuthHttpConfig;
pub use self::environment::Environment;
pub use self::error::{ConfigError, Place};
pub use self::fastcgi::{
    Acknowledge, BodyForm, FastcgiConfig, FastcgiValidateConfig, Handover, PhpAddress,
};
pub use self::hidden::Hidden;
pub use self::limits::{LimitsConfig, TimeoutsConfig};
pub use self::listeners::{Brackets, Habit, ListenerConfig, Protocol, SmtpConfig};
pub use self::log::{Addresses, File, Format, Level, ListenerLogConfig, LogConfig};
pub use self::metrics::MetricsConfig;
pub use self::mysql::{DatabaseAddress, DatabaseTls, MysqlConfig};
pub use self::own::{ProcessorSection, Section};
pub use self::recipients::{Folder, RecipientsConfig, SubaddressConfig};
pub use self::redis::RedisConfig;
pub use self::settings::Descriptors;
pub use self::source::{DEFAULTS, Source};
pub use self::spool::SpoolConfig;
pub use self::storage::{
    CompressorConfig, DebuggerConfig, Durability, Eol, HeaderConfig, MaildirConfig, WildcardConfig,
};
pub use self::stream::StreamConfig;
pub use self::tls::{Asked, ListenerTlsConfig, MinVersion, Mode, PairConfig, TlsConfig};
pub use self::units::{Size, Time};
#[doc(hidden)]
pub use self::written::{quoted, written};
#[doc(inline)]
pub use crate::server::Networks;

use self::scalars::chain;

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "sections of keys")]
pub struct Config {
    /// Our name; see [`Config::hostname`] (default: the machine's name).
    pub hostname: Option<String>,
    /// Where clients connect (default: one, at 127.0.0.1:2525).
    pub listeners: Vec<ListenerConfig>,
    /// What nginx's mail proxy asks (default: nothing).
    pub auth_http: Option<AuthHttpConfig>,
    /// What encrypts connections.
    pub tls: TlsConfig,
    /// Who may log in, and how.
    pub auth: AuthConfig,
    /// How strict we are with clients.
    pub smtp: SmtpConfig,
    /// Whose mail is taken.
    pub recipients: RecipientsConfig,
    /// How Maildirs are written.
    pub maildir: MaildirConfig,
    /// The processors that are asked about every recipient (default: `MailDir`).
    #[serde(deserialize_with = "chain")]
    pub validate: Vec<String>,
    /// The processors that every message goes through
    /// (default: `HeadersParser|Hasher|Header|MailDir`).
    #[serde(deserialize_with = "chain")]
    pub save: Vec<String>,
    /// What the processor Wildcard is told (default: nothing, which it does not accept).
    pub wildcard: Option<WildcardConfig>,
    /// What the processor FastCGI is told (default: nothing, which it does not accept).
    pub fastcgi: Option<FastcgiConfig>,
    /// Where Redis is, and what is put there (default: nothing).
    pub redis: Option<RedisConfig>,
    /// Where MySQL is, and what is written there (default: nothing).
    pub mysql: Option<MysqlConfig>,
    /// How receivers hand mail to workers through Redis.
    pub stream: StreamConfig,
    /// What the processor Header is told.
    pub header: HeaderConfig,
    /// What the processor Debugger is told.
    pub debugger: DebuggerConfig,
    /// What the processor Compressor is told.
    pub compressor: CompressorConfig,
    /// What processors that are not of this crate are told, by their names; these alone know what is
    /// in it ([`Daemon::processor_with`](crate::Daemon::processor_with)).
    pub processors: BTreeMap<String, ProcessorSection>,
    /// Where mail waits for applications.
    pub spool: SpoolConfig,
    /// How much clients may do.
    pub limits: LimitsConfig,
    /// How long things may take.
    pub timeouts: TimeoutsConfig,
    /// What is logged.
    pub log: LogConfig,
    /// Where figures are told, and whether all is well (default: nowhere).
    pub metrics: Option<MetricsConfig>,
    /// The file that our pid is written to while we run (default: none).
    #[serde(deserialize_with = "self::log::pid_file")]
    pub pid_file: Option<PathBuf>,
    /// Threads that serve connections; 0 is one for each core (default: 0).
    pub threads: usize,
}

impl Default for Config {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            hostname: None,
            listeners: vec![ListenerConfig::default()],
            auth_http: None,
            tls: TlsConfig::default(),
            auth: AuthConfig::default(),
            smtp: SmtpConfig::default(),
            recipients: RecipientsConfig::default(),
            maildir: MaildirConfig::default(),
            validate: names(&["MailDir"]),
            save: names(&["HeadersParser", "Hasher", "Header", "MailDir"]),
            wildcard: None,
            fastcgi: None,
            redis: None,
            mysql: None,
            stream: StreamConfig::default(),
            header: HeaderConfig::default(),
            debugger: DebuggerConfig::default(),
            compressor: CompressorConfig::default(),
            processors: BTreeMap::new(),
            spool: SpoolConfig::default(),
            limits: LimitsConfig::default(),
            timeouts: TimeoutsConfig::default(),
            log: LogConfig::default(),
            metrics: None,
            pid_file: None,
            threads: 0,
        }
    }
}

impl Config {
    /// Reads `file`; without one the file that `$MAIASAURA_CONFIG` names, else
    /// `config/maiasaura.yaml`, else `/etc/maiasaura/maiasaura.yaml`, and where none of these is,
    /// the defaults. Then come the overrides of the environment.
    pub fn load(file: Option<&Path>) -> Result<(Self, Source), ConfigError> {
        source::load(file, &source::CANDIDATES, &Environment::of_process())
    }

    /// Reads a text; `name` is what errors call it.
    pub fn parse(text: &str, name: &str, environment: &Environment) -> Result<Self, ConfigError> {
        source::read(text, name, environment).map(|(config, _)| config)
    }

    /// Refuses what would make no server, and contradictions: what was read is checked already, what
    /// was made or changed since is with every start and reload. `source` is where it comes from.
    pub fn check(&self, source: &Source) -> Result<(), ConfigError> {
        check::check(self).map_err(|wrong| source.error(&wrong.key, wrong.message))
    }
}
