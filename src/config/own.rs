//! Sections of processors that are not of this crate: what is in them, only these know.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor, value,
};
use serde::forward_to_deserialize_any;
use serde_yaml::{Mapping, Value};

use super::error::{ConfigError, Fault};
use super::source::Source;
use super::{Config, suggestion};

/// Where they are in the document.
const PROCESSORS: &str = "processors";

/// The section of a processor that is not of this crate, not yet understood.
///
/// [`Daemon::processor_with`](crate::Daemon::processor_with) reads it as the type that the
/// processor wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct ProcessorSection(Value);

/// What a section can be read as: any struct that derives `serde::Deserialize`.
pub trait Section: DeserializeOwned {}

impl<T: DeserializeOwned> Section for T {}

impl Source {
    /// Reads the section of the processor `name` (in any case), which is as if it were empty where
    /// there is none. Keys that the type does not have are refused, whether it says so or not.
    pub fn section<T: Section>(&self, config: &Config, name: &str) -> Result<T, ConfigError> {
        let named = |key: &&String| key.eq_ignore_ascii_case(name);
        let key = config.processors.keys().find(named);
        let key = key.map_or(name, String::as_str);
        let text = text_of(key, config.processors.get(key));
        let fault = match read(&text, key) {
            Ok(section) => return Ok(section),
            Err(fault) => fault,
        };
        let whole_key = format!("{PROCESSORS}.{key}");
        if let Some(variable) = self.overriding(&whole_key) {
            let place = None;
            return Err(Fault { place, ..fault }.of(variable));
        }
        // Where in a text that was made of values means nothing to anybody.
        let fault = match read::<T>(self.text(), key) {
            Err(there) if there.place.is_some() => there,
            _ => Fault {
                place: None,
                ..fault
            },
        };
        Err(fault.of(self.name()))
    }
}

/// A document with nothing but this section.
fn text_of(name: &str, section: Option<&ProcessorSection>) -> String {
    let section = match section {
        Some(ProcessorSection(value)) if !value.is_null() => value.clone(),
        _ => Mapping::new().into(),
    };
    let sections = Mapping::from_iter([(Value::from(name), section)]);
    let document = Mapping::from_iter([(Value::from(PROCESSORS), Value::from(sections))]);
    // A value that was read can be written.
    serde_yaml::to_string(&document).unwrap_or_default()
}

/// Reads the section of `name` in a document.
fn read<T: Section>(text: &str, name: &str) -> Result<T, Fault> {
    let way = Way {
        steps: &[PROCESSORS, name],
        section: PhantomData,
    };
    let found = way.deserialize(serde_yaml::Deserializer::from_str(text))?;
    found.ok_or_else(|| Fault {
        place: None,
        message: format!("{PROCESSORS}.{name}: the section is missing"),
    })
}

/// The way to a section, which is read by the type that it is for: so its errors have the line.
struct Way<'a, T> {
    steps: &'a [&'a str],
    section: PhantomData<T>,
}

impl<'de, T: Section> DeserializeSeed<'de> for Way<'_, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        if self.steps.is_empty() {
            let known = known::<T>();
            return deserializer
                .deserialize_any(Keys {
                    known,
                    section: PhantomData,
                })
                .map(Some);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Section> Visitor<'de> for Way<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a section")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<T>, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == self.steps[0] {
                let rest = Way {
                    steps: &self.steps[1..],
                    section: PhantomData,
                };
                found = map.next_value_seed(rest)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    /// An empty document.
    fn visit_none<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }
}

/// Reads a section whose keys are looked at first.
struct Keys<T> {
    /// Those that there are, if that can be told.
    known: Option<&'static [&'static str]>,
    section: PhantomData<T>,
}

impl<'de, T: Section> Visitor<'de> for Keys<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a section of keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        let map = KnownKeys {
            map,
            known: self.known,
        };
        T::deserialize(value::MapAccessDeserializer::new(map))
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        let empty = std::iter::empty::<(&str, &str)>();
        T::deserialize(value::MapDeserializer::<_, E>::new(empty))
    }
}

/// A map that refuses the keys that nobody reads.
struct KnownKeys<A> {
    map: A,
    known: Option<&'static [&'static str]>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for KnownKeys<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let Some(key) = self.map.next_key_seed(KnownKey(self.known))? else {
            return Ok(None);
        };
        seed.deserialize(value::StringDeserializer::new(key))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// A key that is among those that there are.
struct KnownKey(Option<&'static [&'static str]>);

impl<'de> DeserializeSeed<'de> for KnownKey {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KnownKey {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<String, E> {
        match self.0 {
            Some(known) if !known.contains(&key) => {
                Err(E::custom(suggestion::unknown("key", key, known)))
            }
            _ => Ok(key.to_owned()),
        }
    }
}

/// The keys of a struct; nothing for what is none, or takes any key.
fn known<T: Section>() -> Option<&'static [&'static str]> {
    let mut fields = None;
    let _ = T::deserialize(Probe(&mut fields));
    fields
}

/// Hears what a type asks for, and has nothing.
struct Probe<'a>(&'a mut Option<&'static [&'static str]>);

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("nothing is here"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = Some(fields);
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
