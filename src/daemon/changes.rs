//! What a reload has changed, and why one was refused.

use std::fmt;

use super::StartError;
use crate::config::Config;
use crate::server::Address;

/// What a reload has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// Which configuration this is, counted from 1, the one of the start.
    pub generation: u64,
    /// The keys that say something else than before, such as `limits.connections`.
    pub changed: Vec<&'static str>,
    /// Where clients can come now and could not before.
    pub opened: Vec<Address>,
    /// Where they cannot any more.
    pub closed: Vec<Address>,
}

/// A reload was refused, as a whole.
#[derive(Debug, thiserror::Error)]
#[error("not reloaded, the configuration from before stays: {0}")]
pub struct ReloadError(#[from] pub StartError);

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changed = match &self.changed[..] {
            [] => "nothing changed".to_owned(),
            changed => format!("changed: {}", changed.join(", ")),
        };
        f.write_str(&changed)?;
        for (what, addresses) in [("opened", &self.opened), ("closed", &self.closed)] {
            if !addresses.is_empty() {
                let addresses: Vec<String> = addresses.iter().map(Address::to_string).collect();
                write!(f, "; {what}: {}", addresses.join(", "))?;
            }
        }
        Ok(())
    }
}

/// The keys that differ within a section.
macro_rules! within {
    ($keys:ident, $section:literal, $before:expr, $after:expr, $($key:ident)*) => {
        if $before != $after {
            let count = $keys.len();
            $(if $before.$key != $after.$key {
                $keys.push(concat!($section, ".", stringify!($key)));
            })*
            // One that is not in the list above.
            if $keys.len() == count {
                $keys.push($section);
            }
        }
    };
}

/// The keys that two configurations say different things about.
pub(super) fn changed(before: &Config, after: &Config) -> Vec<&'static str> {
    let mut keys = single(before, after);
    within!(keys, "tls", before.tls, after.tls,
        certificate key certificates acme min_version client_ca client_certificates);
    within!(keys, "auth", before.auth, after.auth, users mechanisms plaintext);
    within!(keys, "smtp", before.smtp, after.smtp, bare_newlines early_talkers angle_brackets);
    within!(keys, "recipients", before.recipients, after.recipients,
        hosts users postmaster aliases catch_all subaddress case_sensitive);
    within!(keys, "maildir", before.maildir, after.maildir,
        path durability eol file_mode directory_mode require_root sweep_after single_instance
        cached_maildirs);
    if let (Some(before), Some(after)) = (&before.fastcgi, &after.fastcgi) {
        within!(keys, "fastcgi", before, after,
            address script root uri delivery body acknowledgement secret secret_file connections
            connect_timeout timeout validate);
    }
    within!(
        keys,
        "header",
        before.header,
        after.header,
        delivered_to_host
    );
    within!(
        keys,
        "compressor",
        before.compressor,
        after.compressor,
        level
    );
    within!(keys, "spool", before.spool, after.spool,
        path at_once timeout give_up_after failures longest_pause);
    within!(keys, "limits", before.limits, after.limits,
        message_size recipients errors idle_commands messages_per_connection connections
        connections_per_ip memory deliveries disk_errors data_rate hops auth_failures
        auth_failures_per_ip);
    within!(keys, "timeouts", before.timeouts, after.timeouts,
        proxy greeting command data tls_handshake session delivery shutdown auth_delay
        auth_failures);
    within!(keys, "log", before.log, after.log, level format file addresses);
    keys
}

/// Those that are no section, or a section as a whole.
fn single(before: &Config, after: &Config) -> Vec<&'static str> {
    let fastcgi = before.fastcgi.is_some() != after.fastcgi.is_some();
    let keys = [
        ("hostname", before.hostname != after.hostname),
        ("listeners", before.listeners != after.listeners),
        ("auth_http", before.auth_http != after.auth_http),
        ("validate", before.validate != after.validate),
        ("save", before.save != after.save),
        ("wildcard", before.wildcard != after.wildcard),
        ("fastcgi", fastcgi),
        ("debugger", before.debugger != after.debugger),
        ("processors", before.processors != after.processors),
        ("pid_file", before.pid_file != after.pid_file),
        ("threads", before.threads != after.threads),
    ];
    let differing = keys.into_iter().filter(|(_, differs)| *differs);
    differing.map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DEFAULTS, Environment};

    /// Every section of the file with all keys, so that none is forgotten here.
    #[test]
    fn a_change_in_any_section_is_told() {
        let default = Config::default();
        assert_eq!(changed(&default, &default), Vec::<&str>::new());
        let sections = DEFAULTS.lines().filter_map(|line| {
            let name = line.trim_start_matches('#').trim_start_matches(' ');
            let name = name.split(':').next()?;
            let is_key = line.starts_with(name) && !name.is_empty();
            (is_key
                && name
                    .bytes()
                    .all(|octet| octet.is_ascii_lowercase() || octet == b'_'))
            .then_some(name)
        });
        let mut count = 0;
        for section in sections {
            let other = match section {
                "hostname" => "other.test",
                "listeners" => "[{address: '127.0.0.1:25'}]",
                "tls" => "{min_version: '1.3', certificate: a, key: b}",
                "auth" => "{mechanisms: [PLAIN]}",
                "smtp" => "{angle_brackets: optional}",
                "recipients" => "{case_sensitive: true}",
                "maildir" => "{eol: crlf}",
                "validate" => "[]",
                "save" => "MailDir",
                "wildcard" => "{hosts: [a.test]}",
                "header" => "{delivered_to_host: a.test}",
                "compressor" => "{level: 5}",
                "spool" => "{at_once: 5}",
                "limits" => "{hops: 5}",
                "timeouts" => "{command: 5s}",
                "log" => "{level: debug}",
                "processors" => "{Mine: {}}",
                "debugger" => "{level: info}",
                "pid_file" => "./pid",
                "threads" => "5",
                _ => continue,
            };
            let yaml = format!("{section}: {other}");
            let Ok(config) = Config::parse(&yaml, "test", &Environment::default()) else {
                panic!("{yaml}");
            };
            let keys = changed(&default, &config);
            assert!(
                keys.iter().any(|key| key.starts_with(section)),
                "{yaml}: {keys:?}"
            );
            count += 1;
        }
        assert!(count > 10, "only {count} sections");
    }
}
