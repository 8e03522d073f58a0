//! What the parser, and serde, say about mistakes, in our words.

use super::source::DEFAULTS;
use super::suggestion;

/// Says in our words what the parser, or serde, says in theirs. What it does not know stays as it
/// is.
pub(super) fn plain_words(message: &str) -> String {
    unknown_key(message)
        .or_else(|| wrong_type(message))
        .or_else(|| missing_key(message))
        .or_else(|| syntax(message))
        .unwrap_or_else(|| message.to_owned())
}

/// ``limits: unknown field `x`, expected one of `a`, `b` ``
fn unknown_key(message: &str) -> Option<String> {
    let (path, rest) = message.split_once("unknown field `")?;
    let (word, known) = rest.rsplit_once("`, expected ")?;
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let said = match suggestion::nearest(word, &known) {
        None => suggestion::unknown_but("key", word, elsewhere(word).as_deref(), &known),
        nearest => suggestion::unknown_but("key", word, nearest, &known),
    };
    Some(format!("{path}{said}"))
}

/// ``processors.Mine: missing field `table` ``
fn missing_key(message: &str) -> Option<String> {
    let (path, rest) = message.split_once("missing field `")?;
    let (key, _) = rest.split_once('`')?;
    Some(format!("{path}the key {key:?} is missing; write it"))
}

/// The section that has that key, with it: `limits.connections`.
fn elsewhere(word: &str) -> Option<String> {
    let all: serde_yaml::Mapping = serde_yaml::from_str(DEFAULTS).ok()?;
    let mut sections = all.iter();
    let (name, _) = sections.find(|(_, section)| {
        section
            .as_mapping()
            .is_some_and(|keys| keys.contains_key(word))
    })?;
    Some(format!("{}.{word}", name.as_str()?))
}

/// ``limits.errors: invalid type: string "ten", expected u32``
fn wrong_type(message: &str) -> Option<String> {
    let (start, length) = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|kind| Some((message.find(kind)?, kind.len())))?;
    let (path, rest) = (&message[..start], &message[start + length..]);
    let (found, expected) = rest.rsplit_once(", expected ")?;
    if let Some(number) = too_large(found, expected) {
        return Some(format!(
            "{path}{number} is too large; write a smaller number"
        ));
    }
    let expected = match expected {
        "usize" | "u64" | "u32" => "a whole number, 0 or more",
        "a boolean" => "true or false",
        "a string" => "a text",
        "a sequence" => "a list",
        other => other,
    };
    let found = match found {
        "unit value" | "null" => "nothing".to_owned(),
        "sequence" => "a list".to_owned(),
        "map" => "a section".to_owned(),
        "enum" => "a tag".to_owned(),
        other => without_kind(other).trim_matches('`').to_owned(),
    };
    Some(format!("{path}expected {expected}, found {found}"))
}

/// A number that is whole and 0 or more, and still not what is expected: ``integer `5` as u128``.
fn too_large<'a>(found: &'a str, expected: &str) -> Option<&'a str> {
    let number = without_kind(found).trim_matches('`');
    let is_whole = !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit());
    (matches!(expected, "usize" | "u64" | "u32") && is_whole).then_some(number)
}

/// ``integer `5` `` without the first word, and without the type of a very large number.
fn without_kind(found: &str) -> &str {
    let kinds = ["integer ", "boolean ", "floating point ", "string "];
    kinds
        .iter()
        .find_map(|kind| found.strip_prefix(kind))
        .unwrap_or(found)
        .trim_end_matches(" as u128")
        .trim_end_matches(" as i128")
}

/// YAML itself, of which the usual traps are explained.
fn syntax(message: &str) -> Option<String> {
    const HINTS: [(&str, &str); 7] = [
        (
            "while scanning an alias",
            "put quotes around a value that begins with *",
        ),
        (
            "repetition limit exceeded",
            "write out what aliases such as *name stand for, as they stand for too much",
        ),
        (
            "unknown anchor",
            "put quotes around a value that begins with *",
        ),
        (
            "while parsing a flow",
            "put quotes around a value that begins with [ or {",
        ),
        (
            "while parsing a block",
            "check the indentation, and put quotes around a value that begins with [ or {",
        ),
        (
            "cannot start any token",
            "indent with spaces, not with tabs; \
             put quotes around a value that begins with @, ` or %",
        ),
        (
            "mapping values are not allowed",
            "check the indentation; put quotes around a value that has a colon and a blank in it",
        ),
    ];
    if message.contains("more than one document") {
        return Some("there is more than one document; keep one, without --- between".to_owned());
    }
    let (_, hint) = HINTS.iter().find(|(sign, _)| message.contains(sign))?;
    let (problem, _) = message.split_once(", while ").unwrap_or((message, ""));
    Some(format!("{problem}; {hint}"))
}
