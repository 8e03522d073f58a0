//! Sockets that clients connect to.

use std::fmt;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use listenfd::ListenFd;
use smol::Async;
use socket2::{Domain, Protocol, Socket, Type};

use super::Trust;
use super::tls::Encryption;
use crate::envelope::Client;
use crate::smtp::Profile;

/// Connections that may wait to be accepted. With the usual 128, a burst of
/// clients beyond it would wait for a greeting that never comes.
const BACKLOG: i32 = 4096;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An address and a port; 0 takes a free one. An IPv6 address means IPv6 only.
    Tcp(SocketAddr),
    /// A Unix socket and the permissions of its file.
    Unix(PathBuf, u32),
    /// A socket that systemd passes under this name (`FileDescriptorName=`).
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
    socket: ListeningSocket,
}

/// A bound socket that nobody has taken over yet.
#[derive(Debug)]
pub struct Bound(Address, ListeningSocket);

#[derive(Debug)]
enum ListeningSocket {
    Tcp(Async<TcpListener>),
    Unix(Async<UnixListener>),
}

/// A connection.
pub(super) enum Stream {
    Tcp(smol::net::TcpStream),
    Unix(smol::net::unix::UnixStream),
}

impl Address {
    /// Binds and listens.
    pub fn bind(&self, passed: &mut PassedSockets) -> io::Result<Bound> {
        match self {
            Self::Tcp(address) => {
                let socket = Async::new(tcp(*address)?)?;
                let address = Self::Tcp(socket.get_ref().local_addr()?);
                Ok(Bound(address, ListeningSocket::Tcp(socket)))
            }
            Self::Unix(path, mode) => {
                let socket = Async::new(unix(path, *mode)?)?;
                Ok(Bound(self.clone(), ListeningSocket::Unix(socket)))
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

    /// Offers `profile` on it.
    pub fn serve(self, profile: Arc<Profile>) -> Listener {
        Listener {
            address: self.0,
            profile,
            trust: Arc::default(),
            encryption: None,
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
            ListeningSocket::Unix(socket) => {
                let (stream, _) = socket.accept().await?;
                Ok((Stream::Unix(stream.into()), Client::default()))
            }
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A Unix socket that was made here leaves no file behind.
impl Drop for Listener {
    fn drop(&mut self) {
        if let Address::Unix(path, _) = &self.address {
            let _ = fs::remove_file(path);
        }
    }
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

/// Takes the place of a socket file that nobody listens on any more.
fn unix(path: &Path, mode: u32) -> io::Result<UnixListener> {
    if let Ok(file) = fs::symlink_metadata(path) {
        if !file.file_type().is_socket() {
            let message = "there is a file that is no socket";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path)?;
            }
            _ => return Err(io::ErrorKind::AddrInUse.into()),
        }
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    // Nobody can connect before it listens, so the mode is right from the first moment.
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The sockets that systemd opened for us (`sd_listen_fds(3)`).
pub struct PassedSockets {
    sockets: ListenFd,
    /// The names of those that were not taken yet.
    names: Vec<Option<String>>,
}

impl PassedSockets {
    /// What the environment tells. Can be asked once in a process.
    pub fn from_env() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let sockets = ListenFd::from_env();
        let names = names.split(':').take(sockets.len());
        Self {
            names: names.map(|name| Some(name.to_owned())).collect(),
            sockets,
        }
    }

    /// The name of a socket that was not taken. Its clients would wait for ever.
    pub fn left(&self) -> Option<&str> {
        self.names.iter().flatten().map(String::as_str).next()
    }

    fn take(&mut self, name: &str) -> io::Result<ListeningSocket> {
        let missing = || {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("systemd passed no socket \"{name}\""),
            )
        };
        let index = self
            .names
            .iter()
            .position(|known| known.as_deref() == Some(name))
            .ok_or_else(missing)?;
        self.names[index] = None;
        if let Ok(Some(socket)) = self.sockets.take_tcp_listener(index) {
            return Ok(ListeningSocket::Tcp(Async::new(socket)?));
        }
        let socket = self
            .sockets
            .take_unix_listener(index)?
            .ok_or_else(missing)?;
        Ok(ListeningSocket::Unix(Async::new(socket)?))
    }
}

impl fmt::Debug for PassedSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PassedSockets").field(&self.names).finish()
    }
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
