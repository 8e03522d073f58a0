//! What a configuration says of the log.

use log::LevelFilter;

use super::{Settings, Target};
use crate::config::{self, Config, ListenerConfig};
use crate::daemon::line::{Addresses, Format};

/// What the configuration says of the log.
pub fn log_settings(config: &Config) -> Settings {
    let log = &config.log;
    Settings {
        level: level(log.level),
        format: match log.format {
            config::Format::Text => Format::Text,
            config::Format::Logfmt => Format::Logfmt,
            config::Format::Json => Format::Json,
        },
        target: target(&log.file),
        addresses: match log.addresses {
            config::Addresses::Full => Addresses::Full,
            config::Addresses::Domain => Addresses::Domain,
            config::Addresses::Hash => Addresses::Hash,
            config::Addresses::None => Addresses::None,
        },
        crates: Vec::new(),
    }
}

/// What it says of the log of a listener, if that has one of its own.
pub fn listener_log_settings(config: &Config, listener: &ListenerConfig) -> Option<Settings> {
    let own = &listener.log;
    let main = own.is_set().then(|| log_settings(config))?;
    Some(Settings {
        level: own.level.map_or(main.level, level),
        target: own.file.as_ref().map_or(main.target, target),
        ..main
    })
}

/// A level of the configuration as one of the log.
pub(in crate::daemon) fn level(level: config::Level) -> LevelFilter {
    match level {
        config::Level::Error => LevelFilter::Error,
        config::Level::Warn => LevelFilter::Warn,
        config::Level::Info => LevelFilter::Info,
        config::Level::Debug => LevelFilter::Debug,
        config::Level::Trace => LevelFilter::Trace,
    }
}

fn target(file: &config::File) -> Target {
    match file {
        config::File::Stderr => Target::Stderr,
        config::File::Stdout => Target::Stdout,
        config::File::Off => Target::Off,
        config::File::Path(path) => Target::File(path.clone()),
    }
}
