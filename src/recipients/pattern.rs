//! Host patterns: which hosts are ours.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::capture;
use super::syntax::{self, Form};
use super::trie::Trie;
use crate::smtp::address::Domain;

/// A list of host patterns, compiled so that a hundred thousand of them cost
/// about the same as ten.
///
/// | pattern | matches |
/// |---|---|
/// | `example.org` | that host |
/// | `[192.0.2.1]` | that address literal |
/// | `*.example.org` | every host below example.org, at any depth, but not itself |
/// | `mx?.*.test` | `?` is any one character, `*` any characters, dots and none included |
/// | `{name}.example.org` | one label, or part of one, that is kept under that name |
/// | `*` or `.` | every host and every literal |
///
/// An exact pattern wins; else the one with the most literal characters, of
/// these the longest, of these the first; `*` alone comes last.
#[derive(Clone, Debug)]
pub struct HostPatterns {
    /// The most specific first: a lower number wins.
    patterns: Vec<Pattern>,
    exact: HashMap<Domain, usize>,
    /// `*.suffix`, by suffix: the form that long lists are made of.
    suffixes: HashMap<String, usize>,
    trie: Trie,
    everything: Option<usize>,
    /// How many patterns have a capture of that name.
    captures: BTreeMap<String, usize>,
}

#[derive(Clone, Debug)]
struct Pattern {
    /// Its place in the list that was given.
    index: usize,
    text: String,
    form: Form,
}

/// The pattern that matches a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostMatch<'a> {
    /// The pattern as it was written.
    pub pattern: &'a str,
    /// What its captures stand for, by name.
    pub captures: BTreeMap<String, String>,
}

/// A pattern cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("host pattern {pattern:?}: {message}")]
pub struct PatternError {
    /// Its place in the list, from 0.
    pub index: usize,
    /// The pattern as it was written.
    pub pattern: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl HostPatterns {
    /// Compiles a list of patterns. Case and spaces around a pattern do not matter.
    pub fn new(patterns: &[String]) -> Result<Self, PatternError> {
        let mut patterns = patterns
            .iter()
            .enumerate()
            .map(|(index, text)| Pattern::new(index, text))
            .collect::<Result<Vec<_>, _>>()?;
        // Stable: of equals the earlier stays first.
        let specific = |pattern: &Pattern| (pattern.form.literals(), pattern.text.len());
        patterns.sort_by_cached_key(|pattern| Reverse(specific(pattern)));
        let mut compiled = Self {
            patterns: Vec::new(),
            exact: HashMap::new(),
            suffixes: HashMap::new(),
            trie: Trie::new(),
            everything: None,
            captures: BTreeMap::new(),
        };
        for pattern in patterns {
            compiled.add(pattern);
        }
        Ok(compiled)
    }

    fn add(&mut self, pattern: Pattern) {
        let number = self.patterns.len();
        match &pattern.form {
            Form::Exact(domain) => {
                self.exact.entry(domain.clone()).or_insert(number);
            }
            Form::Below(suffix) => {
                self.suffixes.entry(suffix.clone()).or_insert(number);
            }
            Form::Glob { tokens, names } => {
                self.trie.insert(tokens, number);
                for name in names {
                    *self.captures.entry(name.clone()).or_default() += 1;
                }
            }
            Form::Everything => {
                self.everything.get_or_insert(number);
            }
        }
        self.patterns.push(pattern);
    }

    /// The pattern that decides about `domain`, if there is one.
    pub fn find(&self, domain: &Domain) -> Option<HostMatch<'_>> {
        let number = match (self.exact.get(domain), domain) {
            (Some(&number), _) => Some(number),
            (None, Domain::Name(name)) => self.most_specific(name),
            (None, Domain::Literal(_)) => None,
        };
        let pattern = &self.patterns[number.or(self.everything)?];
        Some(HostMatch {
            pattern: &pattern.text,
            captures: match (&pattern.form, domain) {
                (Form::Glob { tokens, names }, Domain::Name(host)) => {
                    capture::captures(tokens, names, host).unwrap_or_default()
                }
                _ => BTreeMap::new(),
            },
        })
    }

    fn most_specific(&self, name: &str) -> Option<usize> {
        let below = name
            .match_indices('.')
            .find_map(|(dot, _)| self.suffixes.get(&name[dot + 1..]).copied());
        let glob = self.trie.walk(name).first;
        // `min` of two options would prefer the absent one.
        below.into_iter().chain(glob).min()
    }

    /// Whether `*` alone is in the list, so that every host is ours.
    pub fn matches_everything(&self) -> bool {
        self.everything.is_some()
    }

    /// The names of all captures.
    pub(super) fn captures(&self) -> impl Iterator<Item = &str> {
        self.captures.keys().map(String::as_str)
    }

    /// The place and text of the first pattern that has no capture of that name.
    pub(super) fn lacking(&self, capture: &str) -> Option<(usize, &str)> {
        if self.captures.get(capture) == Some(&self.patterns.len()) {
            return None;
        }
        self.patterns
            .iter()
            .filter(|pattern| !pattern.form.captures(capture))
            .map(|pattern| (pattern.index, pattern.text.as_str()))
            .min()
    }

    #[cfg(test)]
    pub(super) fn states_visited(&self, name: &str) -> usize {
        self.trie.walk(name).visited
    }
}

impl Pattern {
    fn new(index: usize, text: &str) -> Result<Self, PatternError> {
        let trimmed = text.trim();
        match syntax::parse(trimmed) {
            Ok(form) => Ok(Self {
                index,
                text: trimmed.to_owned(),
                form,
            }),
            Err(message) => Err(PatternError {
                index,
                pattern: text.to_owned(),
                message,
            }),
        }
    }
}
