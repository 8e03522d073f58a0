//! Variables of the environment that override keys.

use serde_yaml::{Mapping, Value};

use super::environment::{Environment, PREFIX};
use super::error::{ConfigError, Fault};
use super::source::DEFAULTS;
use super::{Config, document};

/// A variable, and the key that it overrides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Override {
    pub(super) variable: String,
    /// Such as `listeners[0].address`.
    pub(super) key: String,
}

/// Reads `text`, which holds `config`, with the overrides of the environment.
pub(super) fn apply(
    mut config: Config,
    text: &str,
    environment: &Environment,
) -> Result<(Config, Vec<Override>), ConfigError> {
    let mut applied = Vec::new();
    let found = environment.overrides();
    if found.is_empty() {
        return Ok((config, applied));
    }
    let mut tree = tree(text);
    let defaults = self::tree(DEFAULTS);
    for (variable, way, value) in found {
        let change = Change {
            way: &way,
            value: scalar_or_flow(value),
        };
        let outcome = change
            .make(&mut tree, 0, Some(&defaults))
            .map_err(|message| Fault {
                place: None,
                message,
            })
            .and_then(|()| document::read(&serde_yaml::to_string(&tree)?));
        // Where in the text of the changed tree means nothing to anybody.
        config = outcome.map_err(|fault| {
            Fault {
                place: None,
                ..fault
            }
            .of(variable)
        })?;
        applied.push(Override {
            variable: variable.to_owned(),
            key: key(&way),
        });
    }
    Ok((config, applied))
}

/// The text was read before: it is well-formed.
fn tree(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap_or_default()
}

/// What is no YAML, such as `*.example.org` or `[::]:25`, is meant as it is.
fn scalar_or_flow(value: &str) -> Value {
    serde_yaml::from_str(value).unwrap_or_else(|_| value.into())
}

fn key(way: &[String]) -> String {
    let mut key = String::new();
    for step in way {
        let is_number = step.parse::<usize>().is_ok();
        let (before, behind) = match key.as_str() {
            _ if is_number => ("[", "]"),
            "" => ("", ""),
            _ => (".", ""),
        };
        key.extend([before, step.as_str(), behind]);
    }
    key
}

struct Change<'a> {
    way: &'a [String],
    value: Value,
}

impl Change<'_> {
    /// Makes the change at `node`, to which the first `depth` steps have led.
    fn make(self, node: &mut Value, depth: usize, default: Option<&Value>) -> Result<(), String> {
        let Some(step) = self.way.get(depth) else {
            *node = self.value;
            return Ok(());
        };
        if step.is_empty() {
            return Err(format!(
                "this names no key; write it as {PREFIX}LIMITS__CONNECTIONS"
            ));
        }
        if node.is_null() {
            *node = beginning(step, default);
        }
        let here = key(&self.way[..depth]);
        match node {
            Value::Sequence(list) => {
                let index = next_or_known(step, list.len())
                    .map_err(|message| format!("{here}: {message}"))?;
                if index == list.len() {
                    list.push(Value::Null);
                }
                let default = default.and_then(|default| default.get(index));
                self.make(&mut list[index], depth + 1, default)
            }
            Value::Mapping(section) => {
                let default = default.and_then(|default| default.get(step));
                let name = name_in(section, step);
                self.make(
                    section.entry(name).or_insert(Value::Null),
                    depth + 1,
                    default,
                )
            }
            _ => Err(format!(
                "{here}: a single value stands here, which has no {step:?} in it"
            )),
        }
    }
}

/// What an absent value is before something in it is changed: a list begins as its default.
fn beginning(step: &str, default: Option<&Value>) -> Value {
    let is_number = step.parse::<usize>().is_ok();
    match default {
        Some(list @ Value::Sequence(_)) => list.clone(),
        Some(Value::Mapping(_)) => Mapping::new().into(),
        _ if is_number => Value::Sequence(Vec::new()),
        _ => Mapping::new().into(),
    }
}

fn next_or_known(step: &str, length: usize) -> Result<usize, String> {
    let index = step.parse().ok().filter(|index| *index <= length);
    index.ok_or_else(|| format!("there is no entry {step:?}; the next one has the number {length}"))
}

/// Names of variables are in capitals, and keys need not be in small letters.
fn name_in(section: &Mapping, step: &str) -> Value {
    let names = section.keys().find(|key| {
        let name = key.as_str();
        name.is_some_and(|name| name.eq_ignore_ascii_case(step))
    });
    names.cloned().unwrap_or_else(|| step.into())
}
