//! One connection to Redis, or one to each node of a cluster.

use std::sync::Arc;

use ::redis::{
    Cmd, Connection, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo,
    RedisResult, TlsCertificates, Value,
};

use super::nodes::{Nodes, Pulses};
use super::{Endpoint, Fault, Settings};

/// A connection to Redis.
pub(super) enum Link {
    One(Box<Connection>),
    Many(Box<Nodes>),
}

impl Link {
    /// Connects, and says who we are.
    pub(super) fn open(settings: &Settings, pulses: &Arc<Pulses>) -> Result<Self, Fault> {
        provide();
        if settings.cluster {
            return Ok(Self::Many(Box::new(Nodes::open(settings, pulses)?)));
        }
        let endpoint = settings.endpoints.first();
        let endpoint = endpoint.ok_or_else(|| Fault::Down("no address is given".into()))?;
        Self::one(settings, endpoint)
    }

    /// The same, with this node alone.
    pub(super) fn one(settings: &Settings, endpoint: &Endpoint) -> Result<Self, Fault> {
        provide();
        let opened = single(settings, endpoint);
        let opened = opened.map_err(|error| at(endpoint, &error))?;
        Ok(Self::One(Box::new(opened)))
    }

    /// Sends all commands, then reads all replies, one for each; errors of Redis are among them.
    pub(super) fn exchange(&mut self, commands: &[&Cmd]) -> Result<Vec<Value>, Fault> {
        match self {
            Self::One(connection) => Ok(pipeline(connection, commands)?),
            Self::Many(nodes) => nodes.exchange(commands),
        }
    }
}

/// Octets that are put together before they are sent.
const GATHERED: usize = 64 << 10;

fn pipeline(connection: &mut Connection, commands: &[&Cmd]) -> RedisResult<Vec<Value>> {
    send(connection, commands)?;
    let answer = |_: &&Cmd| connection.recv_response();
    commands.iter().map(answer).collect()
}

/// Sends them; each has a reply.
pub(super) fn send(connection: &mut Connection, commands: &[&Cmd]) -> RedisResult<()> {
    let mut packed = Vec::new();
    for command in commands {
        command.write_packed_command(&mut packed);
        if packed.len() >= GATHERED {
            connection.send_packed_command(&packed)?;
            packed.clear();
        }
    }
    if packed.is_empty() {
        return Ok(());
    }
    connection.send_packed_command(&packed)
}

/// Connects.
pub(super) fn single(settings: &Settings, endpoint: &Endpoint) -> RedisResult<Connection> {
    let info = information(settings, endpoint)?;
    let client = match (&settings.tls, endpoint) {
        (Some(tls), Endpoint::Tcp(..)) if tls.ca.is_some() => {
            ::redis::Client::build_with_tls(info, certificates(settings))?
        }
        _ => ::redis::Client::open(info)?,
    };
    let connection = client.get_connection_with_timeout(settings.connect_timeout)?;
    connection.set_read_timeout(Some(settings.timeout))?;
    connection.set_write_timeout(Some(settings.timeout))?;
    Ok(connection)
}

fn information(settings: &Settings, endpoint: &Endpoint) -> RedisResult<ConnectionInfo> {
    let address = match endpoint {
        Endpoint::Unix(path) => ConnectionAddr::Unix(path.clone()),
        Endpoint::Tcp(host, port) if settings.tls.is_some() => ConnectionAddr::TcpTls {
            host: host.clone(),
            port: *port,
            insecure: false,
            tls_params: None,
        },
        Endpoint::Tcp(host, port) => ConnectionAddr::Tcp(host.clone(), *port),
    };
    let mut who = RedisConnectionInfo::default().set_skip_set_lib_name();
    if !settings.cluster {
        who = who.set_db(settings.database.into());
    }
    if let Some(user) = &settings.user {
        who = who.set_username(user);
    }
    if let Some(password) = &settings.password {
        who = who.set_password(password);
    }
    Ok(address.into_connection_info()?.set_redis_settings(who))
}

fn certificates(settings: &Settings) -> TlsCertificates {
    let ca = settings.tls.as_ref().and_then(|tls| tls.ca.clone());
    TlsCertificates {
        client_tls: None,
        root_cert: ca,
    }
}

/// The crate takes what the process has for TLS: ring, as everywhere here.
fn provide() {
    // Somebody else may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// What went wrong there.
pub(super) fn at(endpoint: &Endpoint, error: &::redis::RedisError) -> Fault {
    let hint = match error.kind() {
        ::redis::ErrorKind::AuthenticationFailed => {
            "; see redis.user and redis.password_file".to_owned()
        }
        _ => String::new(),
    };
    let why = if error.is_timeout() {
        "no answer in time".into()
    } else {
        error.to_string()
    };
    Fault::Down(format!("{endpoint}: {why}{hint}"))
}
