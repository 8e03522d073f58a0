//! One client connection as a state machine: octets out, replies in, never waiting.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::wire::{Begin, Wire};
use crate::work::Work;

/// A connection to the server under load.
pub struct Connection {
    wire: Wire,
    stage: Stage,
    /// Whether the handshake is behind us.
    is_secure: bool,
    /// Replies to come before anything more may be sent.
    awaited: u64,
    /// MAIL, RCPT and DATA of the present message.
    commands: Vec<u8>,
    /// How far `commands` may be sent now: to the end when pipelining, else to the end of one command.
    allowed: usize,
    /// Octets of the present stage's output that were written.
    sent: usize,
    replies: Replies,
    /// Whether the socket may have octets for us. Set by an event, cleared by a short read: that saves
    /// one system call in two over reading until the socket says no.
    readable: bool,
    /// The server has closed its side: no event will announce the end, it has to be read.
    hung_up: bool,
    data_sent: Instant,
}

/// Where the dialogue stands; each stage but the greeting and the handshake has octets to send.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Greeting,
    Hello,
    StartTls,
    Handshake,
    Envelope,
    Data,
    Quit,
}

/// What a connection came to when it can do no more for now.
pub enum Progress {
    /// The server has the turn.
    Waiting,
    /// A message was acknowledged, so long after its last octet had been written; there is more to do.
    Acknowledged(Duration),
    /// There is nothing left to do here.
    Finished,
}

impl Connection {
    /// Begins to connect; the greeting is awaited by `advance`.
    pub fn open(work: &Work) -> io::Result<Self> {
        let wire = Wire::new(connect(work.server, None)?);
        let is_implicit = work.tls == Some(Begin::Implicit);
        Ok(Self {
            wire,
            stage: if is_implicit {
                Stage::Handshake
            } else {
                Stage::Greeting
            },
            is_secure: false,
            awaited: u64::from(!is_implicit),
            commands: Vec::with_capacity(256),
            allowed: 0,
            sent: 0,
            replies: Replies::new(),
            readable: false,
            hung_up: false,
            data_sent: Instant::now(),
        })
    }

    /// The socket, to be watched for events.
    pub fn socket(&self) -> &TcpStream {
        self.wire.socket()
    }

    /// An event says that the socket may be read, and perhaps that nothing will come after that.
    pub fn set_readable(&mut self, hung_up: bool) {
        self.readable = true;
        self.hung_up |= hung_up;
    }

    /// It is over: what it borrowed goes back.
    pub fn end(mut self, work: &Work) {
        if let Some(name) = self.wire.take_name() {
            work.return_name(name);
        }
    }

    /// Whether a message is under way.
    pub fn is_sending(&self) -> bool {
        matches!(self.stage, Stage::Envelope | Stage::Data)
    }

    /// Goes on with the dialogue as far as the socket allows, or to the next acknowledgement.
    pub fn advance(&mut self, work: &Work) -> io::Result<Progress> {
        loop {
            if self.stage == Stage::Handshake && !self.secure(work)? {
                return Ok(Progress::Waiting);
            }
            if !self.write(work)? {
                return Ok(Progress::Waiting);
            }
            while self.awaited > 0 {
                if !self.read_reply()? {
                    return Ok(Progress::Waiting);
                }
            }
            if let Some(progress) = self.next_stage(work) {
                return Ok(progress);
            }
        }
    }

    /// Goes on with the handshake; `false` when the server has the turn.
    fn secure(&mut self, work: &Work) -> io::Result<bool> {
        if !self.is_secure {
            self.wire.begin_tls(&work.config, work.borrow_name());
            self.is_secure = true;
        }
        let Some(is_resumed) = self.wire.handshake()? else {
            return Ok(false);
        };
        work.secured(is_resumed);
        // The greeting within it may have come with its end.
        self.readable = true;
        match work.tls {
            Some(Begin::Implicit) => self.enter(Stage::Greeting, 1),
            _ => self.enter(Stage::Hello, 1),
        }
        Ok(true)
    }

    /// Writes what the stage has to say; `false` when the socket takes no more for now.
    fn write(&mut self, work: &Work) -> io::Result<bool> {
        let output: &[u8] = match self.stage {
            Stage::Greeting | Stage::Handshake => b"",
            Stage::Hello => work.hello(),
            Stage::StartTls => b"STARTTLS\r\n",
            Stage::Envelope => &self.commands[..self.allowed],
            Stage::Data => &work.data,
            Stage::Quit => b"QUIT\r\n",
        };
        let unfinished = self.sent < output.len() || self.wire.is_holding();
        if !unfinished {
            return Ok(true);
        }
        loop {
            let step = if self.sent < output.len() {
                self.wire.write(&output[self.sent..])
            } else {
                match self.wire.flush() {
                    Ok(()) => break,
                    Err(error) => Err(error),
                }
            };
            match step {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The server may have said why it hung up; that is the better report.
                Err(error) => {
                    return Err(self.replies.last_words(&mut self.wire).unwrap_or(error));
                }
            }
        }
        if self.stage == Stage::Data {
            self.data_sent = Instant::now();
        }
        Ok(true)
    }

