//! The octets of one connection, as they are or within TLS; never waiting.

#[path = "../../tests/it/gullible.rs"]
mod gullible;

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind};

use gullible::Gullible;

/// When the encryption begins.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Begin {
    /// After STARTTLS (RFC 3207).
    Starttls,
    /// With the first octet (RFC 8314 section 3.3).
    Implicit,
}

/// A socket, and what the two sides have agreed on over it.
pub struct Wire {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    name: Option<String>,
}

impl Wire {
    pub fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            tls: None,
            name: None,
        }
    }

    /// The socket, to be watched for events.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// From here on everything is within TLS.
    pub fn begin_tls(&mut self, config: &Arc<ClientConfig>, name: String) {
        self.name = Some(name.clone());
        let name = ServerName::try_from(name).expect("it is a name");
        let tls = ClientConnection::new(Arc::clone(config), name);
        self.tls = Some(Box::new(tls.expect("ring has all that is needed")));
    }

    /// The name that the handshake asked for, for the next connection.
    pub fn take_name(&mut self) -> Option<String> {
        self.name.take()
    }

    /// Goes on with the handshake. Says whether a session was resumed, when it is done.
    pub fn handshake(&mut self) -> io::Result<Option<bool>> {
        let Some(tls) = &mut self.tls else {
            return Ok(Some(false));
        };
        loop {
            while tls.wants_write() {
                tls.write_tls(&mut self.socket)?;
            }
            if !tls.is_handshaking() {
                let is_resumed = tls.handshake_kind() == Some(HandshakeKind::Resumed);
                return Ok(Some(is_resumed));
            }
            match tls.read_tls(&mut self.socket) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {
                    let outcome = tls.process_new_packets();
                    outcome.map_err(|error| io::Error::other(error.to_string()))?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes octets to send; some may still be here when it returns.
    pub fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.write(octets);
        };
        match tls.writer().write(octets)? {
            // What was encrypted before has to go first.
            0 => self.flush().map(|()| 0),
            taken => Ok(taken),
        }
    }

    /// Whether something that was taken is still to be sent.
    pub fn is_holding(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Sends what is still here.
    pub fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut self.socket)?;
            }
        }
        Ok(())
    }

    /// Reads into `room`. Returns how many octets came, and whether the socket may have more.
    pub fn read(&mut self, room: &mut [u8]) -> io::Result<(usize, bool)> {
        let Some(tls) = &mut self.tls else {
            let count = self.socket.read(room)?;
            return Ok((count, count == room.len()));
        };
        let mut glance = Glance {
            socket: &self.socket,
            is_empty: false,
        };
        loop {
            match tls.reader().read(room) {
                Ok(count) => return Ok((count, !glance.is_empty || count == room.len())),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if glance.is_empty {
                return Err(ErrorKind::WouldBlock.into());
            }
            if tls.read_tls(&mut glance)? == 0 {
                return Ok((0, false));
            }
            let outcome = tls.process_new_packets();
            outcome.map_err(|error| io::Error::other(error.to_string()))?;
        }
    }
}

/// Notes that the socket gave less than there was room for: it has no more for now, and asking it
/// again would be a system call for nothing.
struct Glance<'a> {
    socket: &'a TcpStream,
    is_empty: bool,
}

impl Read for Glance<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(room)?;
        self.is_empty = count < room.len();
        Ok(count)
    }
}

/// Names of which sessions are remembered.
const NAMES: usize = 10_000;

/// What all connections go by: it is not the client that is measured. One store of sessions serves them all, where they may be resumed.
pub fn config(resume: bool) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible))
        .with_no_client_auth();
    config.resumption = if resume {
        Resumption::in_memory_sessions(NAMES)
    } else {
        Resumption::disabled()
    };
    Arc::new(config)
}
