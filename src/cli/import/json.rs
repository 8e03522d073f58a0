//! JSON as go-guerrilla reads it: strict. Order and repeated keys are kept.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::ledger::{Ledger, Value};
use super::{Place, Unreadable};

enum Node {
    Single(Value),
    List(Vec<Node>),
    Section(Vec<(String, Node)>),
}

/// Reads a text that is one object.
pub(super) fn read(text: &str) -> Result<Ledger, Unreadable> {
    let node: Node = serde_json::from_str(text).map_err(|error| unreadable(text, &error))?;
    let mut ledger = Ledger::default();
    match node {
        Node::Section(entries) => enter(&mut ledger, "", entries),
        Node::Single(_) | Node::List(_) => {
            let message = "this is no configuration; one begins with {".to_owned();
            return Err(Unreadable {
                place: None,
                message,
            });
        }
    }
    Ok(ledger)
}

fn enter(ledger: &mut Ledger, section: &str, entries: Vec<(String, Node)>) {
    for (name, node) in entries {
        let key = match section {
            "" => name,
            section => format!("{section}.{name}"),
        };
        add(ledger, key, node);
    }
}

fn add(ledger: &mut Ledger, key: String, node: Node) {
    match node {
        Node::Single(value) => ledger.add(key, value),
        Node::Section(entries) if entries.is_empty() => ledger.add(key, Value::Section),
        Node::Section(entries) => enter(ledger, &key, entries),
        Node::List(nodes) => {
            let values: Option<Vec<Value>> = nodes.iter().map(single).collect();
            if let Some(values) = values {
                return ledger.add(key, Value::List(values));
            }
            for (number, node) in nodes.into_iter().enumerate() {
                add(ledger, format!("{key}[{number}]"), node);
            }
        }
    }
}

fn single(node: &Node) -> Option<Value> {
    match node {
        Node::Single(value) => Some(value.clone()),
        Node::List(_) | Node::Section(_) => None,
    }
}

/// What is wrong, for whoever wrote it.
fn unreadable(text: &str, error: &serde_json::Error) -> Unreadable {
    let (line, column) = (error.line(), error.column());
    let said = error.to_string();
    let said = said
        .strip_suffix(&format!(" at line {line} column {column}"))
        .unwrap_or(&said);
    let here = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let is_comment = |at: usize| {
        let rest = here.as_bytes().get(at..).unwrap_or_default();
        [&b"//"[..], b"/*", b"#"]
            .iter()
            .any(|mark| rest.starts_with(mark))
    };
    let message = if is_comment(column.saturating_sub(1)) || is_comment(column.saturating_sub(2)) {
        "JSON has no comments, and go-guerrilla does not read them either; take them away".into()
    } else if said.starts_with("trailing comma") {
        "a comma with nothing behind it; take it away".to_owned()
    } else if said.starts_with("EOF ") {
        "the file ends too early; is it whole?".to_owned()
    } else {
        format!("not JSON: {said}")
    };
    Unreadable {
        place: Some(Place { line, column }),
        message,
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Single(Value::Null))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Single(Value::Flag(flag)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Single(Value::Number(number.to_string())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Single(Value::Number(number.to_string())))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Node, E> {
        // Digits that were not written would be shown for a large one.
        let text = if number.abs() < 1e15 {
            number.to_string()
        } else {
            format!("{number:e}")
        };
        Ok(Node::Single(Value::Number(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Single(Value::Text(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element()? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut section: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = section.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Section(entries))
    }
}
