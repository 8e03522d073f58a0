//! Where clients connect, and how strict we are with them.

use std::net::IpAddr;

use serde::de::Deserializer;

use super::auth::Auth;
use super::log::ListenerLogConfig;
use super::networks::{networks, some_networks};
use super::scalars::{Scalar, words};
use super::tls::ListenerTlsConfig;
use crate::server::{Access, Address, Networks};

/// The path of a Unix socket is bounded by the system (`sun_path` in unix(7), with its final NUL).
const LONGEST_SOCKET_PATH: usize = 107;
/// Everyone who may read and write: the group of an MTA is often another one.
const SOCKET_MODE: u32 = 0o660;

/// One address that clients connect to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section with an address")]
pub struct ListenerConfig {
    /// Whether clients can connect there (default: true). A reload changes it.
    pub enabled: bool,
    /// `ip:port`, `[::]:port`, `unix:/path`, `unix:/path:0660`, `unix:/path:0660:group` or
    /// `systemd:name` (default: 127.0.0.1:2525).
    #[serde(deserialize_with = "address")]
    pub address: Address,
    /// What is spoken there (default: smtp).
    pub protocol: Protocol,
    /// Our name there (default: that of the whole configuration).
    pub hostname: Option<String>,
    /// The proxies that connect there, each with the PROXY protocol, and nobody else: addresses,
    /// networks, `unix` for a Unix socket (default: none; clients connect themselves).
    #[serde(deserialize_with = "some_networks")]
    pub proxy_protocol: Option<Networks>,
    /// Who may tell with XCLIENT and XFORWARD for whom it speaks (default: nobody).
    #[serde(deserialize_with = "networks")]
    pub xclient: Networks,
    /// How it is encrypted (default: see [`Config::mode`](super::Config::mode)).
    pub tls: ListenerTlsConfig,
    /// Whether clients can log in (default: off).
    pub auth: Auth,
    /// Where the lines about its clients go (default: into the log of the whole configuration).
    pub log: ListenerLogConfig,
}

words! {
    /// What a listener speaks.
    pub enum Protocol {
        /// RFC 5321: one reply for a message.
        #[default]
        Smtp = "smtp",
        /// RFC 2033: one reply for each recipient of a message.
        Lmtp = "lmtp",
    }
}

/// How strict we are with clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct SmtpConfig {
    /// A CR or LF alone in a message, and a LF alone at the end of a command (default: refuse).
    pub bare_newlines: Habit,
    /// Clients that speak before they are greeted (default: refuse).
    pub early_talkers: Habit,
    /// Around the addresses of MAIL and RCPT (default: required).
    pub angle_brackets: Brackets,
}

words! {
    /// What is done about a bad habit of clients.
    pub enum Habit {
        /// It is refused.
        #[default]
        Refuse = "refuse",
        /// It is put up with.
        Accept = "accept",
    }
}

words! {
    /// Whether `MAIL FROM:alice@example.org` is understood.
    pub enum Brackets {
        /// Only with angle brackets, as the RFC says.
        #[default]
        Required = "required",
        /// Without them too.
        Optional = "optional",
    }
}

impl Default for ListenerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            address: Address::Tcp(([127, 0, 0, 1], 2525).into()),
            protocol: Protocol::Smtp,
            hostname: None,
            proxy_protocol: None,
            xclient: Networks::default(),
            tls: ListenerTlsConfig::default(),
            auth: Auth::Off,
            log: ListenerLogConfig::default(),
        }
    }
}

pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
    let expected = "an address such as 127.0.0.1:2525";
    deserializer.deserialize_any(Scalar {
        expected,
        read: parse_address,
    })
}

/// Reads an address to listen on.
pub(super) fn parse_address(text: &str) -> Result<Address, String> {
    if let Some(socket) = text.strip_prefix("unix:") {
        return unix(text, socket);
    }
    if let Some(name) = text.strip_prefix("systemd:") {
        return match name {
            "" => Err(format!(
                "{text:?} has no name; write systemd:NAME, with FileDescriptorName=NAME in the unit"
            )),
            name => Ok(Address::Systemd(name.to_owned())),
        };
    }
    text.parse().map(Address::Tcp).map_err(|_| {
        let problem = match text.rsplit_once(':') {
            _ if text.parse::<IpAddr>().is_ok() => "has no port; write an address and a port",
            Some(("" | "*", _)) => "has no address; write one (0.0.0.0 is every one) and a port",
            _ => "is not an address; write an IP address and a port",
        };
        format!("{text:?} {problem}, such as 127.0.0.1:25, or unix:/path, or systemd:NAME")
    })
}

/// `/path`, `/path:0660` or `/path:0660:group`.
fn unix(text: &str, socket: &str) -> Result<Address, String> {
    let mut parts = socket.splitn(3, ':');
    let path = parts.next().unwrap_or_default();
    let mode = parts.next().map_or(Ok(SOCKET_MODE), super::units::mode)?;
    let group = parts.next().map(super::recipients::gid).transpose()?;
    if !path.starts_with('/') || path.ends_with('/') {
        return Err(format!(
            "{text:?} has no full path; write unix:/path, unix:/path:0660 or unix:/path:0660:group"
        ));
    }
    if path.len() > LONGEST_SOCKET_PATH {
        return Err(format!(
            "{text:?} is too long; the system takes {LONGEST_SOCKET_PATH} octets of path"
        ));
    }
    Ok(Address::Unix(path.into(), Access { mode, group }))
}
