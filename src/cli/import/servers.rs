//! The typed forms: 1.4 and 1.5 with everything at the top, 1.6 and its forks with
//! `backend_config`, and the plan for 2.0.

use super::backend;
use super::doors::{self, Tls};
use super::draft::Draft;
use super::form::Form;
use super::hosts::{self, Reading};
use super::log;
use super::server::{self, Server};
use super::sheet::Entry;

/// The whole file.
pub(super) fn import(draft: &mut Draft, form: Form) {
    if let Some(said) = draft.list("allowed_hosts") {
        // 1.4 and 1.5 knew no patterns.
        let reading = if form == Form::Typed {
            Reading::Names
        } else {
            Reading::Allowed
        };
        hosts::put(draft, "recipients.hosts", &said, reading);
    }
    let count = draft.ledger.sections("servers");
    let mut servers: Vec<Server> = (0..count)
        .map(|number| server(draft, number, form))
        .collect();
    logs(draft, &mut servers);
    if servers.is_empty() {
        draft.tell_of(
            "servers",
            "there is none in it; the result has the default of go-guerrilla",
        );
        servers.push(Server {
            otherwise: "127.0.0.1:2525",
            is_enabled: true,
            ..Server::default()
        });
    }
    server::put(draft, servers);
    log::pid_file(draft, "pid_file");
    backend::import(draft, form);
}

fn server(draft: &mut Draft, number: usize, form: Form) -> Server {
    let place = format!("servers[{number}]");
    let key = |name: &str| format!("{place}.{name}");
    let enabled = draft.flag(&key("is_enabled"));
    let mut notes = Vec::new();
    if enabled.as_ref().is_none_or(|said| !said.value) {
        let why = if enabled.is_some() {
            "It was not enabled."
        } else {
            "It has no is_enabled, which meant that it was not."
        };
        notes.push(why.to_owned());
    }
    let address = draft.some_text(&key("listen_interface"));
    if address.is_none() {
        notes.push("It has no listen_interface, and would not have started.".to_owned());
    }
    let mut doors = Vec::new();
    doors.extend(tls(draft, &place, form));
    doors.extend(doors::proxy(draft, &key("proxyon")));
    doors.extend(doors::xclient(draft, &key("xclient_on")));
    Server {
        address,
        otherwise: "127.0.0.1:2525",
        is_enabled: enabled.as_ref().is_some_and(|said| said.value),
        also_from: enabled.map(|said| said.from),
        hostname: draft.some_text(&key("host_name")),
        max_size: draft.count(&key("max_size")),
        timeout: draft.count(&key("timeout")),
        max_clients: draft.count(&key("max_clients")),
        doors,
        notes,
    }
}

/// In a section of its own since 2018, and before that among the keys of the server.
fn tls(draft: &mut Draft, place: &str, form: Form) -> Option<Entry> {
    let mut flat = Vec::new();
    let mut key = |draft: &Draft, name: &str| {
        let inner = format!("{place}.tls.{name}");
        let outer = format!("{place}.{name}");
        let is_old = draft.ledger.find(&inner).is_none() && draft.ledger.find(&outer).is_some();
        if is_old {
            flat.push(outer.clone());
        }
        if is_old { outer } else { inner }
    };
    let (starttls, implicit) = (key(draft, "start_tls_on"), key(draft, "tls_always_on"));
    let (certificate, private) = (
        key(draft, "public_key_file"),
        key(draft, "private_key_file"),
    );
    let tls = Tls {
        starttls: draft.flag(&starttls),
        implicit: draft.flag(&implicit),
        certificate: draft.some_text(&certificate),
        key: draft.some_text(&private),
    };
    let details = format!("{place}.tls");
    let mut entry = doors::tls(draft, tls, "off", Some(&details))?;
    if !flat.is_empty() && form == Form::Current {
        let note = "go-guerrilla 1.6 ignored keys of TLS that are not in a section tls.";
        entry.notes.push(note.to_owned());
    }
    Some(entry)
}

/// The main log, and those of the servers.
fn logs(draft: &mut Draft, servers: &mut [Server]) {
    let main = draft.some_text("log_file");
    let own: Vec<_> = (0..servers.len())
        .map(|number| draft.some_text(&format!("servers[{number}].log_file")))
        .collect();
    let entries = log::files(draft, main.as_ref(), &own);
    for (server, entry) in servers.iter_mut().zip(entries) {
        server.doors.extend(entry);
    }
}

/// What comes after the servers, at the top of every form.
pub(super) fn level(draft: &mut Draft) {
    if let Some(said) = draft.some_text("log_level") {
        log::level(draft, &said);
    }
    let Some(said) = draft.flag("verbose") else {
        return;
    };
    if draft.sheet.has("log.level") {
        return draft.tell(&[said.from], "log_level says more than it");
    }
    let level = if said.value { "debug" } else { "info" };
    let level = super::sheet::Value::Word(level.to_owned());
    draft.put("log.level", level, &[said.from], "");
}
