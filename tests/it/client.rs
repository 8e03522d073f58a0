//! A small client that waits for each reply, over TCP or a Unix socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::mem;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, SockRef, Socket, Type};

use maiasaura::server::Address;

/// Nothing that is waited for takes so long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to a server.
#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, Self>>),
    /// It was taken away for a handshake that failed.
    Nothing,
}

impl Stream {
    pub fn connect(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => TcpStream::connect_timeout(address, PATIENCE)?.try_into(),
            Address::Unix(path, _) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Ok(Self::Unix(stream))
            }
            Address::Systemd(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Does the handshake of TLS with a server of this name.
    pub fn secure(&mut self, config: &Arc<ClientConfig>, name: &str) -> io::Result<()> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::clone(config), name);
        let mut connection = connection.map_err(io::Error::other)?;
        let mut stream = mem::replace(self, Self::Nothing);
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        *self = Self::Tls(Box::new(StreamOwned::new(connection, stream)));
        Ok(())
    }

    /// What is known of the connection, if it is encrypted.
    pub fn tls(&self) -> Option<&ClientConnection> {
        match self {
            Self::Tls(stream) => Some(&stream.conn),
            _ => None,
        }
    }

    /// The stream without its encryption.
    pub fn plain(&mut self) -> &mut Self {
        match self {
            Self::Tls(stream) => stream.sock.plain(),
            plain => plain,
        }
    }

    /// Will be closed at once and without a word when it is dropped.
    pub fn reset(&self) {
        let Self::Tcp(stream) = self else {
            return;
        };
        let linger = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        linger.expect("a socket may be told so");
    }

    /// Says that nothing more comes.
    pub fn finish(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
            Self::Tls(_) | Self::Nothing => Ok(()),
        }
    }

    /// The same; within TLS with its farewell.
    pub fn say_goodbye(&mut self) -> io::Result<()> {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            stream.flush()?;
        }
        self.plain().finish()
    }
}

impl TryFrom<TcpStream> for Stream {
    type Error = io::Error;

    fn try_from(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self::Tcp(stream))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
            Self::Tls(stream) => read_within(stream, buffer),
            Self::Nothing => Ok(0),
        }
    }
}

/// Reads without sending first what could not be sent, as rustls would do: a server that has closed
/// before it was told everything has said something before that.
fn read_within(
    stream: &mut StreamOwned<ClientConnection, Stream>,
    buffer: &mut [u8],
) -> io::Result<usize> {
    loop {
        match stream.conn.reader().read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            outcome => return outcome,
        }
        stream.conn.read_tls(&mut stream.sock)?;
        let outcome = stream.conn.process_new_packets();
        outcome.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    }
}

impl Write for Stream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(octets),
            Self::Unix(stream) => stream.write(octets),
            Self::Tls(stream) => stream.write(octets),
            Self::Nothing => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(stream) => stream.flush(),
            _ => Ok(()),
        }
    }
}

/// A client. What it does not expect is a panic.
#[derive(Debug)]
pub struct Client(BufReader<Stream>);

impl Client {
    /// A client that has heard nothing yet.
    pub fn connect(address: &Address) -> Self {
        let stream = Stream::connect(address)
            .unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
        Self::over(stream)
    }

    /// A client at this address of our own machine.
    pub fn from(address: Ipv4Addr, server: &Address) -> Self {
        let Address::Tcp(server) = server else {
            panic!("{server} is no TCP address");
        };
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let address = SocketAddr::from((address, 0));
        socket.bind(&address.into()).expect("all of 127/8 is ours");
        socket.connect(&(*server).into()).expect("it listens");
        Self::over(TcpStream::from(socket).try_into().expect("a connection"))
    }

    /// A client that has this connection.
    pub fn over(stream: Stream) -> Self {
        Self(BufReader::new(stream))
    }

