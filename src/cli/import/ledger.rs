//! What a file says, key by key, and whether that has been accounted for. Reading a key settles
//! nothing: only what is written into our configuration, or told to the person, does. So nothing
//! can be dropped without a word.

use std::fmt;

/// What a key of the file has.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Flag(bool),
    /// As it was written.
    Number(String),
    Text(String),
    List(Vec<Value>),
    /// A section with nothing in it.
    Section,
}

/// One key, as a path such as `servers[0].tls.start_tls_on`.
#[derive(Clone, Debug)]
struct Leaf {
    key: String,
    value: Value,
    is_settled: bool,
}

/// Names a key of a [`Ledger`]; in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(usize);

/// All keys of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger(Vec<Leaf>);

impl Ledger {
    pub(super) fn add(&mut self, key: String, value: Value) {
        self.0.push(Leaf {
            key,
            value,
            is_settled: false,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key of that name, in whatever case; the last one, if it is there more than once. One
    /// that go-guerrilla looked up in a map counts before those in another case.
    pub(super) fn find(&self, key: &str) -> Option<Id> {
        let is_it = |leaf: &Leaf| leaf.key.eq_ignore_ascii_case(key);
        let is_exact = |leaf: &Leaf| is_it(leaf) && last(&leaf.key) == last(key);
        let exact = self.0.iter().rposition(is_exact);
        let exact = exact.filter(|_| is_looked_up(key));
        exact.or_else(|| self.0.iter().rposition(is_it)).map(Id)
    }

    /// Of keys with the same name, in whatever case, the one that counts instead of this one.
    pub(super) fn instead_of(&self, id: Id) -> Option<Id> {
        let Leaf { key, .. } = &self.0[id.0];
        let is_same = |(_, leaf): &(usize, &Leaf)| leaf.key.eq_ignore_ascii_case(key);
        let mut same = self.0.iter().enumerate().filter(is_same);
        let settled = same.clone().rfind(|(_, leaf)| leaf.is_settled);
        let counts = settled.or_else(|| same.next_back());
        counts
            .map(|(number, _)| Id(number))
            .filter(|counts| *counts != id)
    }

    /// Whether there is a key that satisfies this.
    pub(super) fn any(&self, is_it: impl Fn(&str) -> bool) -> bool {
        self.0.iter().any(|leaf| is_it(&leaf.key))
    }

    /// The names that follow `section.`, each once, in the order of the file.
    pub(super) fn names_in(&self, section: &str) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for leaf in &self.0 {
            let Some(rest) = within(&leaf.key, section) else {
                continue;
            };
            let name = rest.split('.').next().unwrap_or(rest);
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// All that is not accounted for in a section, or everywhere if that has no name.
    pub(super) fn unsettled(&self, section: &str) -> Vec<Id> {
        let leaves = self.0.iter().enumerate();
        leaves
            .filter(|(_, leaf)| !leaf.is_settled)
            .filter(|(_, leaf)| section.is_empty() || within(&leaf.key, section).is_some())
            .map(|(number, _)| Id(number))
            .collect()
    }

    /// How many elements the list has whose elements are sections.
    pub(super) fn sections(&self, list: &str) -> usize {
        let number = |leaf: &Leaf| {
            let rest = leaf.key.get(list.len()..)?.strip_prefix('[')?;
            let (number, _) = rest.split_once(']')?;
            let is_it = leaf.key[..list.len()].eq_ignore_ascii_case(list);
            number.parse::<usize>().ok().filter(|_| is_it)
        };
        let highest = self.0.iter().filter_map(number).max();
        highest.map_or(0, |highest| highest + 1)
    }

    pub(super) fn key(&self, id: Id) -> &str {
        &self.0[id.0].key
    }

    pub(super) fn value(&self, id: Id) -> &Value {
        &self.0[id.0].value
    }

    pub(super) fn settle(&mut self, id: Id) {
        self.0[id.0].is_settled = true;
    }
}

/// Whether go-guerrilla looked a key up in a map, which knows it in one case only: those of
/// processors, and those of the flat form. Go reads other keys in any case.
pub(super) fn is_looked_up(key: &str) -> bool {
    let is_flat = !key.contains(|c: char| c.is_ascii_lowercase());
    is_flat || within(key, "backend_config").is_some() || within(key, "backend").is_some()
}

/// The last part of a key.
pub(super) fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// What follows `section.` in a key.
fn within<'a>(key: &'a str, section: &str) -> Option<&'a str> {
    let (start, rest) = (key.get(..section.len())?, key.get(section.len()..)?);
    let rest = rest.strip_prefix('.')?;
    start.eq_ignore_ascii_case(section).then_some(rest)
}

/// As JSON has it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => f.write_str(number),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(values) => {
                let values: Vec<_> = values.iter().map(Self::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
            Self::Section => f.write_str("{}"),
        }
    }
}
