//! Where in a document a key is.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::error::{Fault, Place};

/// The place of the value of a key such as `recipients.hosts[3]`, or of the innermost list or
/// section around it that is in the text.
pub(super) fn locate(text: &str, key: &str) -> Option<Place> {
    let around = || locate(text, &key[..key.rfind(['.', '['])?]);
    place(text, key).or_else(around)
}

/// The parser tells places only with errors: so the document is read by somebody who follows the
/// key and finds fault with what is there.
fn place(text: &str, key: &str) -> Option<Place> {
    let fault = Way(key)
        .deserialize(serde_yaml::Deserializer::from_str(text))
        .err()?;
    Fault::from(fault).place
}

/// The rest of the way. A key may have dots and brackets in itself, `aliases.info@example.org[0]`:
/// the document knows.
#[derive(Clone, Copy)]
struct Way<'a>(&'a str);

impl Way<'_> {
    /// What is left behind `key`, if it leads there.
    fn behind(self, key: &str) -> Option<Self> {
        let rest = self.0.strip_prefix(key)?;
        match rest.strip_prefix('.') {
            Some(rest) => Some(Self(rest)),
            None => (rest.is_empty() || rest.starts_with('[')).then_some(Self(rest)),
        }
    }

    /// The number of an entry, and what is left behind it.
    fn entry(self) -> Option<(usize, Self)> {
        let (number, rest) = self.0.strip_prefix('[')?.split_once(']')?;
        Some((
            number.parse().ok()?,
            Self(rest.strip_prefix('.').unwrap_or(rest)),
        ))
    }
}

impl<'de> DeserializeSeed<'de> for Way<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.0.is_empty() {
            return deserializer.deserialize_any(Here);
        }
        deserializer.deserialize_any(self)
    }
}

/// Where the way ends: everything is an error.
struct Here;

impl Visitor<'_> for Here {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

/// A scalar on the way is an error too: the way goes no further in the text.
impl<'de> Visitor<'de> for Way<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or a section")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match self.behind(&key) {
                Some(rest) => map.next_value_seed(rest)?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Some((number, rest)) = self.entry() else {
            return Err(A::Error::custom("an entry has a number"));
        };
        for _ in 0..number {
            if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        list.next_element_seed(rest)?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}
