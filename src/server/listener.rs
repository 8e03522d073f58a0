//! Sockets that clients connect to.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use smol::Async;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::Trust;
use super::door::Door;
use super::passed::PassedSockets;
use super::socket_file::{self, Access, AccessChange, SocketFile};
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
    pub(super) site: Site,
}

/// A bound socket that nobody has taken over yet, or one that is kept.
#[derive(Debug)]
pub struct Bound {
    address: Address,
    site: Site,
}

/// Which socket.
#[derive(Debug)]
pub(super) enum Site {
    /// One that was just bound, for an address as it was asked for.
    New(Address, ListeningSocket),
    /// One at which clients come in already; who may connect to it may have been changed.
    Kept(Arc<Door>, Option<AccessChange>),
}

#[derive(Debug)]
pub(super) enum ListeningSocket {
    Tcp(Async<TcpListener>),
    Unix {
        /// Goes before the socket does, so that nobody finds a file without a listener.
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
        self.bind_beside(&[], passed)
    }

    /// The same, where `others` are about to be closed and may be in the way until then.
    pub(super) fn bind_beside(
        &self,
        others: &[Arc<Door>],
        passed: &mut PassedSockets,
    ) -> io::Result<Bound> {
        let mut address = self.clone();
        let socket = match self {
            Self::Tcp(wanted) => {
                let others = others.iter().filter_map(|door| door.socket.tcp());
                let socket = Async::new(tcp_beside(*wanted, others)?)?;
                address = Self::Tcp(socket.get_ref().local_addr()?);
                ListeningSocket::Tcp(socket)
            }
            Self::Unix(path, access) => {
                let (socket, file) = socket_file::listen(path, *access)?;
                let (file, socket) = (Some(file), Async::new(socket)?);
                ListeningSocket::Unix { file, socket }
            }
            Self::Systemd(name) => passed.take(name)?,
        };
        let site = Site::New(self.clone(), socket);
        Ok(Bound { address, site })
    }
}

impl Bound {
    /// One that is kept; an error where it cannot be given the mode and group that are wanted.
    pub(super) fn kept(door: Arc<Door>, wanted: &Address) -> io::Result<Self> {
        let mut address = door.offering().address.clone();
        let mut change = None;
        if let (Address::Unix(_, old), Address::Unix(path, new)) = (&address, wanted) {
            change = (old != new)
                .then(|| AccessChange::make(path, new.after(*old)))
                .transpose()?;
            address = wanted.clone();
        }
        let site = Site::Kept(door, change);
        Ok(Self { address, site })
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The socket alone, if it is a new one of TCP.
    pub fn into_tcp(self) -> Option<Async<TcpListener>> {
        match self.site {
            Site::New(_, ListeningSocket::Tcp(socket)) => Some(socket),
            _ => None,
        }
    }

    /// Offers `profile` on it.
    pub fn serve(self, profile: Arc<Profile>) -> Listener {
        Listener {
            address: self.address,
            profile,
            trust: Arc::default(),
            encryption: None,
            logbook: None,
            site: self.site,
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
}

impl ListeningSocket {
    /// Whether clients can still find it: the file of a Unix socket can be removed.
    pub(super) fn can_be_found(&self) -> bool {
        match self {
            Self::Unix { file, .. } => file.as_ref().is_none_or(SocketFile::is_in_place),
            Self::Tcp(_) => true,
        }
    }

    fn tcp(&self) -> Option<&TcpListener> {
        match self {
            Self::Tcp(socket) => Some(socket.get_ref()),
            Self::Unix { .. } => None,
        }
    }

    pub(super) async fn accept(&self) -> io::Result<(Stream, Client)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, peer) = socket.accept().await?;
                // Replies are whole when they are written; there is nothing to wait for. It fails for
                // a client that has left, which is heard soon enough.
                let _ = stream.get_ref().set_nodelay(true);
                let client = Client {
                    address: Some(peer.ip().to_canonical()),
                    port: Some(peer.port()),
                    server: stream.get_ref().local_addr().ok().map(canonical),
                    ..Client::default()
                };
                Ok((Stream::Tcp(stream.into()), client))
            }
            Self::Unix { socket, .. } => {
                let (stream, _) = socket.accept().await?;
                Ok((Stream::Unix(stream.into()), Client::default()))
            }
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn tcp(address: SocketAddr, is_shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A port must not stay taken by connections of a server that has ended.
    socket.set_reuse_address(true)?;
    if is_shared {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Binds although one of `others` listens at the same port and another address, as when 127.0.0.1
/// becomes 0.0.0.0. Two programs shall not share a port, so it is for this moment only.
pub(crate) fn tcp_beside<'a>(
    address: SocketAddr,
    others: impl Iterator<Item = &'a TcpListener>,
) -> io::Result<TcpListener> {
    let outcome = tcp(address, false);
    let is_own = |socket: &&TcpListener| {
        let local = socket.local_addr();
        local.is_ok_and(|local| local.port() == address.port())
    };
    let own: Vec<&TcpListener> = others.filter(is_own).collect();
    if own.is_empty() || !matches!(&outcome, Err(error) if error.kind() == io::ErrorKind::AddrInUse)
    {
        return outcome;
    }
    let share = |is_shared| {
        own.iter()
            .try_for_each(|socket| SockRef::from(*socket).set_reuse_port(is_shared))
    };
    let outcome = share(true).and_then(|()| tcp(address, true));
    share(false)?;
    let socket = outcome?;
    SockRef::from(&socket).set_reuse_port(false)?;
    Ok(socket)
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
