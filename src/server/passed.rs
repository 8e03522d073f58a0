//! Sockets that systemd has opened for us (`sd_listen_fds(3)`).

use std::fmt;
use std::io;

use listenfd::ListenFd;
use smol::Async;
use socket2::SockRef;

use super::listener::ListeningSocket;

/// What `sd_listen_fds_with_names(3)` calls a socket for which no name was passed.
const NAMELESS: &str = "unknown";

/// The sockets that were passed, each until it is taken.
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
        let given = names.split(':').filter(|name| !name.is_empty());
        let names = given.chain(std::iter::repeat(NAMELESS)).take(sockets.len());
        Self {
            names: names.map(|name| Some(name.to_owned())).collect(),
            sockets,
        }
    }

    /// The name of a socket that was not taken. Its clients would wait for ever.
    pub fn left(&self) -> Option<&str> {
        self.names.iter().flatten().map(String::as_str).next()
    }

    /// Whether there is a socket of this name that was not taken: a unit with several
    /// `ListenStream=` passes them all under one.
    pub fn has(&self, name: &str) -> bool {
        self.index(name).is_some()
    }

    fn index(&self, name: &str) -> Option<usize> {
        let mut names = self.names.iter();
        names.position(|known| known.as_deref() == Some(name))
    }

    /// Takes the first of this name.
    pub(super) fn take(&mut self, name: &str) -> io::Result<ListeningSocket> {
        let index = self.index(name).ok_or_else(|| self.missing(name))?;
        if let Ok(Some(socket)) = self.sockets.take_tcp_listener(index) {
            listens(name, &SockRef::from(&socket))?;
            self.names[index] = None;
            return Ok(ListeningSocket::Tcp(Async::new(socket)?));
        }
        let socket = self.sockets.take_unix_listener(index);
        let Ok(Some(socket)) = socket else {
            return Err(unfit(name));
        };
        listens(name, &SockRef::from(&socket))?;
        self.names[index] = None;
        let socket = Async::new(socket)?;
        Ok(ListeningSocket::Unix { file: None, socket })
    }

    fn missing(&self, name: &str) -> io::Error {
        let others: Vec<String> = self.names.iter().flatten().map(quoted).collect();
        let others = match &others[..] {
            [] if self.names.is_empty() => "nor any other; start the socket unit".to_owned(),
            [] => "that is left; name each once".to_owned(),
            others => format!("but {}", others.join(", ")),
        };
        let message = format!("systemd passed no socket \"{name}\", {others}");
        io::Error::new(io::ErrorKind::NotFound, message)
    }
}

fn quoted(name: &String) -> String {
    format!("\"{name}\"")
}

/// With `Accept=yes` it would be a connection.
fn listens(name: &str, socket: &SockRef<'_>) -> io::Result<()> {
    if socket.is_listener()? {
        Ok(())
    } else {
        Err(unfit(name))
    }
}

fn unfit(name: &str) -> io::Error {
    let message = format!(
        "what systemd passed as \"{name}\" takes no connections; write ListenStream= and Accept=no in the unit"
    );
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

impl fmt::Debug for PassedSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PassedSockets").field(&self.names).finish()
    }
}
