//! What single values cannot show: contradictions, and values that would make no server.

use super::{
    Config, Folder, LimitsConfig, ListenerConfig, Size, auth, auth_http, fastcgi, metrics, mysql,
    redis, stream, tls,
};
use crate::content::WORTH;
use crate::server::{Address, Networks};
use crate::smtp::address::Domain;

/// A key that cannot have the value it has.
pub(super) struct Wrong {
    pub(super) key: String,
    pub(super) message: String,
}

pub(super) type Outcome = Result<(), Wrong>;

/// The RFC demands this many recipients (RFC 5321 section 4.5.3.1.8).
const FEWEST_RECIPIENTS: usize = 100;
/// No machine has more.
const MOST_THREADS: usize = 4096;
/// Each has a thread.
const MOST_DELIVERIES: usize = 4096;
/// Each may be in memory.
const MOST_AT_ONCE: usize = 1000;

/// Refuses what cannot hold. What is said about recipients is checked where it is compiled.
pub(super) fn check(config: &Config) -> Outcome {
    hostnames(config)?;
    listeners(config)?;
    auth_http::check(config)?;
    metrics::check(config)?;
    tls::check::check(config)?;
    auth::check::check(config)?;
    recipients(config)?;
    maildir(config)?;
    processors(config)?;
    fastcgi::check::check(config)?;
    mysql::check::check(config)?;
    redis::check(config)?;
    stream::check(config)?;
    spool(config)?;
    limits(config)?;
    timeouts(config)?;
    let message = format!(
        "{} is more than {MOST_THREADS}; write 0 for one on each core",
        config.threads
    );
    refuse(config.threads > MOST_THREADS, "threads", message)
}

pub(super) fn refuse(
    is_wrong: bool,
    key: impl Into<String>,
    message: impl Into<String>,
) -> Outcome {
    if is_wrong {
        return Err(Wrong {
            key: key.into(),
            message: message.into(),
        });
    }
    Ok(())
}

fn hostnames(config: &Config) -> Outcome {
    let check = |key: String, name: &str| {
        let is_wrong = Domain::parse(name).is_err();
        refuse(
            is_wrong,
            key,
            format!("{name:?} is not a host name; write one such as mx.example.org"),
        )
    };
    check("hostname".into(), &config.hostname())?;
    if let Some(name) = &config.header.delivered_to_host {
        check("header.delivered_to_host".into(), name)?;
    }
    for (index, listener) in config.listeners.iter().enumerate() {
        if let Some(name) = &listener.hostname {
            check(format!("listeners[{index}].hostname"), name)?;
        }
    }
    Ok(())
}

fn listeners(config: &Config) -> Outcome {
    let listeners = &config.listeners;
    let none = "there is none; write at least one, such as [{address: 127.0.0.1:2525}]";
    refuse(listeners.is_empty(), "listeners", none)?;
    let none = "none is enabled, so that no mail could come in; leave `enabled` out where clients are to connect";
    refuse(config.enabled().next().is_none(), "listeners", none)?;
    for (index, listener) in listeners.iter().enumerate() {
        let address = &listener.address;
        // With port 0 each takes a free port of its own.
        let is_fresh = matches!(address, Address::Tcp(address) if address.port() == 0);
        let is_known = listeners[..index]
            .iter()
            .any(|earlier| earlier.enabled && is_same(&earlier.address, address));
        let message = format!("another listener has {address} already; keep one of them");
        refuse(
            listener.enabled && is_known && !is_fresh,
            format!("listeners[{index}].address"),
            message,
        )?;
        trusted(listener, index)?;
    }
    Ok(())
}

/// Refuses lists of peers of whom none could come through this listener.
fn trusted(listener: &ListenerConfig, index: usize) -> Outcome {
    let (proxies, xclient) = (listener.proxy_protocol.as_ref(), &listener.xclient);
    let [proxies_key, xclient_key] =
        ["proxy_protocol", "xclient"].map(|key| format!("listeners[{index}].{key}"));
    refuse(
        proxies.is_some_and(Networks::is_empty),
        &proxies_key,
        "no proxy is named, so that nobody could connect; write its address, such as \
         [192.0.2.10], or ~ for a listener without proxies",
    )?;
    match listener.address {
        Address::Unix(..) => {
            refuse(
                proxies.is_some_and(|proxies| !proxies.unix),
                proxies_key,
                "a peer on a Unix socket has no address, so that nobody could connect; write [unix], for \
                 whoever may open the socket",
            )?;
            let is_vain = proxies.is_none() && !xclient.is_empty() && !xclient.unix;
            let message = "a peer on a Unix socket has no address, so that nobody would be believed; \
                           write [unix], for whoever may open the socket";
            refuse(is_vain, xclient_key, message)
        }
        Address::Tcp(_) => {
            let is_vain = |peers: &Networks| peers.unix && peers.networks.is_empty();
            let message = "`unix` is for Unix sockets, so that nobody could connect; write the \
                           address of the proxy, such as [192.0.2.10]";
            refuse(proxies.is_some_and(is_vain), proxies_key, message)?;
            let message = "`unix` is for Unix sockets, so that nobody would be believed; write the \
                           address of the peer, such as [192.0.2.10]";
            refuse(is_vain(xclient), xclient_key, message)
        }
        Address::Systemd(_) => Ok(()),
    }
}

