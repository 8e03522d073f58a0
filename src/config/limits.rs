//! How much, and how long.

use super::units::{Size, Time};

/// How much clients may do.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct LimitsConfig {
    /// Octets in one message (default: 25MB).
    pub message_size: Size,
    /// Recipients of one message; at least 100, RFC 5321 section 4.5.3.1.8 (default: 1000).
    pub recipients: usize,
    /// Faults of a client before its connection is closed (default: 20).
    pub errors: u32,
    /// Commands in a row that bring no mail nearer (default: 100).
    pub idle_commands: u32,
    /// Refused logins on one connection before it is closed (default: 3).
    pub auth_failures: u32,
    /// Refused logins from one address, or one IPv6 /64, before it may not try any more; 0 is no
    /// limit (default: 10).
    pub auth_failures_per_ip: u32,
    /// Messages on one connection; 0 is no limit (default: 0).
    pub messages_per_connection: u32,
    /// Received fields of a message before it counts as going in circles (default: 100).
    pub hops: usize,
    /// Connections at once (default: 1000).
    pub connections: usize,
    /// Connections at once from one address, or one IPv6 /64 (default: 50).
    pub connections_per_ip: usize,
    /// Deliveries at once to one file system, each with a thread (default: 100).
    pub deliveries: usize,
    /// Errors of one disk (EIO) within a minute before it gets no more mail until it works again; 0
    /// is no limit (default: 3).
    pub disk_errors: usize,
    /// Octets of memory for all messages that are being received or delivered; large ones are on
    /// disk (default: 256MB).
    pub memory: Size,
    /// Octets per second that a message must come in at, on average; 0 is no limit (default: 100).
    pub data_rate: Size,
}

/// How long things may take.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct TimeoutsConfig {
    /// For the header of the PROXY protocol, where there has to be one (default: 5s).
    pub proxy: Time,
    /// From the greeting to the first command (default: 60s).
    pub greeting: Time,
    /// From a reply to the next command (default: 300s).
    pub command: Time,
    /// Between two pieces of a message (default: 120s).
    pub data: Time,
    /// For the handshake of TLS (default: 30s).
    pub tls_handshake: Time,
    /// How long the first refused login on a connection takes; each of the next twice as long, up to
    /// 30s (default: 2s).
    pub auth_delay: Time,
    /// How long refused logins of an address count (default: 10m).
    pub auth_failures: Time,
    /// For a whole connection (default: 1h).
    pub session: Time,
    /// For a delivery, before the client is told to try again (default: 5m).
    pub delivery: Time,
    /// For what is under way when the server stops (default: 30s).
    pub shutdown: Time,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            message_size: Size(25_000_000),
            recipients: 1000,
            errors: 20,
            idle_commands: 100,
            auth_failures: 3,
            auth_failures_per_ip: 10,
            messages_per_connection: 0,
            hops: 100,
            connections: 1000,
            connections_per_ip: 50,
            deliveries: 100,
            disk_errors: 3,
            memory: Size(256_000_000),
            data_rate: Size(100),
        }
    }
}

impl Default for TimeoutsConfig {
    fn default() -> Self {
        Self {
            proxy: Time::seconds(5),
            greeting: Time::seconds(60),
            command: Time::seconds(300),
            data: Time::seconds(120),
            tls_handshake: Time::seconds(30),
            auth_delay: Time::seconds(2),
            auth_failures: Time::seconds(600),
            session: Time::hours(1),
            delivery: Time::seconds(300),
            shutdown: Time::seconds(30),
        }
    }
}
