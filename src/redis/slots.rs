//! Which node of a cluster has which keys.

use ::redis::{Arg, Cmd, Value};

use super::Endpoint;

/// How many slots a cluster has.
const SLOTS: u16 = 16384;

/// Ranges of slots, and the master of each.
#[derive(Debug, Default)]
pub(super) struct Slots(Vec<(u16, u16, Endpoint)>);

impl Slots {
    /// Reads what `CLUSTER SLOTS` says: `[[first, last, [host, port, ...], ...], ...]`. A host that is
    /// empty is the one that was `asked`.
    pub(super) fn read(answer: Value, asked: &Endpoint) -> Option<Self> {
        let Value::Array(rows) = answer else {
            return None;
        };
        let row = |row: Value| {
            let Value::Array(row) = row else {
                return None;
            };
            let [first, last, Value::Array(master), ..] = &row[..] else {
                return None;
            };
            let [host, port, ..] = &master[..] else {
                return None;
            };
            let node = Endpoint::Tcp(named(host, asked)?, number(port)?);
            Some((number(first)?, number(last)?, node))
        };
        let slots: Vec<_> = rows.into_iter().filter_map(row).collect();
        (!slots.is_empty()).then_some(Self(slots))
    }

    /// The node that has a key; without one it may be any.
    pub(super) fn place(&self, key: Option<&[u8]>) -> Option<&Endpoint> {
        let slot = key.map(slot);
        let has = |range: &&(u16, u16, Endpoint)| {
            slot.is_none_or(|slot| (range.0..=range.1).contains(&slot))
        };
        self.0.iter().find(has).map(|range| &range.2)
    }

    /// All of them, some more than once.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Endpoint> {
        self.0.iter().map(|range| &range.2)
    }
}

fn named(host: &Value, asked: &Endpoint) -> Option<String> {
    let name = match host {
        Value::BulkString(name) => String::from_utf8_lossy(name).into_owned(),
        Value::SimpleString(name) => name.clone(),
        _ => String::new(),
    };
    match (&*name, asked) {
        ("" | "0.0.0.0" | "::", Endpoint::Tcp(host, _)) => Some(host.clone()),
        // Not even the cluster knows.
        ("?" | "", _) => None,
        _ => Some(name),
    }
}

fn number(value: &Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    }
}

/// The key that a command is about, by which it finds its node.
pub(super) fn key(command: &Cmd) -> Option<&[u8]> {
    let simple = |argument| match argument {
        Arg::Simple(octets) => Some(octets),
        _ => None,
    };
    let mut words = command.args_iter().filter_map(simple);
    match words.next()? {
        b"XREADGROUP" | b"XREAD" => words.skip_while(|word| word != b"STREAMS").nth(1),
        b"XGROUP" | b"XINFO" => words.nth(1),
        b"EVAL" | b"EVALSHA" => words.nth(2),
        _ => words.next(),
    }
}

/// CRC16 (XMODEM) of the key, or of what is between its first braces if that is something.
fn slot(key: &[u8]) -> u16 {
    let tag = || {
        let from = key.iter().position(|octet| *octet == b'{')? + 1;
        let length = key[from..].iter().position(|octet| *octet == b'}')?;
        (length > 0).then(|| &key[from..from + length])
    };
    let digest = |digest: u16, octet: &u8| {
        let bit = |digest: u16, _| (digest << 1) ^ if digest >> 15 == 1 { 0x1021 } else { 0 };
        (0..8).fold(digest ^ u16::from(*octet) << 8, bit)
    };
    tag().unwrap_or(key).iter().fold(0, digest) % SLOTS
}

#[cfg(test)]
mod tests {
    use ::redis::cmd;

    use super::*;

    /// The examples of the cluster's specification, and what `CLUSTER KEYSLOT` says.
    #[test]
    fn a_key_has_the_slot_that_redis_gives_it() {
        for (key, expected) in [
            ("123456789", 0x31c3),
            ("foo", 12182),
            ("{foo}bar", 12182),
            ("foo{}{bar}", slot(b"foo{}{bar}")),
            ("", 0),
        ] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
        assert_ne!(slot(b"foo{}{bar}"), slot(b"bar"), "nothing is no tag");
        assert_eq!(slot(b"{user}{1}"), slot(b"user"));
    }

    #[test]
    fn each_command_has_its_key() {
        for (words, expected) in [
            ("SET k v", Some("k")),
            ("XREADGROUP GROUP g c COUNT 1 STREAMS k >", Some("k")),
            ("XGROUP CREATE k g 0 MKSTREAM", Some("k")),
            ("XINFO GROUPS k", Some("k")),
            ("EVAL script 2 k l a", Some("k")),
            ("PING", None),
        ] {
            let mut words = words.split(' ');
            let mut command = cmd(words.next().expect("a name"));
            for word in words {
                command.arg(word);
            }
            assert_eq!(key(&command), expected.map(str::as_bytes));
        }
    }

    #[test]
    fn a_host_that_is_empty_is_the_one_that_was_asked() {
        let asked = Endpoint::Tcp("10.0.0.1".into(), 1);
        let text = |text: &str| Value::BulkString(text.into());
        let row = |first, last, host: &str, port| {
            let master = Value::Array(vec![text(host), Value::Int(port), text("id")]);
            Value::Array(vec![Value::Int(first), Value::Int(last), master])
        };
        let rows = vec![row(0, 12181, "", 7000), row(12182, 16383, "b", 7001)];
        let slots = Slots::read(Value::Array(rows), &asked).expect("slots");
        let place = |key: &str| {
            slots
                .place(Some(key.as_bytes()))
                .expect("a node")
                .to_string()
        };
        assert_eq!(place("foo"), "b:7001");
        assert_eq!(place(""), "10.0.0.1:7000");
    }
}