    /// A client that was greeted and has greeted, as the server's protocol wants it.
    pub fn greeted(address: &Address) -> Self {
        let mut client = Self::connect(address);
        let greeting = client.reply();
        assert!(greeting.starts_with("220 "), "{greeting}");
        let verb = if greeting.ends_with(" LMTP") {
            "LHLO"
        } else {
            "EHLO"
        };
        client.wants(&format!("{verb} client.example.net"), "250-");
        client
    }

    /// The same client after STARTTLS and a handshake, and greeted anew.
    #[track_caller]
    pub fn secured(mut self, config: &Arc<ClientConfig>) -> Self {
        self.wants("STARTTLS", "220 2.0.0 ");
        self.handshakes(config);
        self.wants("EHLO client.example.net", "250-");
        self
    }

    /// Does a handshake, which must succeed.
    #[track_caller]
    pub fn handshakes(&mut self, config: &Arc<ClientConfig>) {
        let outcome = self.stream().secure(config, "mx.example.org");
        outcome.unwrap_or_else(|error| panic!("no handshake: {error}"));
    }

    /// The connection, for what is less polite.
    pub fn stream(&mut self) -> &mut Stream {
        self.0.get_mut()
    }

    /// Sends to a server that may have gone.
    pub fn try_send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream().write_all(octets)?;
        self.stream().flush()
    }

    #[track_caller]
    pub fn send(&mut self, octets: &[u8]) {
        if let Err(error) = self.try_send(octets) {
            panic!("cannot send: {error}");
        }
    }

    /// The next reply, its lines joined by LF; nothing when the server has closed.
    #[track_caller]
    pub fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let start = reply.len();
            match self.0.read_line(&mut reply) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return reply,
                Err(error) => panic!("no reply: {error}"),
                Ok(0) => return reply,
                Ok(_) if reply.as_bytes().get(start + 3) == Some(&b'-') => {}
                Ok(_) => return reply.replace("\r\n", "\n").trim_end().to_owned(),
            }
        }
    }

    /// The next octets, from a server that may have gone in any way.
    pub fn try_reply(&mut self) -> Option<String> {
        let mut line = String::new();
        let count = self.0.read_line(&mut line).ok()?;
        (count > 0).then_some(line)
    }

    /// Says a line and returns the reply.
    #[track_caller]
    pub fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes());
        self.reply()
    }

    /// Says a line that must be answered so.
    #[track_caller]
    pub fn wants(&mut self, line: &str, start: &str) -> String {
        let reply = self.say(line);
        assert!(reply.starts_with(start), "{line}: {reply}");
        reply
    }

    /// The next reply, which must begin so.
    #[track_caller]
    pub fn hears(&mut self, start: &str) -> String {
        let reply = self.reply();
        assert!(reply.starts_with(start), "not {start}: {reply}");
        reply
    }

    /// The server says nothing more and closes.
    #[track_caller]
    pub fn is_left(&mut self) {
        assert_eq!(self.reply(), "", "the connection is still open");
    }

    /// MAIL, RCPT and DATA, all of which must succeed.
    #[track_caller]
    pub fn begin(&mut self, from: &str, to: &[&str]) {
        self.wants(&format!("MAIL FROM:<{from}>"), "250 2.1.0 ");
        for to in to {
            self.wants(&format!("RCPT TO:<{to}>"), "250 2.1.5 ");
        }
        self.wants("DATA", "354 ");
    }

    /// One message; the first reply to its content.
    #[track_caller]
    pub fn deliver(&mut self, from: &str, to: &[&str], content: &[u8]) -> String {
        self.begin(from, to);
        self.send(&mail_data(content));
        self.reply()
    }
}

/// Content as it goes over the wire: with dots stuffed, and its end.
pub fn mail_data(content: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(content.len() + 5);
    for line in content.split_inclusive(|&octet| octet == b'\n') {
        if line.starts_with(b".") {
            data.push(b'.');
        }
        data.extend_from_slice(line);
    }
    data.extend_from_slice(b".\r\n");
    data
}
