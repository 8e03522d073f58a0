//! What another configuration has changed, for who has subscribed.

use super::changes::Reloaded;
use super::listed::Listed;
use crate::config::{Config, ListenerConfig};
use crate::events::{ConfigChange, Event, ListenerChange, ServerChange};
use crate::server::Address;

/// What is done with mail, where go-guerrilla has its `backend_config`.
const BACKEND: [&str; 15] = [
    "validate",
    "save",
    "wildcard",
    "fastcgi",
    "redis",
    "mysql",
    "stream",
    "header",
    "debugger",
    "compressor",
    "processors",
    "maildir",
    "spool",
    "recipients",
    "limits.deliveries",
];

/// What is in force now, and was not before.
pub(super) fn events(reloaded: &Reloaded, before: &Listed, after: &Listed) -> Vec<Event> {
    let mut events = Vec::new();
    let since = after.since(before);
    for address in &reloaded.closed {
        server(&mut events, address, ListenerChange::Stopped);
        let was = before.at(address);
        if was.is_none() || !since.contains(&was) {
            server(&mut events, address, ListenerChange::Removed);
        }
    }
    for address in &reloaded.opened {
        let is = after.at(address);
        if is.is_none_or(|is| since[is].is_none()) {
            server(&mut events, address, ListenerChange::New);
        }
        server(&mut events, address, ListenerChange::Started);
    }
    for (new, old) in since.into_iter().enumerate() {
        if let Some(old) = old {
            listener(&mut events, (before, old), (after, new));
        }
    }
    let (before, after) = (&before.config, &after.config);
    sections(&mut events, &reloaded.changed, before, after);
    events
}

/// What is told at the start.
pub(super) fn started(first: &Reloaded) -> Vec<Event> {
    let mut events = Vec::new();
    for address in &first.opened {
        server(&mut events, address, ListenerChange::Started);
    }
    events
}

/// What is new about a listener that there was before.
fn listener(
    events: &mut Vec<Event>,
    (listed_before, old): (&Listed, usize),
    (listed, new): (&Listed, usize),
) {
    // One that is switched off is called as it was before.
    let place = listed.place(new);
    let address = place.unwrap_or_else(|| listed_before.name(old));
    let (before, after) = (&*listed_before.config, &*listed.config);
    let (old, new) = (listed_before.listener(old), listed.listener(new));
    let keys = updated(old, new);
    if !keys.is_empty() {
        server(events, address, ListenerChange::Updated { keys });
    }
    if before.tls(old) != after.tls(new) || before.mode(old) != after.mode(new) {
        server(events, address, ListenerChange::TlsConfig);
    }
    if old.log.file != new.log.file {
        let target = new.log.file.as_ref().unwrap_or(&after.log.file);
        let target = target.to_string();
        server(events, address, ListenerChange::LogFile { target });
    }
    if before.timeouts != after.timeouts {
        server(events, address, ListenerChange::Timeout);
    }
    let connections = after.limits.connections;
    if before.limits.connections != connections {
        server(events, address, ListenerChange::MaxClients { connections });
    }
}

fn updated(before: &ListenerConfig, after: &ListenerConfig) -> Vec<String> {
    let ListenerConfig {
        enabled,
        address,
        protocol,
        hostname,
        proxy_protocol,
        xclient,
        tls,
        auth,
        log,
    } = before;
    let keys = [
        ("enabled", *enabled != after.enabled),
        ("address", *address != after.address),
        ("protocol", *protocol != after.protocol),
        ("hostname", *hostname != after.hostname),
        ("proxy_protocol", *proxy_protocol != after.proxy_protocol),
        ("xclient", *xclient != after.xclient),
        ("tls", *tls != after.tls),
        ("auth", *auth != after.auth),
        ("log", *log != after.log),
    ];
    let differing = keys.into_iter().filter(|(_, differs)| *differs);
    differing.map(|(key, _)| key.to_owned()).collect()
}

fn sections(events: &mut Vec<Event>, changed: &[&'static str], before: &Config, after: &Config) {
    let mut tell = |change| events.push(Event::ConfigChange(change));
    let is_backend = |key: &&&str| BACKEND.iter().any(|section| key.starts_with(section));
    let own = |keys: &mut dyn Iterator<Item = &&str>| -> Vec<String> {
        keys.map(|key| (*key).to_owned()).collect()
    };
    let keys = own(&mut changed.iter().filter(is_backend));
    if !keys.is_empty() {
        tell(ConfigChange::BackendConfig { keys });
    }
    if before.recipients.hosts != after.recipients.hosts {
        let hosts = after.recipients.hosts.clone();
        tell(ConfigChange::AllowedHosts { hosts });
    }
    if before.pid_file != after.pid_file {
        let path = after.pid_file.clone();
        tell(ConfigChange::PidFile { path });
    }
    if before.log.file != after.log.file {
        let target = after.log.file.to_string();
        tell(ConfigChange::LogFile { target });
    }
    if before.log.level != after.log.level {
        let level = after.log.level.to_string();
        tell(ConfigChange::LogLevel { level });
    }
    if !changed.is_empty() {
        let keys = own(&mut changed.iter());
        tell(ConfigChange::NewConfig { keys });
    }
}

fn server(events: &mut Vec<Event>, address: &Address, change: ListenerChange) {
    let listener = address.to_string();
    events.push(Event::ServerChange(ServerChange { listener, change }));
}
