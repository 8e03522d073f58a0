//! What another configuration has changed, for who has subscribed.

use super::changes::Reloaded;
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
pub(super) fn events(reloaded: &Reloaded, before: &Config, after: &Config) -> Vec<Event> {
    let mut events = Vec::new();
    for address in &reloaded.closed {
        server(&mut events, address, ListenerChange::Stopped);
        if !is_named(after, address) {
            server(&mut events, address, ListenerChange::Removed);
        }
    }
    for address in &reloaded.opened {
        if !is_named(before, address) {
            server(&mut events, address, ListenerChange::New);
        }
        server(&mut events, address, ListenerChange::Started);
    }
    listeners(&mut events, before, after);
    sections(&mut events, &reloaded.changed, before, after);
    events
}

/// Whether a listener is there, be it enabled or not.
fn is_named(config: &Config, address: &Address) -> bool {
    config.listeners.iter().any(|it| it.address == *address)
}

/// What is told at the start.
pub(super) fn started(first: &Reloaded) -> Vec<Event> {
    let mut events = Vec::new();
    for address in &first.opened {
        server(&mut events, address, ListenerChange::Started);
    }
    events
}

/// Listeners that stay where they are.
fn listeners(events: &mut Vec<Event>, before: &Config, after: &Config) {
    for listener in &after.listeners {
        let mut known = before.listeners.iter();
        let Some(old) = known.find(|old| is_same(old, listener)) else {
            continue;
        };
        let address = &listener.address;
        let keys = updated(old, listener);
        if !keys.is_empty() {
            server(events, address, ListenerChange::Updated { keys });
        }
        if before.tls(old) != after.tls(listener) || before.mode(old) != after.mode(listener) {
            server(events, address, ListenerChange::TlsConfig);
        }
        if old.log.file != listener.log.file {
            let target = listener.log.file.as_ref().unwrap_or(&after.log.file);
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
}

/// Who may connect to a Unix socket is a part of its address.
fn is_same(one: &ListenerConfig, other: &ListenerConfig) -> bool {
    match (&one.address, &other.address) {
        (Address::Unix(one, _), Address::Unix(other, _)) => one == other,
        (one, other) => one == other,
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
