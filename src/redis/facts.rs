//! What Redis tells of itself.

use std::collections::BTreeMap;

use ::redis::{Value, cmd};

use super::Fault;
use super::link::Link;

/// What Redis tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// What `INFO` says, by name.
    info: BTreeMap<String, String>,
    /// What `CONFIG GET` says of what we ask about; nothing where that is forbidden.
    config: BTreeMap<String, String>,
}

/// What is asked about.
const ASKED: [&str; 6] = [
    "appendonly",
    "appendfsync",
    "maxmemory",
    "maxmemory-policy",
    "proto-max-bulk-len",
    "cluster-require-full-coverage",
];

impl Facts {
    pub(super) fn ask(link: &mut Link) -> Result<Self, Fault> {
        let mut commands = vec![cmd("INFO")];
        for name in ASKED {
            let mut get = cmd("CONFIG");
            get.arg("GET").arg(name);
            commands.push(get);
        }
        let commands: Vec<_> = commands.iter().collect();
        let answers = link.exchange(&commands)?;
        let mut answers = answers.into_iter();
        let info = match answers.next() {
            Some(Value::ServerError(error)) => return Err(Fault::from(&error)),
            Some(info) => lines(&text(&info)),
            None => BTreeMap::new(),
        };
        let mut config = BTreeMap::new();
        for answer in answers {
            if let Value::Array(pair) = answer
                && let [name, value] = &*pair
            {
                config.insert(text(name), text(value));
            }
        }
        Ok(Self { info, config })
    }

    /// A line of `INFO`, such as `redis_version`.
    pub fn info(&self, name: &str) -> Option<&str> {
        self.info.get(name).map(String::as_str)
    }

    /// A key of its configuration; none where it does not tell.
    pub fn config(&self, name: &str) -> Option<&str> {
        self.config.get(name).map(String::as_str)
    }

    /// Whether what it has said that it has is on its disk: `Some(false)` where it may be lost,
    /// `None` where it does not tell.
    pub fn syncs_always(&self) -> Option<bool> {
        let (is_on, when) = (self.config("appendonly")?, self.config("appendfsync")?);
        Some(is_on == "yes" && when == "always")
    }
}

fn lines(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(octets) => String::from_utf8_lossy(octets).into_owned(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.clone(),
        _ => String::new(),
    }
}
