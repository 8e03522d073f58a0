//! Sockets that clients connect to.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use smol::Async;
use socket2::{Domain, Protocol, Socket, Type};

use super::Trust;
use super::passed::PassedSockets;
use super::socket_file::{self, Access, SocketFile};
use super::tls::Encryption;
use crate::envelope::Client;
use crate::logbook::Logbook;
use crate::smtp::Profile;

/// Connections that may wait to be accepted. With the usual 128, a burst of
/// clients beyond it would wait for a greeting that never comes.
pub(super) const BACKLOG: i32 = 4096;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An address and a port; 0 takes a free one. An IPv6 address means IPv6 only.
    Tcp(SocketAddr),
    /// A Unix socket and who may connect.
    Unix(PathBuf, Access),
    /// A socket, or several, that systemd passes under this name (`FileDescriptorName=`).
    Systemd(String),
}

/// A socket that listens, and what is offered on it.
#[derive(Debug)]
pub struct Listener {
    /// Where it listens; the port that was taken, for port 0.
    pub address: Address,
    /// What a session on it may do.
    pub profile: Arc<Profile>,
    /// Whose word is believed about who the client is.
    pub trust: Arc<Trust>,
    /// How it is encrypted, if it can be.
    pub encryption: Option<Encryption>,
    /// Where lines about its clients go, if not into the log of the process.
    pub logbook: Option<Logbook>,
    socket: ListeningSocket,
}

/// A bound socket that nobody has taken over yet.
#[derive(Debug)]
pub struct Bound(Address, ListeningSocket);

#[derive(Debug)]
pub(super) enum ListeningSocket {
    Tcp(Async<TcpListener>),
    Unix {
        /// Goes before the socket does, so that nobody finds a file without a listener.
        #[expect(dead_code, reason = "it is kept for its end")]
        file: Option<SocketFile>,
        socket: Async<UnixListener>,
    },
}

/// A connection.
pub(super) enum Stream {
    Tcp(smol::net::TcpStream),
    Unix(smol::net::unix::UnixStream),
}

impl Address {
    /// Binds and listens; of several sockets that systemd passes under one name, takes the first.
    pub fn bind(&self, passed: &mut PassedSockets) -> io::Result<Bound> {
        match self {
            Self::Tcp(address) => {
                let socket = Async::new(tcp(*address)?)?;
                let address = Self::Tcp(socket.get_ref().local_addr()?);
                Ok(Bound(address, ListeningSocket::Tcp(socket)))
            }
            Self::Unix(path, access) => {
                let (socket, file) = socket_file::listen(path, *access)?;
                let (file, socket) = (Some(file), Async::new(socket)?);
                Ok(Bound(self.clone(), ListeningSocket::Unix { file, socket }))
            }
            Self::Systemd(name) => Ok(Bound(self.clone(), passed.take(name)?)),
        }
    }
}

impl Bound {
    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.0
    }

    /// The socket alone, if it is one of TCP.
    pub fn into_tcp(self) -> Option<Async<TcpListener>> {
        match self.1 {
            ListeningSocket::Tcp(socket) => Some(socket),
            ListeningSocket::Unix { .. } => None,
        }
    }

    /// Offers `profile` on it.
    pub fn serve(self, profile: Arc<Profile>) -> Listener {
        Listener {
            address: self.0,
            profile,
            trust: Arc::default(),
            encryption: None,
            logbook: None,
            socket: self.1,
        }
    }
}

impl Listener {
    /// Believes these.
    #[must_use]
    pub fn trusting(mut self, trust: Trust) -> Self {
        self.trust = Arc::new(trust);
        self
    }

    /// The same, encrypted so.
    #[must_use]
    pub fn encrypted(mut self, encryption: Option<Encryption>) -> Self {
        self.encryption = encryption;
        self
    }

    /// The same, with a log of its own.
    #[must_use]
    pub fn logged(mut self, logbook: Option<Logbook>) -> Self {
        self.logbook = logbook;
        self
    }

    pub(super) async fn accept(&self) -> io::Result<(Stream, Client)> {
        match &self.socket {
            ListeningSocket::Tcp(socket) => {
                let (stream, peer) = socket.accept().await?;
                // Replies are whole when they are written; there is nothing to wait for.
                stream.get_ref().set_nodelay(true)?;
                let client = Client {
                    address: Some(peer.ip().to_canonical()),
                    port: Some(peer.port()),
                    server: stream.get_ref().local_addr().ok().map(canonical),
                    ..Client::default()
                };
                Ok((Stream::Tcp(stream.into()), client))
            }
            ListeningSocket::Unix { socket, .. } => {
                let (stream, _) = socket.accept().await?;
                Ok((Stream::Unix(stream.into()), Client::default()))
            }
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A port must not stay taken by connections of a server that has ended.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path, _) => write!(f, "unix:{}", path.display()),
            Self::Systemd(name) => write!(f, "systemd:{name}"),
        }
    }
}
