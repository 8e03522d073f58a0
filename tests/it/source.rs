//! Our own sources: which files there are, and which paths each of them names.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file.
pub struct Source {
    /// Its path below the package.
    pub path: String,
    pub text: String,
}

/// The Rust files below `folder`, which may not be there.
pub fn sources(folder: &str) -> Vec<Source> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    list(&package.join(folder), &mut paths);
    paths.sort();
    let read = |path: PathBuf| Source {
        text: fs::read_to_string(&path).expect("a source is text"),
        path: path
            .strip_prefix(package)
            .expect("it lies in the package")
            .to_string_lossy()
            .into_owned(),
    };
    paths.into_iter().map(read).collect()
}

fn list(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            list(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

impl Source {
    /// The module it belongs to at the top of the crate: `smtp` for `src/smtp/line.rs`.
    pub fn module(&self) -> &str {
        let path = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let end = path.find(['/', '.']).unwrap_or(path.len());
        &path[..end]
    }

    /// What is not test: unit tests stand at the foot of a file, or in files of their own.
    pub fn code(&self) -> &str {
        if self.path.contains("/tests/") || self.path.ends_with("/tests.rs") {
            return "";
        }
        let end = self.text.find("#[cfg(test)]\nmod ");
        &self.text[..end.unwrap_or(self.text.len())]
    }

    /// Every path and every word of the code, in full: in `src/smtp/line.rs`,
    /// `super::{a, b}` names `crate::smtp::a` and `crate::smtp::b`. Comments do not count.
    pub fn names(&self) -> Vec<String> {
        let lines = self.code().lines().map(|line| match line.find("//") {
            Some(comment) => &line[..comment],
            None => line,
        });
        let mut words = Words {
            text: &lines.collect::<Vec<_>>().join("\n"),
        };
        let mut names = Vec::new();
        while !words.text.is_empty() {
            words.path("", &mut names);
        }
        names.iter().map(|name| self.absolute(name)).collect()
    }

    /// A path that begins with `self` or `super`, from the root of the crate.
    fn absolute(&self, name: &str) -> String {
        let file = self.path.trim_start_matches("src/");
        let file = file.trim_end_matches(".rs").trim_end_matches("/mod");
        let mut here: Vec<&str> = file.split('/').collect();
        let mut rest = name;
        if let Some(below) = rest.strip_prefix("self::") {
            rest = below;
        }
        while let Some(beside) = rest.strip_prefix("super::") {
            here.pop();
            rest = beside;
        }
        if rest == name {
            return name.to_owned();
        }
        here.insert(0, "crate");
        here.push(rest);
        here.join("::")
    }

    /// The functions with more than `limit` lines.
    pub fn long_functions(&self, limit: usize) -> Vec<String> {
        let lines: Vec<&str> = self.code().lines().collect();
        let mut long = Vec::new();
        for (start, line) in lines.iter().enumerate() {
            let Some(name) = function(line) else { continue };
            let indent = line.len() - line.trim_start().len();
            let end = format!("{}}}", &line[..indent]);
            let body = &lines[start..];
            let declared_only = body
                .iter()
                .find(|line| line.ends_with([';', '{', '}']))
                .is_none_or(|line| !line.ends_with('{'));
            let length = body.iter().position(|line| *line == end).unwrap_or(0) + 1;
            if !declared_only && length > limit {
                long.push(format!("{}: {name} has {length} lines", self.path));
            }
        }
        long
    }
}

/// The name of the function that begins on this line.
fn function(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let qualifiers = [
        "pub",
        "pub(crate)",
        "pub(super)",
        "const",
        "async",
        "extern",
    ];
    before
        .split_whitespace()
        .all(|word| qualifiers.contains(&word))
        .then(|| after.split(['(', '<']).next().unwrap_or(after))
}

/// Source text that is being read.
struct Words<'a> {
    text: &'a str,
}

impl Words<'_> {
    /// Reads one path, or one character that begins none.
    fn path(&mut self, prefix: &str, names: &mut Vec<String>) {
        let mut name = prefix.to_owned();
        loop {
            let word = self.word();
            if word.is_empty() {
                break;
            }
            name = join(&name, word);
            let Some(rest) = self.text.strip_prefix("::") else {
                names.push(name);
                return;
            };
            self.text = rest;
        }
        if name.is_empty() {
            self.skip();
        } else if self.text.starts_with('{') {
            self.group(&name, names);
        } else {
            // `a::*` or `a::<T>`.
            names.push(name);
        }
    }

    /// Reads `{a, b::c}` behind `prefix::`.
    fn group(&mut self, prefix: &str, names: &mut Vec<String>) {
        self.skip();
        while !self.text.is_empty() && !self.text.starts_with('}') {
            if self.text.starts_with(is_word) {
                self.path(prefix, names);
            } else {
                self.skip();
            }
        }
        self.skip();
    }

    fn word(&mut self) -> &str {
        let end = self.text.find(|c| !is_word(c)).unwrap_or(self.text.len());
        let (word, rest) = self.text.split_at(end);
        self.text = rest;
        word
    }

    fn skip(&mut self) {
        let mut chars = self.text.chars();
        chars.next();
        self.text = chars.as_str();
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn join(path: &str, word: &str) -> String {
    if path.is_empty() {
        word.to_owned()
    } else {
        format!("{path}::{word}")
    }
}

#[test]
fn names_of_a_source() {
    let source = Source {
        path: "src/smtp/line.rs".into(),
        text: "use crate::{a, b::{c as x, d::*}}; // std::io
use super::{reply, super::maildir};
fn f() -> std::net::IpAddr {
    g::<T>()
}
#[cfg(test)]
mod tests;
"
        .into(),
    };
    let names = source.names();
    for name in [
        "crate::a",
        "crate::b::c",
        "crate::b::d",
        "crate::smtp::reply",
        "crate::maildir",
        "std::net::IpAddr",
        "g",
        "T",
    ] {
        assert!(names.iter().any(|n| n == name), "{name}: {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("io")), "{names:?}");
    assert!(!names.iter().any(|name| name == "tests"), "{names:?}");
    assert_eq!(source.module(), "smtp");
    assert_eq!(
        source.long_functions(2),
        ["src/smtp/line.rs: f has 3 lines"]
    );
    assert!(source.long_functions(3).is_empty());
}