/// A socket is one whatever its mode.
fn is_same(one: &Address, other: &Address) -> bool {
    match (one, other) {
        (Address::Unix(one, _), Address::Unix(other, _)) => one == other,
        _ => one == other,
    }
}

fn recipients(config: &Config) -> Outcome {
    let none = "no host is named, so that nobody's mail is taken; write one such as example.org";
    refuse(config.recipients.hosts.is_empty(), "recipients.hosts", none)?;
    let wildcard = config.wildcard.as_ref();
    refuse(
        wildcard.is_some_and(|wildcard| wildcard.hosts.is_empty()),
        "wildcard.hosts",
        none,
    )?;
    let subaddress = &config.recipients.subaddress;
    let no_folder = subaddress.folder == Folder::Create && subaddress.max_folders == 0;
    let message = "0 folders cannot be created; write `folder: existing`, or a larger number";
    refuse(no_folder, "recipients.subaddress.max_folders", message)
}

fn maildir(config: &Config) -> Outcome {
    let maildir = &config.maildir;
    let unusable = |mode: u32, owner: u32| mode & owner != owner;
    let message = "the owner could not read and write; write \"0600\", or \"0660\" for a group";
    refuse(
        unusable(maildir.file_mode, 0o600),
        "maildir.file_mode",
        message,
    )?;
    refuse(
        maildir.file_mode & 0o111 != 0,
        "maildir.file_mode",
        "mail is no program; write \"0600\" or \"0660\"",
    )?;
    let message = "the owner could not use the folder; write \"0700\", or \"0770\" for a group";
    refuse(
        unusable(maildir.directory_mode, 0o700),
        "maildir.directory_mode",
        message,
    )?;
    let (sweep, delivery) = (maildir.sweep_after, config.timeouts.delivery);
    let message = format!(
        "{sweep} is not longer than timeouts.delivery ({delivery}): mail under way would be \
         swept away; write 36h"
    );
    refuse(sweep <= delivery, "maildir.sweep_after", message)
}

fn processors(config: &Config) -> Outcome {
    let none = "no processor is named, so that mail would be lost; write at least MailDir";
    refuse(config.save.is_empty(), "save", none)?;
    let level = config.compressor.level;
    refuse(
        level > 9,
        "compressor.level",
        format!("{level} is not a level; write 0 to 9"),
    )
}

fn spool(config: &Config) -> Outcome {
    let spool = &config.spool;
    let is_empty = spool.path.as_ref().is_some_and(String::is_empty);
    let message = "an empty path leads nowhere; write one, or ~ for .spool beside the Maildirs";
    refuse(is_empty, "spool.path", message)?;
    let message = format!(
        "{} is not a number of letters from 1 to {MOST_AT_ONCE}",
        spool.at_once
    );
    let fits = (1..=MOST_AT_ONCE).contains(&spool.at_once);
    refuse(!fits, "spool.at_once", message)?;
    let times = [
        ("timeout", spool.timeout),
        ("give_up_after", spool.give_up_after),
        ("longest_pause", spool.longest_pause),
    ];
    for (key, time) in times {
        let message = "no time at all is not enough; write a time such as 60s";
        refuse(time.get().is_zero(), format!("spool.{key}"), message)?;
    }
    Ok(())
}

fn limits(config: &Config) -> Outcome {
    let limits = &config.limits;
    let numbers = [
        ("message_size", limits.message_size.octets() == 0),
        ("errors", limits.errors == 0),
        ("idle_commands", limits.idle_commands == 0),
        ("hops", limits.hops == 0),
        ("connections", limits.connections == 0),
        ("connections_per_ip", limits.connections_per_ip == 0),
        ("auth_failures", limits.auth_failures == 0),
        ("deliveries", limits.deliveries == 0),
    ];
    for (key, is_zero) in numbers {
        let message = "with 0 no mail could come in; write a larger number";
        refuse(is_zero, format!("limits.{key}"), message)?;
    }
    let message = format!(
        "{} is less than {FEWEST_RECIPIENTS}, which every server must take \
         (RFC 5321 section 4.5.3.1.8)",
        limits.recipients
    );
    refuse(
        limits.recipients < FEWEST_RECIPIENTS,
        "limits.recipients",
        message,
    )?;
    let message = format!(
        "{} is more than {MOST_DELIVERIES}, and each takes a thread; write a smaller number",
        limits.deliveries
    );
    refuse(
        limits.deliveries > MOST_DELIVERIES,
        "limits.deliveries",
        message,
    )?;
    memory(limits)
}

/// Larger messages are spooled, but what is to be worth a file must be in memory first.
fn memory(limits: &LimitsConfig) -> Outcome {
    let least = Size(limits.message_size.octets().min(WORTH as u64) * 2);
    let message = format!(
        "with {} there would be no room for a single message; write at least {least}",
        limits.memory
    );
    refuse(limits.memory < least, "limits.memory", message)
}

fn timeouts(config: &Config) -> Outcome {
    let timeouts = &config.timeouts;
    let times = [
        ("proxy", timeouts.proxy),
        ("greeting", timeouts.greeting),
        ("command", timeouts.command),
        ("data", timeouts.data),
        ("tls_handshake", timeouts.tls_handshake),
        ("session", timeouts.session),
        ("delivery", timeouts.delivery),
        ("shutdown", timeouts.shutdown),
    ];
    for (key, time) in times {
        let message = "no time at all is not enough; write a time such as 30s";
        refuse(time.get().is_zero(), format!("timeouts.{key}"), message)?;
    }
    Ok(())
}
