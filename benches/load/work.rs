//! What all threads share: the messages still to be sent, and what each of them looks like.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustls::ClientConfig;

use crate::wire::{self, Begin};

/// The command that opens a session, and how many replies the end of the data has.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    Smtp,
    Lmtp,
}

/// The job of one run. Threads take messages from it by number until none is left.
pub struct Work {
    pub server: SocketAddr,
    pub protocol: Protocol,
    pub messages: u64,
    pub recipients: u64,
    pub mailboxes: u64,
    pub senders: u64,
    /// A new connection for every message.
    pub reconnect: bool,
    /// MAIL, RCPT and DATA leave in one write (RFC 2920).
    pub pipelining: bool,
    /// When connections are encrypted, if they are.
    pub tls: Option<Begin>,
    /// What handshakes go by.
    pub config: Arc<ClientConfig>,
    /// The mail data as it goes over the wire, with its end.
    pub data: Vec<u8>,
    next: AtomicU64,
    resumed: AtomicU64,
    names: Mutex<Vec<String>>,
    named: AtomicU64,
}

/// Octets that `mail_data` needs for its header section.
pub const LEAST_SIZE: usize = 256;

impl Work {
    /// A job that sends `messages` messages of `size` octets each to `server`.
    pub fn new(server: SocketAddr, protocol: Protocol, messages: u64, size: usize) -> Self {
        Self {
            server,
            protocol,
            messages,
            recipients: 1,
            mailboxes: 1,
            senders: 1,
            reconnect: false,
            pipelining: false,
            tls: None,
            config: wire::config(false),
            data: mail_data(size),
            next: AtomicU64::new(0),
            resumed: AtomicU64::new(0),
            names: Mutex::default(),
            named: AtomicU64::new(0),
        }
    }

    /// The number of the next message to send; `None` when all are taken.
    pub fn take(&self) -> Option<u64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.messages).then_some(number)
    }

    /// Whether every message has been taken.
    pub fn is_taken(&self) -> bool {
        self.next.load(Ordering::Relaxed) >= self.messages
    }

    /// A name for a handshake to ask for, nobody else's until it is given back: a client remembers few sessions for a
    /// name.
    pub fn borrow_name(&self) -> String {
        let free = self.names.lock().expect("nobody panics with it").pop();
        free.unwrap_or_else(|| {
            let number = self.named.fetch_add(1, Ordering::Relaxed);
            format!("bench{number}.example.org")
        })
    }

    /// Gives back the name of a connection that is over.
    pub fn return_name(&self, name: String) {
        self.names.lock().expect("nobody panics with it").push(name);
    }

    /// Counts a handshake that is done.
    pub fn secured(&self, is_resumed: bool) {
        self.resumed
            .fetch_add(u64::from(is_resumed), Ordering::Relaxed);
    }

    /// Handshakes that have resumed a session.
    pub fn resumed(&self) -> u64 {
        self.resumed.load(Ordering::Relaxed)
    }

    /// Replies the server gives after the end of the data: LMTP has one for each recipient (RFC 2033 section 4.2).
    pub fn final_replies(&self) -> u64 {
        match self.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => self.recipients,
        }
    }

    /// The greeting of the client.
    pub fn hello(&self) -> &'static [u8] {
        match self.protocol {
            Protocol::Smtp => b"EHLO client.example.net\r\n",
            Protocol::Lmtp => b"LHLO client.example.net\r\n",
        }
    }

    /// Writes the commands of message `number` into `commands`: MAIL, one RCPT per recipient, DATA.
    ///
    /// Recipients rotate over all mailboxes, so that neighbouring messages go to different ones.
    pub fn write_commands(&self, number: u64, commands: &mut Vec<u8>) {
        commands.clear();
        if self.senders > 1 {
            let sender = number % self.senders;
            commands.extend_from_slice(
                format!("MAIL FROM:<sender{sender}@example.net>\r\n").as_bytes(),
            );
        } else {
            commands.extend_from_slice(b"MAIL FROM:<sender@example.net>\r\n");
        }
        for recipient in 0..self.recipients {
            let mailbox = (number * self.recipients + recipient) % self.mailboxes;
            commands
                .extend_from_slice(format!("RCPT TO:<user{mailbox}@example.org>\r\n").as_bytes());
        }
        commands.extend_from_slice(b"DATA\r\n");
    }
}

/// A message of `size` octets, ended with the dot line. No line begins with a dot, so nothing needs to be stuffed.
fn mail_data(size: usize) -> Vec<u8> {
    const LINE: &[u8] =
        b"The quick brown fox jumps over the lazy dog, and then over the next one too.\r\n";
    let mut data =
        b"Date: Thu, 21 Dec 2000 16:01:07 +0000\r\nFrom: Sender <sender@example.net>\r\n\
        To: Recipient <recipient@example.org>\r\nSubject: a message to measure with\r\n\
        Message-ID: <measure@example.net>\r\n\r\n"
            .to_vec();
    while data.len() + LINE.len() + 2 <= size {
        data.extend_from_slice(LINE);
    }
    // The last line takes up what remains; it needs at least its CRLF.
    data.resize(size.max(data.len() + 2) - 2, b'x');
    data.extend_from_slice(b"\r\n.\r\n");
    data
}
