//! A [`Config`] becomes the settings of each layer, none of which knows YAML.

use std::path::Path;

use super::recipients::OWN_NAME;
use super::{
    Auth, Brackets, Config, Durability, Eol, Folder, Habit, ListenerConfig, Plaintext, Protocol,
};
use crate::processor::LineEnds;
use crate::recipients::{DetailFolder, Subaddress};
use crate::server::{Limits, LoginSettings, Timeouts, Trust};
use crate::smtp::address::Domain;
use crate::{maildir, recipients, smtp, spool};

/// Descriptors of a Maildir that is kept open, at most.
const PER_MAILDIR: u64 = 3;
/// Connections that ask for answers to challenges, and the socket that they come to.
const PER_CHALLENGE_SOCKET: usize = 65;
/// Questions over HTTP at once, at most, and the socket: those of nginx, and those for figures.
const QUESTIONS: usize = 65;
/// For the log, the pid file, timers, what the libraries hold, and the journal.
const SPARE: u64 = 96;

impl Config {
    /// Our name: that of the configuration, else that of the machine, or `localhost` where the
    /// machine has none that is a host name.
    pub fn hostname(&self) -> String {
        self.hostname.clone().unwrap_or_else(|| {
            let machine = rustix::system::uname();
            usable(&machine.nodename().to_string_lossy()).to_owned()
        })
    }

    /// Whose mail is taken, and where it goes.
    #[doc(hidden)]
    pub fn recipients(&self) -> recipients::Settings {
        let recipients = &self.recipients;
        let subaddress = &recipients.subaddress;
        recipients::Settings {
            hosts: self.named(&recipients.hosts),
            users: recipients.users.clone(),
            postmaster: recipients.postmaster.clone(),
            aliases: recipients.aliases.clone(),
            catch_all: recipients.catch_all.clone(),
            subaddress: Subaddress {
                delimiters: subaddress.delimiters.concat(),
                folder: match subaddress.folder {
                    Folder::Ignore => DetailFolder::Ignore,
                    Folder::Existing => DetailFolder::Existing,
                    Folder::Create => DetailFolder::Create,
                },
            },
            case_sensitive: recipients.case_sensitive,
            path: self.maildir.path.clone(),
            hostname: self.hostname(),
        }
    }

    /// The hosts that the processor Wildcard accepts, if it is told any.
    #[doc(hidden)]
    pub fn wildcard_hosts(&self) -> Option<Vec<String>> {
        self.wildcard
            .as_ref()
            .map(|wildcard| self.named(&wildcard.hosts))
    }

    /// The host that Delivered-To names, if not that of the mailbox.
    #[doc(hidden)]
    pub fn delivered_to_host(&self) -> Option<Domain> {
        let host = self.header.delivered_to_host.as_ref();
        host.and_then(|host| Domain::parse(host).ok())
    }

    /// Host patterns with our own name in its place.
    fn named(&self, hosts: &[String]) -> Vec<String> {
        let name = |host: &String| match host.trim() {
            OWN_NAME => self.hostname(),
            _ => host.clone(),
        };
        hosts.iter().map(name).collect()
    }

    /// How Maildirs are written.
    #[doc(hidden)]
    pub fn maildir(&self) -> maildir::Settings {
        let config = &self.maildir;
        maildir::Settings {
            durability: match config.durability {
                Durability::Full => maildir::Durability::Full,
                Durability::Journal => maildir::Durability::Journal,
                Durability::File => maildir::Durability::File,
                Durability::None => maildir::Durability::None,
            },
            file_mode: config.file_mode,
            directory_mode: config.directory_mode,
            host: self.hostname(),
            require_root: config.require_root,
            cached_maildirs: config.cached_maildirs,
        }
    }

    /// Where the spool is.
    ///
    /// # Errors
    ///
    /// What is wrong with `maildir.path`, beside whose Maildirs it is.
    #[doc(hidden)]
    pub fn spool(&self) -> Result<spool::Place, String> {
        let require_root = self.maildir.require_root;
        if let Some(path) = &self.spool.path {
            return Ok(spool::Place::at(Path::new(path), require_root));
        }
        let root = recipients::root_of(&self.maildir.path)?;
        Ok(spool::Place::beside(&root, require_root))
    }

