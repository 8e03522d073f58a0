//! What changes while the daemon runs. The topics are those of go-guerrilla.

use std::path::PathBuf;

/// Something in the configuration that is not about one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigChange {
    /// A configuration that differs from the one before is in force; what differs was told before,
    /// where there is an event for it.
    NewConfig {
        /// The keys that differ, such as `limits.connections`.
        keys: Vec<String>,
    },
    /// Whose mail is taken.
    AllowedHosts {
        /// The hosts that are ours now, as they are written.
        hosts: Vec<String>,
    },
    /// Where the number of the process is written.
    PidFile {
        /// Nowhere, if there is none.
        path: Option<PathBuf>,
    },
    /// Where the log goes.
    LogFile {
        /// A file, `stderr` or `stdout`.
        target: String,
    },
    /// The file of the log was closed and opened again.
    ReopenLogFile,
    /// How much is logged.
    LogLevel {
        /// Such as `info`.
        level: String,
    },
    /// What is done with mail: chains, processors, Maildirs.
    BackendConfig {
        /// The keys that differ, such as `fastcgi.timeout`.
        keys: Vec<String>,
    },
}

impl ConfigChange {
    pub(super) fn topic(&self) -> &'static str {
        match self {
            Self::NewConfig { .. } => "config_change:new_config",
            Self::AllowedHosts { .. } => "config_change:allowed_hosts",
            Self::PidFile { .. } => "config_change:pid_file",
            Self::LogFile { .. } => "config_change:log_file",
            Self::ReopenLogFile => "config_change:reopen_log_file",
            Self::LogLevel { .. } => "config_change:log_level",
            Self::BackendConfig { .. } => "config_change:backend_config",
        }
    }
}

/// Something about one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerChange {
    /// Its address as clients know it, as in [`Peer`](super::Peer) and in the log: with the port that was taken,
    /// where the configuration has port 0. One that is switched off is called as it was before, or as
    /// it is written.
    pub listener: String,
    /// What has changed.
    pub change: ListenerChange,
}

/// What may change about a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenerChange {
    /// It was not in the configuration before.
    New,
    /// It is not in the configuration any more.
    Removed,
    /// Something about it differs.
    Updated {
        /// The keys that differ, such as `auth`.
        keys: Vec<String>,
    },
    /// It accepts connections from now on.
    Started,
    /// It does not any more.
    Stopped,
    /// Its log goes elsewhere.
    LogFile {
        /// A file, `stderr` or `stdout`.
        target: String,
    },
    /// The file of its log was closed and opened again.
    ReopenLogFile,
    /// How long its clients may take.
    Timeout,
    /// How many clients it may have.
    MaxClients {
        /// So many.
        connections: usize,
    },
    /// How it is encrypted, or with which certificate.
    TlsConfig,
}

impl ServerChange {
    pub(super) fn topic(&self) -> &'static str {
        match self.change {
            ListenerChange::New => "server_change:new_server",
            ListenerChange::Removed => "server_change:remove_server",
            ListenerChange::Updated { .. } => "server_change:update_config",
            ListenerChange::Started => "server_change:start_server",
            ListenerChange::Stopped => "server_change:stop_server",
            ListenerChange::LogFile { .. } => "server_change:new_log_file",
            ListenerChange::ReopenLogFile => "server_change:reopen_log_file",
            ListenerChange::Timeout => "server_change:timeout",
            ListenerChange::MaxClients { .. } => "server_change:max_clients",
            ListenerChange::TlsConfig => "server_change:tls_config",
        }
    }
}
