//! Lists of hosts: go-guerrilla's globs as our patterns.

use super::draft::{Draft, Said};
use super::sheet::Value;
use crate::recipients::HostPatterns;

/// Patterns that one set of characters may become.
const MOST: usize = 100;

/// What one entry of the list means.
enum Meaning {
    /// The same hosts, in our words.
    Patterns(Vec<String>),
    /// Every host.
    Everything,
    /// It is left out; why.
    Nothing(String),
}

/// How a list was read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// go-guerrilla's allowed hosts: a single dot is every host, and only what has a * is a glob.
    Allowed,
    /// The processor wildcard: every entry is a glob.
    Globs,
    /// Names alone.
    Names,
}

/// Puts a list of hosts on the sheet at `path`.
pub(super) fn put(draft: &mut Draft, path: &str, said: &Said<Vec<String>>, reading: Reading) {
    let is_alone = said.value.len() == 1;
    let mut patterns: Vec<String> = Vec::new();
    let mut had_blanks = false;
    let was_one_text = draft.is_text(said.from);
    for text in &said.value {
        let host = text.trim();
        had_blanks |= host != text && was_one_text;
        match meaning(host, is_alone, reading) {
            Meaning::Patterns(found) => patterns.extend(found),
            Meaning::Everything => patterns.push("*".to_owned()),
            Meaning::Nothing(why) => draft.tell(&[said.from], format!("{host:?}: {why}")),
        }
    }
    let mut known = std::collections::HashSet::new();
    patterns.retain(|pattern| known.insert(pattern.clone()));
    if patterns.is_empty() {
        let why = format!("no host is left of it; write yours into {path}");
        return draft.tell(&[said.from], why);
    }
    let note = if patterns == ["*"] {
        "Every host in the world: do not let everybody connect."
    } else if had_blanks {
        "Hosts with a blank before or after them were never matched; here they are."
    } else {
        ""
    };
    draft.put(path, Value::List(patterns), &[said.from], note);
}

fn meaning(host: &str, is_alone: bool, reading: Reading) -> Meaning {
    let is_glob = match reading {
        Reading::Allowed => host.contains('*'),
        Reading::Globs => host.contains(['*', '?', '[']),
        Reading::Names => false,
    };
    if host.is_empty() {
        return Meaning::Nothing("an empty entry; take it away".to_owned());
    }
    if host == "." {
        return if is_alone && reading == Reading::Allowed {
            Meaning::Everything
        } else {
            let why = "a dot alone means every host only where nothing else is in the list; \
                       write \"*\" if that was meant";
            Meaning::Nothing(why.to_owned())
        };
    }
    if host.contains(['{', '}', '\\']) {
        let why = "no host name has such characters; write a pattern of hosts";
        return Meaning::Nothing(why.to_owned());
    }
    if !is_glob && !is_literal(host) && host.contains(['*', '?', '[']) {
        let why = "this never matched a host, as only an entry with a * in it is a pattern there; \
                   add it if it is meant, with ? for any one character";
        return Meaning::Nothing(why.to_owned());
    }
    let patterns = if is_glob {
        without_sets(host)
    } else {
        Some(vec![host.to_owned()])
    };
    let Some(patterns) = patterns else {
        let why = format!(
            "sets of characters are not known here, and this one stands for more than {MOST} \
             patterns, or for what is not in it; write ? for any one character"
        );
        return Meaning::Nothing(why);
    };
    match HostPatterns::new(&patterns) {
        Ok(_) => Meaning::Patterns(patterns),
        Err(error) => Meaning::Nothing(error.message),
    }
}

fn is_literal(host: &str) -> bool {
    host.starts_with('[') && host.ends_with(']')
}

/// `mx[12].*.org` as `mx1.*.org` and `mx2.*.org`.
fn without_sets(glob: &str) -> Option<Vec<String>> {
    let mut all = vec![String::new()];
    let mut rest = glob;
    while let Some((before, behind)) = rest.split_once('[') {
        let (set, behind) = behind.split_once(']')?;
        let members = members(set)?;
        if all.len() * members.len() > MOST {
            return None;
        }
        let with = |start: &String| {
            let start = format!("{start}{before}");
            let members = members.iter();
            let with: Vec<_> = members.map(|member| format!("{start}{member}")).collect();
            with
        };
        all = all.iter().flat_map(with).collect();
        rest = behind;
    }
    Some(all.into_iter().map(|start| start + rest).collect())
}

/// The characters of a set, such as `a-cx`.
fn members(set: &str) -> Option<Vec<char>> {
    if set.is_empty() || set.starts_with('^') || !set.is_ascii() {
        return None;
    }
    let mut members = Vec::new();
    let mut rest = set;
    while let Some(first) = rest.chars().next() {
        let mut behind = rest[1..].chars();
        if behind.next() == Some('-') {
            members.extend(first..=behind.next()?);
            rest = &rest[3..];
        } else {
            members.push(first);
            rest = &rest[1..];
        }
    }
    Some(members).filter(|members| !members.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_become_alternatives() {
        let list = |glob| without_sets(glob).unwrap();
        assert_eq!(list("*.org"), ["*.org"]);
        assert_eq!(list("mx[12].*"), ["mx1.*", "mx2.*"]);
        assert_eq!(list("[a-c]*[x]"), ["a*x", "b*x", "c*x"]);
        for odd in [
            "*[^a]",
            "*[",
            "*[]",
            "*[a-]",
            "[a-z][a-z]*",
            "*[é]",
            "*[z-a]",
        ] {
            assert!(without_sets(odd).is_none(), "{odd}");
        }
    }

    /// go-guerrilla's own table of allowed hosts.
    #[test]
    fn globs_match_what_they_matched() {
        let globs = [
            "spam4.me",
            "grr.la",
            "newhost.com",
            "example.*",
            "*.test",
            "wild*.card",
            "multiple*wild*cards.*",
        ];
        let mut patterns = Vec::new();
        for glob in globs {
            match meaning(glob, false, Reading::Allowed) {
                Meaning::Patterns(found) => patterns.extend(found),
                _ => panic!("{glob}"),
            }
        }
        let patterns = HostPatterns::new(&patterns).unwrap();
        for (host, is_ours) in [
            ("spam4.me", true),
            ("dont.match", false),
            ("example.com", true),
            ("another.example.com", false),
            ("anything.test", true),
            ("a.b.test", true),
            ("wild.card", true),
            ("wild.card.com", false),
            ("multipleXwildXcards.com", true),
        ] {
            let domain = crate::smtp::address::Domain::parse(host).unwrap();
            assert_eq!(patterns.find(&domain).is_some(), is_ours, "{host}");
        }
    }
}