    /// How letters are handed over.
    #[doc(hidden)]
    pub fn spool_worker(&self) -> spool::Settings {
        let spool = &self.spool;
        spool::Settings {
            at_once: spool.at_once,
            timeout: spool.timeout.get(),
            schedule: spool::Schedule {
                give_up_after: spool.give_up_after.get(),
                ..spool::Schedule::default()
            },
            failures: spool.failures,
            longest_pause: spool.longest_pause.get(),
        }
    }

    /// The line ends of stored messages.
    #[doc(hidden)]
    pub fn line_ends(&self) -> LineEnds {
        match self.maildir.eol {
            Eol::Lf => LineEnds::Lf,
            Eol::Crlf => LineEnds::Crlf,
        }
    }

    /// How long clients and deliveries may take.
    #[doc(hidden)]
    pub fn timeouts(&self) -> Timeouts {
        let timeouts = &self.timeouts;
        Timeouts {
            proxy: timeouts.proxy.get(),
            greeting: timeouts.greeting.get(),
            command: timeouts.command.get(),
            data: timeouts.data.get(),
            data_rate: self.limits.data_rate.octets(),
            tls_handshake: timeouts.tls_handshake.get(),
            session: timeouts.session.get(),
            delivery: timeouts.delivery.get(),
            shutdown: timeouts.shutdown.get(),
        }
    }

    /// How many clients, and how much of their mail; each call begins to count anew.
    #[doc(hidden)]
    pub fn limits(&self) -> Limits {
        let limits = &self.limits;
        Limits::new(
            limits.connections,
            limits.connections_per_ip,
            limits.memory.octets(),
        )
    }

    /// How clients log in, and the file of those who may; none where there are no logins.
    #[doc(hidden)]
    pub fn logins(&self) -> Option<(LoginSettings, &Path)> {
        let users = self.auth.users.as_deref()?;
        let is_open = |(_, listener): (usize, &ListenerConfig)| listener.auth != Auth::Off;
        let proxy = self.auth_http.as_ref().map_or(Auth::Off, |it| it.auth);
        (proxy != Auth::Off || self.enabled().any(is_open)).then_some(())?;
        let settings = LoginSettings {
            mechanisms: self.auth.mechanisms.iter().map(|it| it.0).collect(),
            plain_if_local: self.auth.plaintext == Plaintext::Local,
            delay: self.timeouts.auth_delay.get(),
            failures_per_ip: self.limits.auth_failures_per_ip,
            remembered: self.timeouts.auth_failures.get(),
            exempt: self.auth.exempt.clone(),
        };
        Some((settings, users))
    }

    /// What a session on `listener` may do.
    #[doc(hidden)]
    pub fn profile(&self, listener: &ListenerConfig) -> smtp::Profile {
        let limits = &self.limits;
        smtp::Profile {
            hostname: listener.hostname.clone().unwrap_or_else(|| self.hostname()),
            protocol: match listener.protocol {
                Protocol::Smtp => smtp::Protocol::Smtp,
                Protocol::Lmtp => smtp::Protocol::Lmtp,
            },
            starttls: self.mode(listener).starttls(),
            auth: listener.auth.into(),
            auth_failures: limits.auth_failures,
            message_size: limits.message_size.octets(),
            recipients: limits.recipients,
            errors: limits.errors,
            idle_commands: limits.idle_commands,
            messages: limits.messages_per_connection,
            accept_bare_newlines: self.smtp.bare_newlines == Habit::Accept,
            lenient_paths: self.lenient_paths(),
            refuse_early_talkers: self.smtp.early_talkers == Habit::Refuse,
            xclient: false,
        }
    }

    /// Whether addresses may lack their angle brackets.
    #[doc(hidden)]
    pub fn lenient_paths(&self) -> bool {
        self.smtp.angle_brackets == Brackets::Optional
    }

    /// Whose word is believed on `listener` about who the client is.
    #[doc(hidden)]
    pub fn trust(listener: &ListenerConfig) -> Trust {
        Trust {
            proxies: listener.proxy_protocol.clone(),
            xclient: listener.xclient.clone(),
        }
    }

