//! Servers become listeners, and their limits those of the whole program.

use super::address::{self, Addresses};
use super::draft::{Draft, Said};
use super::ledger::Id;
use super::sheet::{Entry, Item, Value};
use crate::config::{Size, Time};
use crate::smtp::address::Domain;

/// One server of the old configuration.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// Where it listened, if that is written down.
    pub(super) address: Option<Said<String>>,
    /// Where it listens otherwise.
    pub(super) otherwise: &'static str,
    pub(super) is_enabled: bool,
    /// Another key that its address comes from.
    pub(super) also_from: Option<Id>,
    pub(super) hostname: Option<Said<String>>,
    pub(super) max_size: Option<Said<u64>>,
    pub(super) timeout: Option<Said<u64>>,
    pub(super) max_clients: Option<Said<u64>>,
    /// What else its listener has: encryption, proxies, a log.
    pub(super) doors: Vec<Entry>,
    pub(super) notes: Vec<String>,
}

/// Times are bounded by what a machine can count on, and by sense.
const LONGEST: u64 = 24 * 3600;
/// The kernel counts the octets of a file so.
const LARGEST: u64 = i64::MAX.cast_unsigned();

/// Puts them all on the sheet.
pub(super) fn put(draft: &mut Draft, mut servers: Vec<Server>) {
    for server in &mut servers {
        let name = server.hostname.take();
        server.hostname = name.filter(|name| is_host(draft, name));
    }
    let own = own_name(draft, &servers);
    sizes(draft, &servers);
    clients(draft, &servers);
    times(draft, &servers);
    let mut items = Vec::new();
    let mut taken = Vec::new();
    let is_enabled = servers.iter().any(|server| server.is_enabled);
    for server in servers {
        listeners(draft, server, own.as_deref(), &mut taken, &mut items);
    }
    if items.iter().all(|item| item.is_off) {
        let instead = if is_enabled {
            "No address could be read, but one there must be; write yours."
        } else {
            "No server was enabled, but one there must be."
        };
        items.push(Item {
            entries: vec![Entry::new("address", Value::Text("127.0.0.1:2525".into()))],
            notes: vec![instead.to_owned()],
            is_off: false,
        });
    }
    draft.put("listeners", Value::Items(items), &[], "");
}

fn is_host(draft: &mut Draft, name: &Said<String>) -> bool {
    let is_host = Domain::parse(&name.value).is_ok();
    if !is_host {
        let why = format!(
            "{:?} is not a host name; write the name that this machine has in the DNS",
            name.value
        );
        draft.tell(&[name.from], why);
    }
    is_host
}

/// The name of the first server that listens is that of the program.
fn own_name(draft: &mut Draft, servers: &[Server]) -> Option<String> {
    let mut named = servers.iter().filter(|server| server.hostname.is_some());
    let first = named
        .clone()
        .find(|server| server.is_enabled)
        .or(named.next());
    let name = first?.hostname.as_ref()?.value.clone();
    let same = servers.iter().filter_map(|server| server.hostname.as_ref());
    let same: Vec<Id> = same
        .filter(|other| other.value == name)
        .map(|other| other.from)
        .collect();
    draft.put("hostname", Value::Text(name.clone()), &same, "");
    Some(name)
}

/// What the servers that listen say of something.
fn said(servers: &[Server], of: impl Fn(&Server) -> Option<&Said<u64>>) -> Vec<&Said<u64>> {
    let servers = servers.iter().filter(|server| server.is_enabled);
    servers.filter_map(of).collect()
}

fn ids(said: &[&Said<u64>]) -> Vec<Id> {
    said.iter().map(|said| said.from).collect()
}

/// Leaves out what is out of bounds, and tells of it.
fn bounded<'a>(draft: &mut Draft, said: Vec<&'a Said<u64>>, most: u64) -> Vec<&'a Said<u64>> {
    let (good, bad): (Vec<_>, Vec<_>) = said
        .into_iter()
        .partition(|said| (1..=most).contains(&said.value));
    for bad in bad {
        let why = match bad.value {
            0 => "0 meant the default; that of ours stands in the result".to_owned(),
            number => format!("{number} is more than can be; the default stands in the result"),
        };
        draft.tell(&[bad.from], why);
    }
    good
}

fn sizes(draft: &mut Draft, servers: &[Server]) {
    let said = said(servers, |server| server.max_size.as_ref());
    let said = bounded(draft, said, LARGEST);
    let Some(most) = said.iter().map(|said| said.value).max() else {
        return;
    };
    let note = if said.iter().any(|said| said.value != most) {
        "One for all listeners: the largest."
    } else {
        ""
    };
    let value = Value::Word(Size(most).to_string());
    draft.put("limits.message_size", value, &ids(&said), note);
}

