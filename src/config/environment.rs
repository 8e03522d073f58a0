//! The environment as far as the configuration reads it.

use std::collections::BTreeMap;

/// Variables that override a key begin with this, see [`Environment::overrides`].
pub(super) const PREFIX: &str = "MAIASAURA__";
/// Names the configuration file.
pub(super) const FILE: &str = "MAIASAURA_CONFIG";

/// Variables by name. A value of its own, so that whoever reads a configuration says which
/// environment counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// That of this process, without what is not UTF-8.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os();
        variables
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// What a variable says, if it is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The variables that override a key, in alphabetical order with their numbers in numerical
    /// order: the name, the way to the key, the value. `MAIASAURA__LISTENERS__0__ADDRESS` leads to
    /// the address of the first listener.
    pub(super) fn overrides(&self) -> Vec<(&str, Vec<String>, &str)> {
        let way = |rest: &str| rest.split("__").map(str::to_lowercase).collect::<Vec<_>>();
        let mut overrides: Vec<_> = self
            .0
            .iter()
            .filter_map(|(name, value)| {
                let rest = name.strip_prefix(PREFIX)?;
                Some((name.as_str(), way(rest), value.as_str()))
            })
            .collect();
        overrides.sort_by_cached_key(|(_, way, _)| {
            let number = |step: &String| (step.parse::<usize>().ok(), step.clone());
            way.iter().map(number).collect::<Vec<_>>()
        });
        overrides
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let owned = |(name, value): (N, V)| (name.into(), value.into());
        Self(variables.into_iter().map(owned).collect())
    }
}
