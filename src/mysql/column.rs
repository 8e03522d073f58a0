//! A column as the server describes it, and what fits into it.

use std::borrow::Cow;

/// What a column can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Text.
    Text {
        /// Characters, at most.
        characters: u64,
        /// Octets, at most.
        octets: u64,
        repertoire: Repertoire,
    },
    /// Octets, at most so many.
    Octets(u64),
    /// A number, a time, or what else there is.
    Other,
}

/// The characters that a character set has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repertoire {
    All,
    /// Those of the Basic Multilingual Plane: no emoji.
    Plane,
    Latin1,
    Ascii,
}

/// A column of the live table.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) holds: Holds,
    /// Its type, such as `varchar(128)`, for messages.
    pub(super) shown: String,
    /// Its character set; none if it has no text.
    pub(super) charset: Option<String>,
    /// Whether a row without a value for it is refused.
    pub(super) is_needed: bool,
    /// Whether the server counts it up, so that it never has a value twice.
    pub(super) is_counted: bool,
}

impl Holds {
    /// What a column of this type holds; `characters` and `octets` are those of the server.
    pub(super) fn new(kind: &str, charset: Option<&str>, characters: u64, octets: u64) -> Self {
        match (kind, charset) {
            (
                "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext",
                Some(charset),
            ) => Self::Text {
                characters,
                octets,
                repertoire: Repertoire::of(charset),
            },
            ("binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob", _) => {
                Self::Octets(octets)
            }
            _ => Self::Other,
        }
    }

    /// As much of a text as fits, cut between characters; what the character set does not have becomes a
    /// question mark.
    pub(super) fn fit<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match *self {
            Self::Other => Cow::Borrowed(text),
            Self::Octets(octets) => {
                let most = usize::try_from(octets).unwrap_or(usize::MAX);
                Cow::Borrowed(&text[..text.floor_char_boundary(most)])
            }
            Self::Text {
                characters,
                octets,
                repertoire,
            } => {
                let (mut left, mut room) = (characters, octets);
                let fits = |c: &char| {
                    let takes = repertoire.octets(*c);
                    let fits = left >= 1 && room >= takes;
                    left = left.saturating_sub(1);
                    room = room.saturating_sub(takes);
                    fits
                };
                let end = text.chars().take_while(fits).map(char::len_utf8).sum();
                let text = &text[..end];
                if text.chars().all(|c| repertoire.has(c)) {
                    return Cow::Borrowed(text);
                }
                let replaced = |c| if repertoire.has(c) { c } else { '?' };
                Cow::Owned(text.chars().map(replaced).collect())
            }
        }
    }

    /// Octets that fit.
    pub(super) fn room(&self) -> u64 {
        match self {
            Self::Octets(octets) | Self::Text { octets, .. } => *octets,
            Self::Other => 0,
        }
    }
}

impl Repertoire {
    fn of(charset: &str) -> Self {
        match charset {
            "utf8mb4" | "utf16" | "utf16le" | "utf32" | "gb18030" => Self::All,
            "utf8" | "utf8mb3" | "ucs2" => Self::Plane,
            "latin1" => Self::Latin1,
            _ => Self::Ascii,
        }
    }

    fn has(self, c: char) -> bool {
        match self {
            Self::All => true,
            Self::Plane => c <= '\u{ffff}',
            // Between these, Windows has other characters.
            Self::Latin1 => matches!(c, '\0'..='\u{7f}' | '\u{a0}'..='\u{ff}'),
            Self::Ascii => c.is_ascii(),
        }
    }

    /// The octets that a character takes, at most.
    fn octets(self, c: char) -> u64 {
        match self {
            Self::All => c.len_utf8().max(4 * usize::from(!c.is_ascii())) as u64,
            Self::Plane if c <= '\u{ffff}' => c.len_utf8() as u64,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: &str, charset: &str, characters: u64, octets: u64) -> Holds {
        Holds::new(kind, Some(charset), characters, octets)
    }

    #[test]
    fn values_are_cut_between_characters() {
        for (holds, value, fits) in [
            (text("varchar", "utf8mb4", 3, 12), "gr\u{fc}n", "gr\u{fc}"),
            (
                text("varchar", "utf8mb4", 3, 12),
                "\u{1f95a}\u{1f95a}\u{1f95a}\u{1f95a}",
                "\u{1f95a}\u{1f95a}\u{1f95a}",
            ),
            (text("varchar", "utf8mb3", 5, 15), "a\u{1f95a}b", "a?b"),
            (
                text("tinytext", "utf8mb3", 255, 4),
                "a\u{20ac}\u{20ac}",
                "a\u{20ac}",
            ),
            (
                text("tinytext", "utf8mb3", 255, 4),
                "a\u{1f95a}\u{1f95a}cde",
                "a??c",
            ),
            (
                text("varchar", "latin1", 4, 4),
                "\u{e4}\u{20ac}\u{85}b\u{e4}",
                "\u{e4}??b",
            ),
            (text("char", "koi8r", 9, 9), "\u{e4}b\0", "?b\0"),
            (text("varchar", "utf8mb4", 0, 0), "abc", ""),
            (Holds::new("varbinary", None, 3, 3), "a\u{20ac}", "a"),
            (Holds::new("int", None, 0, 0), "abc", "abc"),
        ] {
            assert_eq!(holds.fit(value), fits, "{value:?} in {holds:?}");
        }
    }

    #[test]
    fn nothing_is_longer_than_its_column() {
        let value = "\u{1f95a}\u{20ac}\u{e4}z".repeat(40);
        for most in 0..60 {
            for charset in ["utf8mb4", "utf8", "latin1", "ascii"] {
                let fits = text("varchar", charset, most, 4 * most)
                    .fit(&value)
                    .into_owned();
                assert_eq!(fits.chars().count() as u64, most, "{charset}");
                let fits = text("text", charset, 1000, most).fit(&value).into_owned();
                assert!(
                    fits.len() as u64 <= most || charset == "latin1",
                    "{charset}"
                );
            }
        }
    }
}