fn clients(draft: &mut Draft, servers: &[Server]) {
    let said = said(servers, |server| server.max_clients.as_ref());
    let said = bounded(draft, said, u64::from(u32::MAX));
    if said.is_empty() {
        return;
    }
    let sum = said.iter().map(|said| said.value).sum::<u64>();
    let note = if said.len() > 1 {
        "One for all listeners: the sum. From one address there are limits.connections_per_ip, 50."
    } else {
        "From one address there are limits.connections_per_ip, 50."
    };
    let value = Value::Word(sum.to_string());
    draft.put("limits.connections", value, &ids(&said), note);
}

fn times(draft: &mut Draft, servers: &[Server]) {
    let said = said(servers, |server| server.timeout.as_ref());
    let said = bounded(draft, said, LONGEST);
    let Some(longest) = said.iter().map(|said| said.value).max() else {
        return;
    };
    let time = Time(std::time::Duration::from_secs(longest)).to_string();
    let note = "Between two commands, and between two pieces of a message. RFC 5321 asks for 5m; \
                to have that, take these lines away.";
    draft.put(
        "timeouts.greeting",
        Value::Word(time.clone()),
        &ids(&said),
        note,
    );
    for key in ["timeouts.command", "timeouts.data"] {
        draft.put(key, Value::Word(time.clone()), &ids(&said), "");
    }
}

/// One item for each address of a server.
fn listeners(
    draft: &mut Draft,
    mut server: Server,
    own: Option<&str>,
    taken: &mut Vec<String>,
    items: &mut Vec<Item>,
) {
    let from = server.address.iter().map(|said| said.from);
    let from: Vec<Id> = from.chain(server.also_from).collect();
    let found = addresses(draft, &mut server, &from);
    let is_off = !server.is_enabled;
    let mut notes = std::mem::take(&mut server.notes);
    if is_off {
        notes.extend(limits_of(draft, &server));
    }
    let rest = rest(draft, server, own);
    for address in found {
        let mut notes = std::mem::take(&mut notes);
        // With port 0 each takes a free port of its own.
        let is_known = taken.contains(&address) && !address.ends_with(":0");
        if is_known && !is_off {
            notes.push("Another server has this address already.".to_owned());
            draft.tell(
                &from,
                format!("{address} is there twice; the first one counts"),
            );
        }
        let is_off = is_off || is_known;
        if !is_off {
            taken.push(address.clone());
        }
        let mut first = draft.entry(Value::Text(address), &from);
        "address".clone_into(&mut first.key);
        let mut entries = vec![first];
        entries.extend(rest.iter().cloned());
        items.push(Item {
            entries,
            notes,
            is_off,
        });
    }
}

/// Where a server listens; one whose address means nothing does not.
fn addresses(draft: &mut Draft, server: &mut Server, from: &[Id]) -> Vec<String> {
    let text = match &server.address {
        Some(said) => said.value.clone(),
        None => server.otherwise.to_owned(),
    };
    match address::addresses(&text) {
        Ok(Addresses { found, note }) => {
            server.notes.extend(note);
            found
        }
        Err(why) => {
            draft.tell(from, why.clone());
            server.notes.push(why);
            server.is_enabled = false;
            vec![text]
        }
    }
}

/// The keys of a listener but its address.
fn rest(draft: &mut Draft, server: Server, own: Option<&str>) -> Vec<Entry> {
    let mut entries = Vec::new();
    if let Some(name) = server.hostname.filter(|name| Some(&*name.value) != own) {
        let mut entry = draft.entry(Value::Text(name.value), &[name.from]);
        "hostname".clone_into(&mut entry.key);
        entries.push(entry);
    }
    entries.extend(server.doors);
    entries
}

/// What a server that does not listen says of limits, as a comment.
fn limits_of(draft: &mut Draft, server: &Server) -> Vec<String> {
    let mut notes = Vec::new();
    let limits = [
        ("max_size", &server.max_size),
        ("timeout", &server.timeout),
        ("max_clients", &server.max_clients),
    ];
    let mut said = Vec::new();
    for (name, limit) in limits {
        if let Some(limit) = limit {
            draft.ledger.settle(limit.from);
            said.push(format!("{name} {}", limit.value));
        }
    }
    if !said.is_empty() {
        notes.push(format!(
            "It had {}; see limits and timeouts.",
            said.join(", ")
        ));
    }
    notes
}
