//! Whatever is in the file, there is an answer.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::parse_in;
use crate::config::DEFAULTS;

/// What YAML and the configuration are made of.
const PIECES: [&str; 32] = [
    "\n", "\n  ", "\n- ", ": ", ":", "- ", "[", "]", "{", "}", ",", "\"", "'", "#", " # ", "&a",
    "*a", "!x", "|\n", ">\n", "? ", "~", "---\n", "\t", "${A}", "$${", "${", "<<", "limits",
    "users", "0", "\u{feff}",
];

/// Files that are meant to exhaust memory or the stack.
#[test]
fn hostile_texts() {
    let bomb: String = (1..30).fold("a0: &a0 [x]\n".to_owned(), |text, n| {
        format!("{text}a{n}: &a{n} [*a{m}, *a{m}, *a{m}]\n", m = n - 1)
    });
    let spaces = " ".repeat(100_000);
    for text in [
        "[".repeat(10_000),
        "{a: ".repeat(10_000),
        "- ".repeat(10_000),
        "${".repeat(10_000),
        "\"".repeat(10_001),
        format!("hostname: {}", "x".repeat(1_000_000)),
        format!("{spaces}hostname:{spaces}["),
        bomb,
    ] {
        assert!(parse_in(&text, &[]).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_text(text in "\\PC*|(?s:.{0,200})") {
        let _ = parse_in(&text, &[("A", "b")]);
    }

    #[test]
    fn any_pieces(pieces in vec(select(&PIECES[..]), 0..40)) {
        let _ = parse_in(&pieces.concat(), &[("A", "b")]);
    }

    #[test]
    fn a_good_file_with_a_mistake(at in any::<Index>(), taken in 0..40_usize, piece in select(&PIECES[..])) {
        let characters: Vec<char> = DEFAULTS.chars().collect();
        let at = at.index(characters.len());
        let mut text: String = characters[..at].iter().collect();
        text.push_str(piece);
        text.extend(&characters[(at + taken).min(characters.len())..]);
        if let Err(error) = parse_in(&text, &[("A", "b")]) {
            prop_assert!(!error.to_string().contains('\n'), "one line: {error}");
        }
    }

    #[test]
    fn any_override(name in "[A-Z0-9_@.\\PC]{0,30}", value in "\\PC{0,30}") {
        let _ = parse_in("", &[(&format!("MAIASAURA__{name}"), &value)]);
        let _ = parse_in("", &[(&format!("MAIASAURA__RECIPIENTS__USERS__{name}"), &value)]);
    }

    #[test]
    fn any_value_in_double_quotes(value in "(?s:.{0,40})") {
        let config = parse_in("maildir: {path: \"${A}\"}", &[("A", &value)]);
        prop_assert_eq!(config.map(|config| config.maildir.path), Ok(value));
    }

    #[test]
    fn any_value_without_quotes_means_itself_or_nothing(value in "[ -~]{0,12}") {
        if let Ok(config) = parse_in("hostname: x.${A}", &[("A", &value)]) {
            prop_assert_eq!(config.hostname, Some(format!("x.{value}")));
        }
    }
}
