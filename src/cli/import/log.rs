//! Where lines go, and which.

use super::draft::{Draft, Said};
use super::sheet::Value;

/// The main log.
pub(super) fn file(draft: &mut Draft, said: &Said<String>) {
    let file = match said.value.as_str() {
        word @ ("stderr" | "stdout" | "off") => Value::Word(word.to_owned()),
        path if path.ends_with('/') => {
            let why = format!("{path:?} is a folder; write a file in it into log.file");
            return draft.tell(&[said.from], why);
        }
        path if path.contains('/') => Value::Text(path.to_owned()),
        name => Value::Text(format!("./{name}")),
    };
    draft.put("log.file", file, &[said.from], "");
}

/// What is logged.
pub(super) fn level(draft: &mut Draft, said: &Said<String>) {
    let level = match said.value.to_ascii_lowercase().as_str() {
        level @ ("trace" | "debug" | "info" | "error") => level.to_owned(),
        "warn" | "warning" => "warn".to_owned(),
        "fatal" | "panic" => "error".to_owned(),
        _ => {
            let why = format!(
                "{:?} is not a level; write error, warn, info, debug or trace into log.level",
                said.value
            );
            return draft.tell(&[said.from], why);
        }
    };
    draft.put("log.level", Value::Word(level), &[said.from], "");
}
