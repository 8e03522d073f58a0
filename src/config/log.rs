//! What is logged.

use std::fmt;
use std::path::PathBuf;

use serde::de::{Deserialize, Deserializer};

use super::scalars::{Scalar, words};
use super::suggestion;

/// What is logged, how, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct LogConfig {
    /// The least important level that is logged (default: info).
    pub level: Level,
    /// How a line looks (default: text).
    pub format: Format,
    /// Where lines go (default: stderr).
    pub file: File,
    /// How much of an address is told (default: full).
    pub addresses: Addresses,
}

/// The log of one listener. What is left out is as in [`LogConfig`].
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct ListenerLogConfig {
    /// Where lines go (default: into that of the whole configuration).
    pub file: Option<File>,
    /// The least important level that is logged (default: that of the whole configuration).
    pub level: Option<Level>,
}

impl ListenerLogConfig {
    /// Whether anything is different there.
    pub fn is_set(&self) -> bool {
        *self != Self::default()
    }
}

words! {
    /// How important a line of the log is.
    pub enum Level {
        /// Something failed that somebody must look after.
        Error = "error",
        /// Something is not as it should be.
        Warn = "warn",
        /// Messages, refused clients, start and stop.
        #[default]
        Info = "info",
        /// What a session does.
        Debug = "debug",
        /// Every octet.
        Trace = "trace",
    }
}

words! {
    /// How a line of the log looks.
    pub enum Format {
        /// For people.
        #[default]
        Text = "text",
        /// `key=value`, for grep.
        Logfmt = "logfmt",
        /// One JSON object, for log shippers.
        Json = "json",
    }
}

words! {
    /// How much of a mail address the log tells.
    pub enum Addresses {
        /// All of it.
        #[default]
        Full = "full",
        /// What follows the `@`.
        Domain = "domain",
        /// A digest: equal addresses have equal ones.
        Hash = "hash",
        /// Nothing.
        None = "none",
    }
}

/// Where lines of the log go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum File {
    /// Standard error.
    #[default]
    Stderr,
    /// Standard output.
    Stdout,
    /// Nowhere.
    Off,
    /// The end of this file.
    Path(PathBuf),
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stderr => f.write_str("stderr"),
            Self::Stdout => f.write_str("stdout"),
            Self::Off => f.write_str("off"),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for File {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| match text {
            "stderr" => Ok(Self::Stderr),
            "stdout" => Ok(Self::Stdout),
            "off" => Ok(Self::Off),
            path if path.contains('/') && !path.ends_with('/') => Ok(Self::Path(path.into())),
            folder if folder.contains('/') => Err(format!(
                "{folder:?} is no file; name one in it, such as {folder}maiasaura.log"
            )),
            word => {
                let unknown = suggestion::unknown("word", word, &["stderr", "stdout", "off"]);
                Err(format!(
                    "{unknown}; a file is written with its path, such as ./mail.log"
                ))
            }
        };
        deserializer.deserialize_any(Scalar {
            expected: "stderr, stdout, off or a path",
            read,
        })
    }
}

/// The path of the pid file.
pub(super) fn pid_file<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<PathBuf>, D::Error> {
    let path = Option::<PidPath>::deserialize(deserializer)?;
    Ok(path.map(|PidPath(path)| path))
}

struct PidPath(PathBuf);

impl<'de> Deserialize<'de> for PidPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| match PathBuf::from(text) {
            path if path.file_name().is_some() && !text.ends_with('/') => Ok(Self(path)),
            _ => Err(format!(
                "{text:?} is no file; write one, such as /run/maiasaura/maiasaura.pid"
            )),
        };
        deserializer.deserialize_any(Scalar {
            expected: "a path",
            read,
        })
    }
}
