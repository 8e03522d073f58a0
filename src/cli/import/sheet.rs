//! Our configuration while it is being made: a tree of keys with what they come from, written in
//! the order of `config/maiasaura.yaml`.

use crate::config::{quoted, written};

/// The order of sections.
const ORDER: [&str; 17] = [
    "hostname",
    "listeners",
    "smtp",
    "recipients",
    "maildir",
    "validate",
    "save",
    "wildcard",
    "fastcgi",
    "mysql",
    "redis",
    "debugger",
    "tls",
    "limits",
    "timeouts",
    "log",
    "pid_file",
];
const WIDTH: usize = 100;

/// What is written behind a key.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A number, a word, a time: as it is.
    Word(String),
    /// A text, quoted where it has to be.
    Text(String),
    /// A path below the home of whoever runs the server.
    Home(String),
    /// Texts.
    List(Vec<String>),
    /// A section on lines of its own; one that is empty is `{}`.
    Section(Vec<Entry>),
    /// A list of sections.
    Items(Vec<Item>),
}

/// A key.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Value,
    /// The keys that it comes from.
    pub(super) from: Vec<String>,
    /// Comments above it.
    pub(super) notes: Vec<String>,
}

/// An element of a list of sections.
#[derive(Clone, Debug, Default)]
pub(super) struct Item {
    pub(super) entries: Vec<Entry>,
    pub(super) notes: Vec<String>,
    /// Whether it is written as a comment.
    pub(super) is_off: bool,
}

/// The whole of it: entries with the sections that they are in, such as `fastcgi.validate`.
#[derive(Debug, Default)]
pub(super) struct Sheet(Vec<(String, Entry)>);

impl Entry {
    pub(super) fn new(key: &str, value: Value) -> Self {
        Self {
            key: key.to_owned(),
            value,
            from: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl Sheet {
    /// Adds a key, given with its sections, such as `limits.connections`.
    pub(super) fn put(&mut self, path: &str, mut entry: Entry) {
        let (section, key) = path.rsplit_once('.').unwrap_or(("", path));
        key.clone_into(&mut entry.key);
        self.0.push((section.to_owned(), entry));
    }

    pub(super) fn has(&self, path: &str) -> bool {
        let (section, key) = path.rsplit_once('.').unwrap_or(("", path));
        let mut entries = self.0.iter();
        entries.any(|(other, entry)| other == section && entry.key == key)
    }

    /// It as YAML.
    pub(super) fn yaml(self) -> String {
        let mut entries = nested(self.0);
        let place = |entry: &Entry| ORDER.iter().position(|key| *key == entry.key);
        entries.sort_by_key(place);
        let mut lines = Lines::default();
        for entry in &entries {
            lines.entry(0, entry);
        }
        lines.0
    }
}

/// Entries in their sections.
fn nested(entries: Vec<(String, Entry)>) -> Vec<Entry> {
    let mut nested_entries = Vec::new();
    let mut sections: Vec<(String, Vec<(String, Entry)>)> = Vec::new();
    for (path, entry) in entries {
        if path.is_empty() {
            nested_entries.push(entry);
            continue;
        }
        let (first, rest) = path.split_once('.').unwrap_or((&path, ""));
        let inner = (rest.to_owned(), entry);
        match sections.iter_mut().find(|(name, _)| name == first) {
            Some((_, section)) => section.push(inner),
            None => sections.push((first.to_owned(), vec![inner])),
        }
    }
    let sections = sections.into_iter();
    nested_entries
        .extend(sections.map(|(name, inner)| Entry::new(&name, Value::Section(nested(inner)))));
    nested_entries
}

/// A text on one line, whatever is in it.
pub(super) fn on_one_line(text: &str) -> String {
    let visible = |c: char| match c {
        c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
            c.escape_default().collect()
        }
        c => c.to_string(),
    };
    text.chars().map(visible).collect()
}

/// A comment, broken into lines.
pub(super) fn comment(indent: usize, text: &str) -> String {
    let start = format!("{}#", " ".repeat(indent));
    let text = on_one_line(text);
    let mut lines = String::new();
    let mut line = start.clone();
    for word in text.split(' ') {
        if line.len() + 1 + word.chars().count() > WIDTH && line.len() > start.len() {
            lines.push_str(&line);
            lines.push('\n');
            line.clone_from(&start);
        }
        line.push(' ');
        line.push_str(word);
    }
    lines + &line + "\n"
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn entry(&mut self, indent: usize, entry: &Entry) {
        for note in &entry.notes {
            self.0.push_str(&comment(indent, note));
        }
        let key = format!("{}{}:", " ".repeat(indent), written(&entry.key));
        let from = from(entry);
        match &entry.value {
            Value::Section(entries) if !entries.is_empty() => {
                self.line(&key, from);
                for entry in entries {
                    self.entry(indent + 2, entry);
                }
            }
            Value::Items(items) => {
                self.line(&key, from);
                for item in items {
                    self.item(indent + 2, item);
                }
            }
            Value::List(texts) => self.list(indent, &key, texts, from),
            Value::Section(_) => self.line(&format!("{key} {{}}"), from),
            Value::Word(word) => self.line(&format!("{key} {word}"), from),
            Value::Text(text) => self.line(&format!("{key} {}", written(text)), from),
            Value::Home(path) => {
                let path = quoted(path);
                self.line(&format!("{key} \"${{HOME}}{}", &path[1..]), from);
            }
        }
    }

    /// On one line where there is room.
    fn list(&mut self, indent: usize, key: &str, texts: &[String], from: Option<String>) {
        let texts: Vec<String> = texts.iter().map(|text| written(text)).collect();
        let line = format!("{key} [{}]", texts.join(", "));
        if line.chars().count() <= WIDTH {
            return self.line(&line, from);
        }
        self.line(key, from);
        for text in texts {
            self.line(&format!("{}- {text}", " ".repeat(indent + 2)), None);
        }
    }

    fn item(&mut self, indent: usize, item: &Item) {
        let mut inner = Self::default();
        for entry in &item.entries {
            inner.entry(indent + 2, entry);
        }
        for note in &item.notes {
            self.0.push_str(&comment(indent, note));
        }
        let mut is_first = true;
        for line in inner.0.lines() {
            let is_comment = line.trim_start().starts_with('#');
            let mut line = line.to_owned();
            if is_first && !is_comment {
                line.replace_range(indent..indent + 2, "- ");
                is_first = false;
            }
            if item.is_off {
                line.insert_str(indent.min(line.len()), "# ");
            }
            self.0.push_str(&line);
            self.0.push('\n');
        }
    }

    /// With what it comes from behind it, or above where there is no room.
    fn line(&mut self, line: &str, from: Option<String>) {
        let from = from.map(|from| format!("  # {from}")).unwrap_or_default();
        if line.chars().count() + from.chars().count() <= WIDTH {
            return self.0.extend([line, from.as_str(), "\n"]);
        }
        if !from.is_empty() {
            let indent = line.len() - line.trim_start().len();
            self.0.push_str(&comment(indent, &from["  # ".len()..]));
        }
        self.0.extend([line, "\n"]);
    }
}

/// The first of the keys that it comes from, and how many there are besides.
fn from(entry: &Entry) -> Option<String> {
    let first = on_one_line(entry.from.first()?);
    Some(match entry.from.len() - 1 {
        0 => first,
        1 => format!("{first}, {}", on_one_line(&entry.from[1])),
        others => format!("{first} and {others} more"),
    })
}
