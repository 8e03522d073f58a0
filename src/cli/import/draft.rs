//! The old configuration on its way to ours: values are read from the ledger, entries are put on
//! the sheet, and what cannot be put there is told.

use super::ledger::{self, Id, Ledger, Value};
use super::sheet::{self, Entry, Sheet};

/// What a key says, and which key.
#[derive(Clone, Debug)]
pub(super) struct Said<T> {
    pub(super) value: T,
    pub(super) from: Id,
}

/// What a person has to know about keys of the file.
#[derive(Debug)]
pub(super) struct Remark {
    pub(super) keys: Vec<Id>,
    /// Why it is not as it was, and what to do.
    pub(super) why: String,
}

#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) ledger: Ledger,
    pub(super) sheet: Sheet,
    pub(super) remarks: Vec<Remark>,
}

/// No number that is counted is as large.
const BEYOND: f64 = 18_446_744_073_709_551_616.0;
const NOT_READ: &str = "the default stands in the result";

impl Draft {
    pub(super) fn new(ledger: Ledger) -> Self {
        Self {
            ledger,
            ..Self::default()
        }
    }

    /// The key of that name. One that go-guerrilla did not know in that case is told.
    fn find(&mut self, key: &str) -> Option<Id> {
        let id = self.ledger.find(key)?;
        let (wanted, there) = (ledger::last(key), ledger::last(self.ledger.key(id)));
        if ledger::is_looked_up(key) && there != wanted {
            let why = format!(
                "go-guerrilla knew {wanted} in this case only, and did as if nothing were written; \
                 the result has what was meant"
            );
            let is_told = |remark: &Remark| remark.keys == [id] && remark.why == why;
            if !self.remarks.iter().any(is_told) {
                self.tell(&[id], why);
            }
        }
        Some(id)
    }

    /// A text; an empty one too.
    pub(super) fn text(&mut self, key: &str) -> Option<Said<String>> {
        let from = self.find(key)?;
        match self.ledger.value(from) {
            Value::Text(text) => {
                let value = text.trim().to_owned();
                Some(Said { value, from })
            }
            other => {
                let why = format!("{other} is not a text in quotes; {NOT_READ}");
                self.tell(&[from], why);
                None
            }
        }
    }

    /// A text that says something. An empty one is accounted for: it meant the same as no key.
    pub(super) fn some_text(&mut self, key: &str) -> Option<Said<String>> {
        let said = self.text(key)?;
        if said.value.is_empty() {
            self.tell(&[said.from], "it is empty, as if it were not there");
            return None;
        }
        Some(said)
    }

    /// A number from 0 on, with or without quotes.
    pub(super) fn count(&mut self, key: &str) -> Option<Said<u64>> {
        let from = self.find(key)?;
        let text = match self.ledger.value(from) {
            Value::Number(text) | Value::Text(text) => text.trim(),
            _ => "",
        };
        let value = text.parse().ok();
        if value.is_none() {
            let is_large = text.parse().is_ok_and(|number: f64| number >= BEYOND);
            let what = if is_large {
                "is more than can be"
            } else {
                "is not a number from 0 on"
            };
            let shown = self.ledger.value(from).to_string();
            self.tell(&[from], format!("{shown} {what}; {NOT_READ}"));
        }
        value.map(|value| Said { value, from })
    }

    /// true or false, with or without quotes, or Y or N.
    pub(super) fn flag(&mut self, key: &str) -> Option<Said<bool>> {
        let from = self.find(key)?;
        let value = match self.ledger.value(from) {
            Value::Flag(flag) => Some(*flag),
            Value::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "y" | "yes" | "true" | "on" | "1" => Some(true),
                "n" | "no" | "false" | "off" | "0" | "" => Some(false),
                _ => None,
            },
            _ => None,
        };
        if value.is_none() {
            let shown = self.ledger.value(from).to_string();
            self.tell(
                &[from],
                format!("{shown} is neither true nor false; {NOT_READ}"),
            );
        }
        value.map(|value| Said { value, from })
    }

    /// A list of texts, or one text with commas. Blanks around them are kept.
    pub(super) fn list(&mut self, key: &str) -> Option<Said<Vec<String>>> {
        let from = self.find(key)?;
        let texts = match self.ledger.value(from) {
            Value::Text(text) => Some(text.split(',').map(str::to_owned).collect()),
            Value::List(values) => values.iter().map(text_of).collect(),
            _ => None,
        };
        let Some(value) = texts else {
            let shown = self.ledger.value(from).to_string();
            self.tell(
                &[from],
                format!("{shown} is not a list of texts; {NOT_READ}"),
            );
            return None;
        };
        Some(Said { value, from })
    }

    /// Whether a key is written as one text and not as a list.
    pub(super) fn is_text(&self, from: Id) -> bool {
        matches!(self.ledger.value(from), Value::Text(_))
    }

    /// An entry that comes from these keys, which are accounted for with it.
    pub(super) fn entry(&mut self, value: sheet::Value, from: &[Id]) -> Entry {
        let mut entry = Entry::new("", value);
        for id in from {
            self.ledger.settle(*id);
            let key = self.ledger.key(*id).to_owned();
            if !entry.from.contains(&key) {
                entry.from.push(key);
            }
        }
        entry
    }

    /// Puts an entry on the sheet.
    pub(super) fn put(&mut self, path: &str, value: sheet::Value, from: &[Id], note: &str) {
        let mut entry = self.entry(value, from);
        if !note.is_empty() {
            entry.notes.push(note.to_owned());
        }
        self.sheet.put(path, entry);
    }

    /// Tells about keys; that accounts for them.
    pub(super) fn tell(&mut self, keys: &[Id], why: impl Into<String>) {
        for id in keys {
            self.ledger.settle(*id);
        }
        self.remarks.push(Remark {
            keys: keys.to_vec(),
            why: why.into(),
        });
    }

    /// Tells about a key, if it is there.
    pub(super) fn tell_of(&mut self, key: &str, why: &str) {
        if let Some(id) = self.ledger.find(key) {
            self.tell(&[id], why);
        }
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}
