//! The users and the path of the processor MailDir.

use std::collections::BTreeMap;

use super::draft::{Draft, Said};
use super::ledger::Id;
use super::sheet::{Entry, Value};
use crate::recipients::root_of;
use crate::smtp::address::Mailbox;

/// `name=uid:gid,name2=...` as the users that have a mailbox.
pub(super) fn map(draft: &mut Draft, said: &Said<String>) {
    let mut users: BTreeMap<String, Entry> = BTreeMap::new();
    let mut is_cut = false;
    let records: Vec<&str> = said.value.split(',').map(str::trim).collect();
    for record in &records {
        if record.is_empty() {
            continue;
        }
        let Some((name, uid, gid)) = parts(record) else {
            is_cut = true;
            let why = format!(
                "{record:?} is not name=uid:gid and is left out; go-guerrilla took it for the end \
                 of the list"
            );
            draft.tell(&[said.from], why);
            continue;
        };
        let Some(mut entry) = user(draft, said.from, &name, &uid, &gid) else {
            continue;
        };
        if is_cut {
            let note = "go-guerrilla did not read as far as here.";
            entry.notes.insert(0, note.to_owned());
        }
        if users.insert(entry.key.clone(), entry).is_some() {
            let why = format!("{name:?} is there twice; the last one counts");
            draft.tell(&[said.from], why);
        }
    }
    if users.is_empty() {
        let why = "it names no user; write yours into recipients.users, or everybody has a mailbox";
        return draft.tell(&[said.from], why);
    }
    let has_postmaster = users.contains_key("postmaster");
    let note = if has_postmaster {
        ""
    } else {
        "Mail for the postmaster is always taken, as every server must: into a Maildir of its own, \
         unless recipients.postmaster names the address of one of these."
    };
    let users = Value::Section(users.into_values().collect());
    draft.put("recipients.users", users, &[said.from], note);
}

fn parts(record: &str) -> Option<(String, String, String)> {
    let (name, ids) = record.split_once('=')?;
    let (uid, gid) = ids.split_once(':')?;
    let part = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    Some((part(name)?, part(uid)?, part(gid)?))
}

/// One user, if that can be the name of one.
fn user(draft: &mut Draft, from: Id, name: &str, uid: &str, gid: &str) -> Option<Entry> {
    let folded = name.to_lowercase();
    if Mailbox::parse(&format!("{folded}@example.org")).is_err() {
        let why = format!("{name:?} is not the name of a user and is left out");
        draft.tell(&[from], why);
        return None;
    }
    let mut entry = Entry::new(&folded, Value::Section(owner(draft, from, name, uid, gid)));
    if folded != name {
        let note = format!("{name} was written with capitals, and had no mail so far.");
        entry.notes.push(note);
    }
    Some(entry)
}

/// The owner of a user's mail, if it can be one.
fn owner(draft: &mut Draft, from: Id, name: &str, uid: &str, gid: &str) -> Vec<Entry> {
    let nobody = Vec::new();
    if uid == "-1" || gid == "-1" {
        return nobody;
    }
    let (Ok(uid), Ok(gid)) = (uid.parse::<u32>(), gid.parse::<u32>()) else {
        let why = format!(
            "{name}: {uid}:{gid} are not numbers, and the mail went to root; it has no owner now: \
             write uid and gid of this user"
        );
        draft.tell(&[from], why);
        return nobody;
    };
    if uid == 0 {
        let why = format!("{name}: mail never belongs to root here; write the uid of another user");
        draft.tell(&[from], why);
        return nobody;
    }
    let number = |key: &str, number: u32| Entry::new(key, Value::Word(number.to_string()));
    vec![number("uid", uid), number("gid", gid)]
}

/// A path with `[user]` as our template.
pub(super) fn path(draft: &mut Draft, said: &Said<String>) {
    let old = &said.value;
    if old.contains(['{', '}']) {
        let why = "curly brackets have a meaning in maildir.path, and no path with them can be \
                   written there; rename the folder";
        return draft.tell(&[said.from], why);
    }
    let mut path = old.replacen("[user]", "{user}", 1);
    let mut notes = Vec::new();
    if let Some(rest) = path.strip_prefix("~/") {
        notes.push("The home of whoever runs the server, from the environment; write it in full where HOME is not set.");
        // Not quoted away: it is to be replaced.
        path = format!("/{rest}");
    }
    let is_home = !notes.is_empty();
    if let Err(message) = root_of(&path) {
        let why = format!("{old:?} {message}; write another into maildir.path");
        return draft.tell(&[said.from], why);
    }
    if path.contains("{user}") {
        notes.push("As before, alice at one host is alice at every host; {host} in it would tell them apart.");
    } else {
        notes.push("There is no {user} in it: all mail goes into this one Maildir.");
    }
    let value = if is_home {
        Value::Home(path)
    } else {
        Value::Text(path)
    };
    draft.put("maildir.path", value, &[said.from], &notes.join(" "));
}
