//! One connection to Redis, or one to each node of a cluster.

use std::time::Duration;

use ::redis::cluster::{ClusterClient, ClusterConnection, cluster_pipe};
use ::redis::{
    Cmd, Connection, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo,
    RedisResult, TlsCertificates, TlsMode, Value,
};

use super::{Endpoint, Fault, Settings};

/// A connection to Redis.
pub(super) enum Link {
    One(Box<Connection>),
    Many(Box<ClusterConnection>),
}

impl Link {
    /// Connects, and says who we are.
    pub(super) fn open(settings: &Settings) -> Result<Self, Fault> {
        provide();
        if settings.cluster {
            return Ok(Self::Many(Box::new(cluster(settings)?)));
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
            Self::Many(connection) => Ok(spread(connection, commands)?),
        }
    }
}

/// Octets that are put together before they are sent.
const GATHERED: usize = 64 << 10;

fn pipeline(connection: &mut Connection, commands: &[&Cmd]) -> RedisResult<Vec<Value>> {
    let mut packed = Vec::new();
    for command in commands {
        command.write_packed_command(&mut packed);
        if packed.len() >= GATHERED {
            connection.send_packed_command(&packed)?;
            packed.clear();
        }
    }
    if !packed.is_empty() {
        connection.send_packed_command(&packed)?;
    }
    let answer = |_: &&Cmd| connection.recv_response();
    commands.iter().map(answer).collect()
}

/// Each command goes to the node that has its key.
fn spread(connection: &mut ClusterConnection, commands: &[&Cmd]) -> RedisResult<Vec<Value>> {
    let mut pipeline = cluster_pipe();
    for command in commands {
        pipeline.add_command((*command).clone());
    }
    let error = match pipeline.query::<Vec<Value>>(connection) {
        Ok(values) => return Ok(values),
        Err(error) => error,
    };
    let Some(refused) = error.clone().into_server_errors() else {
        return Err(error);
    };
    let mut values = vec![Value::Nil; commands.len()];
    for (index, error) in refused.iter() {
        if let Some(value) = values.get_mut(*index) {
            *value = Value::ServerError(error.clone());
        }
    }
    Ok(values)
}

fn single(settings: &Settings, endpoint: &Endpoint) -> RedisResult<Connection> {
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

fn cluster(settings: &Settings) -> Result<ClusterConnection, Fault> {
    let connect = || {
        let nodes = settings.endpoints.iter();
        let nodes = nodes.map(|node| information(settings, node));
        let mut builder = ClusterClient::builder(nodes.collect::<RedisResult<Vec<_>>>()?)
            .connection_timeout(settings.connect_timeout)
            .response_timeout(settings.timeout)
            .max_retry_wait(SOON.as_millis().try_into().unwrap_or(u64::MAX))
            .retries(2);
        if settings.tls.is_some() {
            builder = builder.tls(TlsMode::Secure).certs(certificates(settings));
        }
        builder.build()?.get_connection()
    };
    let shown = settings.shown();
    connect().map_err(|error| Fault::Down(format!("no node of the cluster ({shown}): {error}")))
}

/// The longest wait before a node is asked again within one pipeline.
const SOON: Duration = Duration::from_millis(200);

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

fn at(endpoint: &Endpoint, error: &::redis::RedisError) -> Fault {
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