    /// The listeners where clients can connect, with their places in the configuration.
    pub fn enabled(&self) -> impl Iterator<Item = (usize, &ListenerConfig)> {
        let all = self.listeners.iter().enumerate();
        all.filter(|(_, listener)| listener.enabled)
    }

    /// Listens at this one address instead, in the manner of the first listener.
    pub fn listen_on(&mut self, address: &str) -> Result<(), String> {
        let address = super::listeners::parse_address(address)?;
        let first = self.listeners.first().cloned().unwrap_or_default();
        self.listeners = vec![ListenerConfig {
            enabled: true,
            address,
            ..first
        }];
        Ok(())
    }

    /// How many file descriptors may be open at once when all limits are reached: a connection has
    /// one, and one where a large message waits for its end; a delivery a Maildir and a file, a
    /// letter that is handed over a file and a connection, a request to PHP one. `deliveries` is how
    /// many there may be at once on all disks.
    pub fn descriptors(&self, deliveries: usize) -> Descriptors {
        let connections = |section: Option<usize>| section.unwrap_or_default();
        let redis = self.redis.as_ref().map(|redis| redis.connections);
        let php = self.fastcgi.as_ref().map(|php| php.connections);
        let mysql = self.mysql.as_ref().map(|mysql| mysql.connections);
        let keys = [
            ("limits.connections", self.limits.connections, 2),
            ("limits.deliveries", deliveries, 1 + PER_MAILDIR),
            (
                "maildir.cached_maildirs",
                self.maildir.cached_maildirs,
                PER_MAILDIR,
            ),
            ("spool.at_once", self.spool.at_once, 2),
            ("fastcgi.connections", connections(php), 1),
            ("mysql.connections", connections(mysql), 1),
            ("redis.connections", connections(redis), 1),
        ];
        let times = |number: usize, each: u64| each.saturating_mul(number as u64);
        Descriptors {
            by_key: keys
                .map(|(key, number, each)| (key, times(number, each)))
                .to_vec(),
            others: self.other_descriptors(),
        }
    }

    /// Those that no number in the configuration stands for.
    fn other_descriptors(&self) -> u64 {
        let acme = self.tls.acme.as_ref();
        let challenges = acme.map_or(0, |acme| acme.addresses().len() * PER_CHALLENGE_SOCKET);
        let questions = [self.auth_http.is_some(), self.metrics.is_some()];
        let questions = questions.into_iter().filter(|asked| *asked).count() * QUESTIONS;
        // A socket, and a log.
        let listeners = self.listeners.len().saturating_mul(2);
        SPARE + (challenges + questions + listeners) as u64
    }
}

/// File descriptors that may be needed when all limits are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// Numbers of the configuration, and how many each of them may take.
    pub by_key: Vec<(&'static str, u64)>,
    /// All the others.
    pub others: u64,
}

impl Descriptors {
    /// All together.
    pub fn total(&self) -> u64 {
        let numbers = self.by_key.iter().map(|(_, number)| *number);
        numbers.fold(self.others, u64::saturating_add)
    }

    /// The fewest keys that could make up for such a lack, the one that takes the most first.
    pub fn to_lower(&self, lack: u64) -> Vec<(&'static str, u64)> {
        let mut keys = self.by_key.clone();
        keys.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
        let mut made_up = 0_u64;
        keys.retain(|(_, number)| {
            let is_needed = made_up < lack && *number > 0;
            made_up = made_up.saturating_add(*number);
            is_needed
        });
        keys
    }
}

/// The name of a machine, if it can be a host name, as `my_laptop` and `(none)` cannot.
fn usable(machine: &str) -> &str {
    if Domain::parse(machine).is_ok() {
        machine
    } else {
        "localhost"
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_machine_without_a_host_name_is_localhost() {
        for (machine, name) in [
            ("mx.example.org", "mx.example.org"),
            ("laptop", "laptop"),
            ("my_laptop", "localhost"),
            ("(none)", "localhost"),
            ("", "localhost"),
        ] {
            assert_eq!(super::usable(machine), name);
        }
    }
}
