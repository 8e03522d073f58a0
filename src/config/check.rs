//! What single values cannot show: contradictions, and values that would make no server.

use std::path::PathBuf;

use super::{
    Asked, Auth, Config, Folder, LimitsConfig, ListenerConfig, Mechanism, Mode, PairConfig,
    Plaintext, Size, auth_http, fastcgi, mysql, redis, stream,
};
use crate::content::WORTH;
use crate::credentials;
use crate::server::{Address, Networks};
use crate::smtp::address::Domain;
use crate::smtp::sasl;
use crate::tls::Demand;

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
    tls(config)?;
    auth(config)?;
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
    for (index, listener) in listeners.iter().enumerate() {
        let address = &listener.address;
        // With port 0 each takes a free port of its own.
        let is_fresh = matches!(address, Address::Tcp(address) if address.port() == 0);
        let is_known = listeners[..index]
            .iter()
            .any(|earlier| is_same(&earlier.address, address));
        let message = format!("another listener has {address} already; keep one of them");
        refuse(
            is_known && !is_fresh,
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

fn tls(config: &Config) -> Outcome {
    let all = &config.tls;
    named(
        "tls",
        all.certificate.as_ref(),
        all.key.as_ref(),
        &all.certificates,
    )?;
    if let Some(acme) = &all.acme {
        acme.check(&config.hostname())?;
        let is_double = all.certificate.is_some() || !all.certificates.is_empty();
        let message = "certificates are in files already; keep either these or acme";
        refuse(is_double, "tls.acme", message)?;
    }
    let is_vain = all.client_certificates == Asked::Require && all.client_ca.is_none();
    let message = "no CA is named that clients could be known by; write client_ca: FILE";
    refuse(is_vain, "tls.client_certificates", message)?;
    for (index, listener) in config.listeners.iter().enumerate() {
        let (key, own) = (format!("listeners[{index}].tls"), &listener.tls);
        named(
            &key,
            own.certificate.as_ref(),
            own.key.as_ref(),
            &own.certificates,
        )?;
        let settings = config.tls(listener);
        let message = format!(
            "{} needs a certificate; write tls: {{certificate: FILE, key: FILE}}",
            config.mode(listener)
        );
        let has_none = settings.is_some() && !config.has_certificate(listener);
        refuse(has_none, key.clone(), message)?;
        let is_vain = settings.is_some_and(|it| it.demand == Demand::Nothing)
            && own.client_certificates == Some(Asked::Require);
        let message = "no CA is named that clients could be known by; write client_ca: FILE";
        refuse(is_vain, format!("{key}.client_certificates"), message)?;
    }
    Ok(())
}

fn auth(config: &Config) -> Outcome {
    let auth = &config.auth;
    let none = "no mechanism is named, so that nobody could log in; leave the key out for all";
    refuse(auth.mechanisms.is_empty(), "auth.mechanisms", none)?;
    for (index, listener) in config.listeners.iter().enumerate() {
        if listener.auth == Auth::Off {
            continue;
        }
        let key = format!("listeners[{index}].auth");
        let message = "there are no users; write auth: {users: FILE}, and add them to it with \
                       maiasaura passwd NAME";
        refuse(auth.users.is_none(), key.clone(), message)?;
        let is_plain = config.mode(listener) == Mode::Off && auth.plaintext == Plaintext::Never;
        let message = "nobody could log in, as this listener has no TLS; write tls: starttls, or \
                       auth: {plaintext: local} for clients of this machine";
        refuse(is_plain, key.clone(), message)?;
        let tls = config.tls(listener);
        let shows_certificate = tls.as_ref().is_some_and(|it| it.demand != Demand::Nothing);
        let is_usable = |it: &Mechanism| match it.0 {
            sasl::Mechanism::ScramSha256Plus => tls.is_some(),
            sasl::Mechanism::External => shows_certificate,
            _ => true,
        };
        let message = "nobody could log in with what auth.mechanisms names: EXTERNAL needs tls: {client_ca: \
                       FILE}, SCRAM-SHA-256-PLUS needs TLS; name others, too";
        refuse(!auth.mechanisms.iter().any(is_usable), key, message)?;
        let is_told = auth.mechanisms.iter().any(|it| it.0.tells_password());
        let least = Size(credentials::MEMORY);
        let message = format!(
            "there would be no room to check a single password; write at least {least}, or leave PLAIN \
             and LOGIN out of auth.mechanisms"
        );
        refuse(
            is_told && config.limits.memory < least,
            "limits.memory",
            message,
        )?;
    }
    Ok(())
}

/// A key is of no use without its certificate.
fn named(
    section: &str,
    certificate: Option<&PathBuf>,
    key: Option<&PathBuf>,
    more: &[PairConfig],
) -> Outcome {
    let alone = "a key is named and no certificate; write certificate: FILE";
    let is_alone = key.is_some() && certificate.is_none();
    refuse(is_alone, format!("{section}.key"), alone)?;
    for (index, pair) in more.iter().enumerate() {
        let none = "no certificate is named; write {certificate: FILE, key: FILE}";
        let key = format!("{section}.certificates[{index}]");
        refuse(pair.certificate.is_none(), key, none)?;
    }
    Ok(())
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
