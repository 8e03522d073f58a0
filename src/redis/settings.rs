//! Where Redis is, and how it is spoken to.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where Redis is, and how it is spoken to.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where it listens: one, or some nodes of a cluster, which tell of the others.
    pub endpoints: Vec<Endpoint>,
    /// Whether that is a Redis Cluster.
    pub cluster: bool,
    /// How the connection is encrypted; not on Unix sockets.
    pub tls: Option<Tls>,
    /// The user of its access control list; none is `default`.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// The number of the database.
    pub database: u32,
    /// Pipelines at once, each on a connection of its own.
    pub connections: usize,
    /// Until there is a connection, and it is known who we are.
    pub connect_timeout: Duration,
    /// Until a pipeline is answered, each part of it.
    pub timeout: Duration,
    /// How many may wait for a Redis that is slow; others are refused at once.
    pub waiting: usize,
}

/// Where a Redis listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// A Unix socket.
    Unix(PathBuf),
    /// A name or an address, and a port.
    Tcp(String, u16),
}

/// How a connection is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Who signs its certificate, as PEM; none is those that Mozilla trusts.
    pub ca: Option<Vec<u8>>,
}

impl Settings {
    /// That of one Redis, with defaults for the rest.
    pub fn at(endpoint: Endpoint) -> Self {
        Self {
            endpoints: vec![endpoint],
            cluster: false,
            tls: None,
            user: None,
            password: None,
            database: 0,
            connections: 2,
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(5),
            waiting: 50,
        }
    }

    /// All addresses, for people.
    pub fn shown(&self) -> String {
        let shown: Vec<_> = self.endpoints.iter().map(Endpoint::to_string).collect();
        shown.join(", ")
    }
}

/// Without the password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Settings {{ endpoints: {} }}", self.shown())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
        }
    }
}
