//! A client that knows no more than it needs to send letters.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::letter::Letter;

/// The host of all recipients.
pub const HOST: &str = "example.org";
/// No reply takes that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// One reply for a message.
    Smtp,
    /// One reply for each recipient.
    Lmtp,
}

/// What the receiver answered: the last line, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply(pub String);

impl Reply {
    /// Whether the message is promised.
    pub fn is_ok(&self) -> bool {
        self.0.starts_with("250 ")
    }
}

/// A connection.
pub struct Client {
    protocol: Protocol,
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects to a port of this machine.
    pub fn connect(port: u16, protocol: Protocol) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut client = Self {
            protocol,
            stream: BufReader::new(stream),
        };
        client.reply()?;
        let hello = match protocol {
            Protocol::Smtp => "EHLO",
            Protocol::Lmtp => "LHLO",
        };
        client.say(&format!("{hello} client.example.org\r\n"))?;
        client.reply()?;
        Ok(client)
    }

    /// Sends a letter, and gives the reply that each recipient got.
    pub fn send(&mut self, letter: &Letter, users: &[String]) -> io::Result<Vec<Reply>> {
        self.send_text(&letter.text(), users)
    }

    /// Sends a text whose lines end in LF, none of them with a dot at its start.
    pub fn send_text(&mut self, text: &str, users: &[String]) -> io::Result<Vec<Reply>> {
        self.send_parts(["", text], users, || {})
    }

    /// As `send_text`, with something that happens when the first part is on its way.
    pub fn send_parts(
        &mut self,
        [first, rest]: [&str; 2],
        users: &[String],
        between: impl FnOnce(),
    ) -> io::Result<Vec<Reply>> {
        let mut commands = "MAIL FROM:<sender@example.net>\r\n".to_string();
        for user in users {
            // Writing to a String cannot fail.
            let _ = write!(commands, "RCPT TO:<{user}@{HOST}>\r\n");
        }
        self.say(&(commands + "DATA\r\n"))?;
        let mut refusal = None;
        for _ in 0..=users.len() {
            let reply = self.reply()?;
            if !reply.is_ok() {
                refusal.get_or_insert(reply);
            }
        }
        let go = self.reply()?;
        if !go.0.starts_with("354") || refusal.is_some() {
            return Ok(vec![refusal.unwrap_or(go); users.len()]);
        }
        self.say(&first.replace('\n', "\r\n"))?;
        between();
        self.say(&(rest.replace('\n', "\r\n") + ".\r\n"))?;
        match self.protocol {
            Protocol::Smtp => Ok(vec![self.reply()?; users.len()]),
            Protocol::Lmtp => users.iter().map(|_| self.reply()).collect(),
        }
    }

    /// Sends a letter to one user.
    pub fn send_to(&mut self, letter: &Letter, user: &str) -> io::Result<Reply> {
        let mut replies = self.send(letter, &[user.to_string()])?;
        replies
            .pop()
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes())
    }

    fn reply(&mut self) -> io::Result<Reply> {
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 || !line.ends_with('\n') {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(Reply(line.trim_end().to_string()));
            }
        }
    }
}
