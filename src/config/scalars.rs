//! How single values are read from YAML. An error that a visitor gives has the line and the key
//! added by the parser; one that comes through `untagged` or `flatten` would have neither.

use std::fmt;
use std::net::SocketAddr;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor, value};

use super::suggestion;

/// A value that is written as one scalar, which `read` makes sense of.
pub(super) struct Scalar<T, F: Fn(&str) -> Result<T, String>> {
    pub(super) expected: &'static str,
    pub(super) read: F,
}

impl<T, F: Fn(&str) -> Result<T, String>> Visitor<'_> for Scalar<T, F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u128<E: Error>(self, number: u128) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i128<E: Error>(self, number: i128) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

/// Reads an address and a port.
pub(super) fn socket(text: &str, example: &str) -> Result<SocketAddr, String> {
    let no_socket =
        |_| format!("{text:?} is no IP address with a port; write one such as {example}");
    text.parse().map_err(no_socket)
}

/// One of a few words.
pub(super) fn word<'de, T: Copy, D: Deserializer<'de>>(
    words: &[(&str, T)],
    deserializer: D,
) -> Result<T, D::Error> {
    let read = |text: &str| {
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            suggestion::unknown("word", text, &known)
        })
    };
    deserializer.deserialize_any(Scalar {
        expected: "a word",
        read,
    })
}

/// Enums that are written as words.
macro_rules! words {
    (
        $(#[$about:meta])*
        pub enum $name:ident { $($(#[$meaning:meta])* $variant:ident = $word:literal,)* }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name { $($(#[$meaning])* $variant,)* }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$variant => $word,)* })
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::config::scalars::word(&[$(($word, Self::$variant),)*], deserializer)
            }
        }
    };
}
pub(super) use words;

/// Texts: a list, or a single one without brackets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Texts(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let one = |text: &str| Ok(vec![text.to_owned()]);
        deserializer
            .deserialize_any(ListOr {
                expected: "a list of texts",
                one,
            })
            .map(Self)
    }
}

/// As [`Texts`].
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Texts::deserialize(deserializer).map(|texts| texts.0)
}

/// Names of processors: a list, or `A|B`.
pub(super) fn chain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let split = |text: &str| {
        let names: Vec<String> = text.split('|').map(|name| name.trim().to_owned()).collect();
        if names.iter().any(String::is_empty) {
            return Err(format!(
                "{text:?} has a gap; write names of processors as A|B"
            ));
        }
        Ok(names)
    };
    let expected = "processors as A|B, or a list of them";
    deserializer.deserialize_any(ListOr {
        expected,
        one: split,
    })
}

/// A list of texts, or one text that `one` makes a list of.
struct ListOr<F: Fn(&str) -> Result<Vec<String>, String>> {
    expected: &'static str,
    one: F,
}

impl<'de, F: Fn(&str) -> Result<Vec<String>, String>> Visitor<'de> for ListOr<F> {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<String>, E> {
        (self.one)(text).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<String>, A::Error> {
        Vec::deserialize(value::SeqAccessDeserializer::new(list))
    }
}