    /// Takes one reply; `false` when none is there yet, an error when it is not the one hoped for.
    fn read_reply(&mut self) -> io::Result<bool> {
        loop {
            if let Some(reply) = self.replies.next() {
                let last_command =
                    self.stage == Stage::Envelope && self.allowed == self.commands.len();
                let hoped = if last_command && self.awaited == 1 {
                    b'3'
                } else {
                    b'2'
                };
                if reply.first() != Some(&hoped) {
                    return Err(refusal(reply));
                }
                self.awaited -= 1;
                return Ok(true);
            }
            if !self.readable {
                return Ok(false);
            }
            match self.replies.fill(&mut self.wire) {
                Ok(filled) => self.readable = filled || self.hung_up,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Every reply is in: goes to the next stage, and reports a message acknowledged or the end of the dialogue.
    fn next_stage(&mut self, work: &Work) -> Option<Progress> {
        match self.stage {
            Stage::Greeting => self.enter(Stage::Hello, 1),
            Stage::Hello if work.tls == Some(Begin::Starttls) && !self.is_secure => {
                self.enter(Stage::StartTls, 1);
            }
            Stage::StartTls => self.enter(Stage::Handshake, 0),
            Stage::Handshake => {}
            Stage::Hello => self.begin_message(work),
            Stage::Envelope if self.allowed < self.commands.len() => self.allow_commands(work),
            Stage::Envelope => self.enter(Stage::Data, work.final_replies()),
            Stage::Data => {
                let wait = self.data_sent.elapsed();
                if work.reconnect {
                    self.enter(Stage::Quit, 1);
                } else {
                    self.begin_message(work);
                }
                return Some(Progress::Acknowledged(wait));
            }
            Stage::Quit => return Some(Progress::Finished),
        }
        None
    }

    fn enter(&mut self, stage: Stage, awaited: u64) {
        self.stage = stage;
        self.awaited = awaited;
        self.sent = 0;
    }

    /// Takes the next message, or takes leave when there is none.
    fn begin_message(&mut self, work: &Work) {
        let Some(number) = work.take() else {
            return self.enter(Stage::Quit, 1);
        };
        work.write_commands(number, &mut self.commands);
        self.allowed = 0;
        self.enter(Stage::Envelope, 0);
        self.allow_commands(work);
    }

    /// Lets the next command go, or all of them when pipelining.
    fn allow_commands(&mut self, work: &Work) {
        if work.pipelining {
            self.allowed = self.commands.len();
            self.awaited = work.recipients + 2;
        } else {
            let rest = &self.commands[self.allowed..];
            self.allowed += memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            self.awaited = 1;
        }
    }
}

/// The replies that came in, as octets not yet looked at.
struct Replies {
    octets: Box<[u8; 4096]>,
    begin: usize,
    end: usize,
}

impl Replies {
    fn new() -> Self {
        Self {
            octets: Box::new([0; 4096]),
            begin: 0,
            end: 0,
        }
    }

    /// The last line of the next complete reply; lines that announce another one (`250-`) are skipped (RFC 5321 section 4.2.1).
    fn next(&mut self) -> Option<&[u8]> {
        while let Some(length) = memchr::memchr(b'\n', &self.octets[self.begin..self.end]) {
            let line = self.begin..self.begin + length;
            self.begin = line.end + 1;
            if self.octets[line.clone()].get(3) != Some(&b'-') {
                return Some(&self.octets[line]);
            }
        }
        None
    }

    /// Reads once; tells whether the socket may have more.
    fn fill(&mut self, wire: &mut Wire) -> io::Result<bool> {
        self.octets.copy_within(self.begin..self.end, 0);
        self.end -= self.begin;
        self.begin = 0;
        let room = &mut self.octets[self.end..];
        if room.is_empty() {
            return Err(io::Error::other("a reply line of over 4096 octets"));
        }
        let (count, has_more) = wire.read(room)?;
        if count == 0 {
            return Err(io::Error::other("the server closed the connection"));
        }
        self.end += count;
        Ok(has_more)
    }

    /// The reply that lies unread on the wire, as an error.
    fn last_words(&mut self, wire: &mut Wire) -> Option<io::Error> {
        self.fill(wire).ok()?;
        self.next().map(refusal)
    }
}

/// A reply that ends the connection, quoted.
fn refusal(reply: &[u8]) -> io::Error {
    io::Error::other(String::from_utf8_lossy(reply).trim_end().to_owned())
}

/// Begins to connect to `server`, from `source` if given, without waiting.
pub fn connect(server: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(server),
        Type::STREAM.nonblocking().cloexec(),
        None,
    )?;
    // A command must not wait for the acknowledgement of the one before it.
    socket.set_tcp_nodelay(true)?;
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    match socket.connect(&server.into()) {
        Err(error)
            if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
        {
            Err(error)
        }
        _ => Ok(socket.into()),
    }
}
