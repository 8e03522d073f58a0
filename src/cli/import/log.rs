//! Where lines go, and which; and the pid file.

use super::draft::{Draft, Said};
use super::ledger::Id;
use super::sheet::{Entry, Value};

/// The main log.
pub(super) fn file(draft: &mut Draft, said: &Said<String>) {
    file_of(draft, &said.value, &[said.from]);
}

/// The main log, and the logs of servers; their entries. Where a server's is the main one, its lines
/// are there by themselves.
pub(super) fn files(
    draft: &mut Draft,
    main: Option<&Said<String>>,
    servers: &[Option<Said<String>>],
) -> Vec<Option<Entry>> {
    let chosen = main.map_or("stderr", |said| &said.value);
    let is_main = |said: &&Said<String>| said.value == chosen;
    let same = servers.iter().flatten().filter(is_main);
    let from: Vec<Id> = main.into_iter().chain(same).map(|said| said.from).collect();
    if !from.is_empty() {
        file_of(draft, chosen, &from);
    }
    let own = servers.iter().map(|said| said.as_ref());
    own.map(|said| {
        let said = said.filter(|said| !is_main(said))?;
        let value = value(draft, &said.value, &[said.from], "listeners[].log.file")?;
        let mut file = draft.entry(value, &[said.from]);
        "file".clone_into(&mut file.key);
        Some(Entry::new("log", Value::Section(vec![file])))
    })
    .collect()
}

fn file_of(draft: &mut Draft, text: &str, from: &[Id]) {
    if let Some(value) = value(draft, text, from, "log.file") {
        draft.put("log.file", value, from, "");
    }
}

fn value(draft: &mut Draft, text: &str, from: &[Id], key: &str) -> Option<Value> {
    Some(match text {
        word @ ("stderr" | "stdout" | "off") => Value::Word(word.to_owned()),
        path if path.ends_with('/') => {
            let why = format!("{path:?} is a folder; write a file in it into {key}");
            draft.tell(from, why);
            return None;
        }
        path if path.contains('/') => Value::Text(path.to_owned()),
        name => Value::Text(format!("./{name}")),
    })
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

/// The file with the pid, under any of its names.
pub(super) fn pid_file(draft: &mut Draft, key: &str) {
    let Some(said) = draft.some_text(key) else {
        return;
    };
    let path = said.value;
    if path.ends_with(['/', '.']) {
        let why = format!("{path:?} is no file; write one into pid_file");
        return draft.tell(&[said.from], why);
    }
    let note = "It is removed at the end, and a second server that is to have it does not start.";
    draft.put("pid_file", Value::Text(path), &[said.from], note);
}
