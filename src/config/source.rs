//! Where a configuration comes from.

use std::fmt::Display;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::error::{ConfigError, Fault, Place};
use super::expand::expand;
use super::overrides::{self, Override};
use super::{Config, Environment, document, environment, locate};

/// The configuration file that comes with the program: every key, explained, with its default.
pub const DEFAULTS: &str = include_str!("../../config/maiasaura.yaml");

/// Where a file is looked for when none is named.
pub(super) const CANDIDATES: [&str; 2] = ["config/maiasaura.yaml", "/etc/maiasaura/maiasaura.yaml"];

/// Where a configuration comes from, for errors that are found after it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    name: String,
    text: String,
    overrides: Vec<Override>,
}

/// A configuration that was not read but made.
impl Default for Source {
    fn default() -> Self {
        Self {
            name: "configuration".into(),
            text: String::new(),
            overrides: Vec::new(),
        }
    }
}

impl Source {
    /// The file, or what else it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was read; nothing where it was made.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The last variable of the environment that says something of a key, or of a part of it.
    pub(super) fn overriding(&self, key: &str) -> Option<&str> {
        // A variable has no small letters, and a key may have capital ones.
        let key = key.to_lowercase();
        let mut overrides = self.overrides.iter();
        let applied = overrides.rfind(|applied| is_within(&key, &applied.key.to_lowercase()));
        applied.map(|applied| applied.variable.as_str())
    }

    /// What is wrong with the value of a key such as `recipients.hosts[3]`: with its place in the
    /// file, or with the variable of the environment that says so.
    pub fn error(&self, key: &str, message: impl Display) -> ConfigError {
        let message = format!("{key}: {message}");
        match self.overriding(key) {
            Some(variable) => Fault {
                place: None,
                message,
            }
            .of(variable),
            None => Fault {
                place: (!self.text.is_empty())
                    .then(|| locate::locate(&self.text, key))
                    .flatten(),
                message,
            }
            .of(&self.name),
        }
    }
}

/// Whether one of two keys is part of the other.
fn is_within(key: &str, other: &str) -> bool {
    let (short, long) = if key.len() < other.len() {
        (key, other)
    } else {
        (other, key)
    };
    let rest = long.strip_prefix(short);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Reads the file that is named, or the first that is there.
pub(super) fn load<P: AsRef<Path>>(
    file: Option<&Path>,
    candidates: &[P],
    environment: &Environment,
) -> Result<(Config, Source), ConfigError> {
    let named = environment
        .get(environment::FILE)
        .filter(|name| !name.is_empty());
    if let Some(file) = file.or(named.map(Path::new)) {
        let name = file.display().to_string();
        let octets = fs::read(file).map_err(|error| unreadable(&name, &error))?;
        return read_octets(octets, &name, environment);
    }
    for file in candidates {
        let name = file.as_ref().display().to_string();
        match fs::read(file) {
            Ok(octets) => return read_octets(octets, &name, environment),
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(unreadable(&name, &error)),
        }
    }
    read("", "built-in defaults", environment)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn unreadable(name: &str, error: &io::Error) -> ConfigError {
    let hint = match error.kind() {
        ErrorKind::NotFound => "there is no such file",
        ErrorKind::IsADirectory => "this is a directory; name the file in it",
        ErrorKind::PermissionDenied => "this user may not read it; change its owner or mode",
        _ => {
            return Fault {
                place: None,
                message: format!("cannot be read: {error}"),
            }
            .of(name);
        }
    };
    Fault {
        place: None,
        message: hint.to_owned(),
    }
    .of(name)
}

fn read_octets(
    octets: Vec<u8>,
    name: &str,
    environment: &Environment,
) -> Result<(Config, Source), ConfigError> {
    let text = String::from_utf8(octets).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let place = Place::after(&String::from_utf8_lossy(good));
        let message = "this is not UTF-8; save the file in that encoding".to_owned();
        Fault {
            place: Some(place),
            message,
        }
        .of(name)
    })?;
    read(&text, name, environment)
}

/// Reads a text: replaces variables, parses, overrides, checks.
pub(super) fn read(
    text: &str,
    name: &str,
    environment: &Environment,
) -> Result<(Config, Source), ConfigError> {
    let text = expand(text, environment).map_err(|fault| fault.of(name))?;
    let config = document::read(&text).map_err(|fault| fault.of(name))?;
    let (config, overrides) = overrides::apply(config, &text, environment)?;
    let source = Source {
        name: name.to_owned(),
        text,
        overrides,
    };
    config.check(&source)?;
    Ok((config, source))
}
