//! What a reload has changed, and why one was refused.

use std::fmt;

use super::StartError;
use crate::config::{self, Config};
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

/// Adds the keys that differ within a section. All of them are named, those behind `but` to be looked at
/// elsewhere: a new key does not compile before it is told of.
macro_rules! within {
    ($keys:ident, $section:literal, $type:ident, $before:expr, $after:expr,
     $($key:ident)* $(, but $($other:ident)*)?) => {
        let (before, after): (&config::$type, &config::$type) = (&$before, &$after);
        let config::$type { $($key: _,)* $($($other: _,)*)? } = before;
        $(if before.$key != after.$key {
            $keys.push(concat!($section, stringify!($key)));
        })*
    };
}

/// The keys that two configurations say different things about.
pub(super) fn changed(before: &Config, after: &Config) -> Vec<&'static str> {
    let mut keys = Vec::new();
    within!(keys, "", Config, *before, *after,
        hostname listeners auth_http validate save wildcard redis mysql stream debugger processors
        metrics pid_file threads,
        but tls auth smtp recipients maildir fastcgi header compressor spool limits timeouts log);
    within!(keys, "tls.", TlsConfig, before.tls, after.tls,
        certificate key certificates acme min_version client_ca client_certificates);
    within!(keys, "auth.", AuthConfig, before.auth, after.auth, users mechanisms plaintext exempt);
    within!(keys, "smtp.", SmtpConfig, before.smtp, after.smtp,
        bare_newlines early_talkers angle_brackets);
    within!(keys, "recipients.", RecipientsConfig, before.recipients, after.recipients,
        hosts users postmaster aliases catch_all subaddress case_sensitive answers);
    within!(keys, "maildir.", MaildirConfig, before.maildir, after.maildir,
        path durability eol file_mode directory_mode require_root sweep_after single_instance
        cached_maildirs);
    keys.extend(of_php(before, after));
    within!(
        keys,
        "header.",
        HeaderConfig,
        before.header,
        after.header,
        delivered_to_host
    );
    within!(
        keys,
        "compressor.",
        CompressorConfig,
        before.compressor,
        after.compressor,
        level
    );
    within!(keys, "spool.", SpoolConfig, before.spool, after.spool,
        path at_once timeout give_up_after failures longest_pause);
    keys.extend(of_bounds(before, after));
    within!(keys, "log.", LogConfig, before.log, after.log, level format file addresses);
    keys
}

/// Those of a section that there may not be.
fn of_php(before: &Config, after: &Config) -> Vec<&'static str> {
    let mut keys = Vec::new();
    match (&before.fastcgi, &after.fastcgi) {
        (Some(before), Some(after)) => {
            within!(keys, "fastcgi.", FastcgiConfig, *before, *after,
                address script root uri delivery body acknowledgement secret secret_file connections
                connect_timeout timeout validate);
        }
        (None, None) => {}
        _ => keys.push("fastcgi"),
    }
    keys
}

/// Those of what clients may do, and how long.
fn of_bounds(before: &Config, after: &Config) -> Vec<&'static str> {
    let mut keys = Vec::new();
    within!(keys, "limits.", LimitsConfig, before.limits, after.limits,
        message_size recipients errors idle_commands messages_per_connection connections
        connections_per_ip memory deliveries disk_errors data_rate hops auth_failures
        auth_failures_per_ip);
    within!(keys, "timeouts.", TimeoutsConfig, before.timeouts, after.timeouts,
        proxy greeting command data tls_handshake session delivery shutdown auth_delay
        auth_failures);
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    #[test]
    fn a_key_is_told_with_its_section() {
        let default = Config::default();
        assert_eq!(changed(&default, &default), Vec::<&str>::new());
        for (yaml, keys) in [
            ("hostname: other.test", &["hostname"][..]),
            ("listeners: [{address: '127.0.0.1:25'}]", &["listeners"]),
            (
                "recipients: {case_sensitive: true}",
                &["recipients.case_sensitive"],
            ),
            (
                "maildir: {eol: crlf, file_mode: '0640'}",
                &["maildir.eol", "maildir.file_mode"],
            ),
            ("save: MailDir\nvalidate: []", &["validate", "save"]),
            ("wildcard: {hosts: [a.test]}", &["wildcard"]),
            (
                "header: {delivered_to_host: a.test}",
                &["header.delivered_to_host"],
            ),
            ("compressor: {level: 5}", &["compressor.level"]),
            ("spool: {at_once: 5}", &["spool.at_once"]),
            ("limits: {hops: 5}", &["limits.hops"]),
            ("timeouts: {command: 5s}", &["timeouts.command"]),
            ("log: {level: debug}", &["log.level"]),
            ("smtp: {angle_brackets: optional}", &["smtp.angle_brackets"]),
            ("threads: 5", &["threads"]),
        ] {
            let config = Config::parse(yaml, "test", &Environment::default()).unwrap();
            assert_eq!(changed(&default, &config), keys, "{yaml}");
        }
    }
}
