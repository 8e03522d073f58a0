//! How a text is written so that it is read back as it was.

use super::expand::is_special;

/// A text as a value or key of our configuration: as it is where that means the same, else in
/// double quotes. It stays on one line.
pub fn written(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    quoted(text)
}

/// The same as [`written`], always in double quotes.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.replace("${", "$${").chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if is_special(c) => {
                let code = u32::from(c);
                quoted.push_str("\\U");
                quoted.extend((0..8).rev().map(|digit| hex(code >> (4 * digit))));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The last digit of a number.
fn hex(number: u32) -> char {
    char::from_digit(number & 0xf, 16).unwrap_or('0')
}

/// Narrow on purpose: what looks like a number, a word with a meaning or a time is quoted.
fn is_plain(text: &str) -> bool {
    let is_word = |octet: u8| octet.is_ascii_alphanumeric() || b"./_-+".contains(&octet);
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let has_meaning = [
        "true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf",
    ];
    begins_well
        && text.bytes().all(is_word)
        && !has_meaning.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Config, Environment};
    use super::written;

    fn read_back(text: &str) -> String {
        let yaml = format!(
            "maildir: {{path: {0}}}\nspool: {{path: {0}}}\n",
            written(text)
        );
        assert_eq!(yaml.lines().count(), 2, "{yaml}");
        let config = Config::parse(&yaml, "test", &Environment::default());
        config
            .unwrap_or_else(|error| panic!("{yaml}{error}"))
            .maildir
            .path
    }

    #[test]
    fn what_has_a_meaning_in_yaml_is_a_text() {
        for text in [
            "no",
            "Off",
            "12",
            "1e3",
            "0x1f",
            ".inf",
            "~x",
            "a: b",
            "a #b",
            "*.a",
            "[a]",
            "{a}",
            "@a",
            "'a'",
            "\"",
            "\\",
            "-",
            "- a",
            "a\nb",
            "a\u{2028}b",
            "\u{feff}a",
            "${A}",
            "$${A}",
            "$$${",
            "a,b",
            "a:25",
            "\u{7f}",
            " a ",
            "é",
            "\u{10ffff}",
        ] {
            assert_eq!(read_back(text), text);
        }
        assert_eq!(written("/var/vmail"), "/var/vmail");
        assert_eq!(written("mx.example.org"), "mx.example.org");
    }

    proptest! {
        #[test]
        fn every_text_is_read_back(text in "[^\0]{1,40}") {
            prop_assert_eq!(read_back(&text), text);
        }
    }
}
