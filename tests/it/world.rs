//! The world of the transcripts: who the server is, which recipients there are,
//! and what becomes of a message. [`Loopback`] is a session in this world, without a socket.

use std::fmt;
use std::mem;
use std::sync::Arc;

use maiasaura::smtp::address::{Domain, ForwardPath, ReversePath};
use maiasaura::smtp::{Auth, Profile, Protocol, Reply, Session, StartTls, Step, Submission, reply};

use crate::octets;
use crate::player::Transport;
use crate::transcript::{Heard, Settings, shortened};
use crate::users::{Desk, MECHANISMS, Said};

/// The name of the server.
pub const HOSTNAME: &str = "mx.example.org";

/// A message that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub reverse_path: ReversePath,
    pub recipients: Vec<ForwardPath>,
    pub content: Vec<u8>,
}

/// What the settings of a dialogue ask for.
pub fn profile(settings: &Settings) -> Result<Profile, String> {
    let mut profile = Profile {
        hostname: HOSTNAME.into(),
        message_size: 1_048_576,
        recipients: 100,
        ..Profile::default()
    };
    for (key, value) in settings {
        let wrong = |_| format!("{key}: {value}");
        let flag = || value.parse().map_err(|_| format!("{key}: {value}"));
        match key.as_str() {
            "protocol" if value == "smtp" => profile.protocol = Protocol::Smtp,
            "protocol" if value == "lmtp" => profile.protocol = Protocol::Lmtp,
            "message_size" => profile.message_size = value.parse().map_err(wrong)?,
            "recipients" => profile.recipients = value.parse().map_err(wrong)?,
            "errors" => profile.errors = value.parse().map_err(wrong)?,
            "idle_commands" => profile.idle_commands = value.parse().map_err(wrong)?,
            "messages" => profile.messages = value.parse().map_err(wrong)?,
            "accept_bare_newlines" => profile.accept_bare_newlines = flag()?,
            "lenient_paths" => profile.lenient_paths = flag()?,
            "tls" if value == "offered" => profile.starttls = StartTls::Offered,
            "tls" if value == "not ready" => profile.starttls = StartTls::Offered,
            "tls" if value == "required" => profile.starttls = StartTls::Required,
            "auth" if value == "offered" => profile.auth = Auth::Offered,
            "auth" if value == "required" => profile.auth = Auth::Required,
            "cut" if value == "never" => (),
            "refuse_early_talkers" => profile.refuse_early_talkers = flag()?,
            "xclient" => profile.xclient = flag()?,
            _ => return Err(format!("no such setting: {key}: {value}")),
        }
    }
    Ok(profile)
}

/// Whether there is such a recipient. Ours are `example.org` and all below `wild.example`.
pub fn verify(path: &ForwardPath) -> Result<ForwardPath, Reply> {
    let ForwardPath::Mailbox(mailbox) = path else {
        return Ok(path.clone());
    };
    let ours = match mailbox.domain() {
        Domain::Name(name) => name == "example.org" || name.ends_with(".wild.example"),
        Domain::Literal(_) => false,
    };
    match mailbox.local_part() {
        _ if !ours => Err(reply::RELAYING_DENIED),
        "nosuch" => Err(reply::USER_UNKNOWN),
        "later" => Err(reply::LOCAL_FAULT),
        _ => Ok(path.clone()),
    }
}

/// What becomes of a message for this recipient, where each has a fate of its own.
pub fn fate(path: &ForwardPath) -> Reply {
    match path {
        ForwardPath::Mailbox(mailbox) if mailbox.local_part() == "full" => reply::MAILBOX_FULL,
        ForwardPath::Mailbox(mailbox) if mailbox.local_part() == "broken" => reply::LOCAL_FAULT,
        _ => reply::STORED,
    }
}

/// A session in memory.
pub struct Loopback {
    session: Session<ForwardPath>,
    content: Vec<u8>,
    replies: Vec<u8>,
    /// Everything delivered so far.
    pub deliveries: Vec<Delivery>,
    /// How many of them were told.
    told: usize,
    /// Octets in the largest piece the session gave out at once.
    pub largest_send: usize,
    pub closed: bool,
    closing_told: bool,
    /// The next octets must be those of a handshake.
    is_awaiting_handshake: bool,
    logins: Desk,
}

impl Loopback {
    pub fn new(profile: Profile) -> Self {
        // Passwords are told in plain text where there is no choice.
        let is_plain = profile.auth != Auth::Absent && profile.starttls == StartTls::Absent;
        let mut session = Session::new(Arc::new(profile));
        if is_plain {
            session.offer(MECHANISMS.to_vec());
        }
        Self {
            session,
            content: Vec::new(),
            replies: Vec::new(),
            deliveries: Vec::new(),
            told: 0,
            largest_send: 0,
            closed: false,
            closing_told: false,
            is_awaiting_handshake: false,
            logins: Desk::default(),
        }
    }

    /// One of a server that has no certificate yet.
    pub fn without_certificate(mut self) -> Self {
        self.session.cannot_secure();
        self
    }

    /// Says a last word to the client.
    pub fn end(&mut self, reply: &Reply) {
        self.session.end(reply);
        self.run();
    }

    fn run(&mut self) {
        while !self.closed {
            match self.session.step() {
                Step::Send(octets) => {
                    self.largest_send = self.largest_send.max(octets.len());
                    self.replies.extend_from_slice(octets);
                }
                Step::Receive => return,
                Step::Verify(path) => {
                    let verdict = verify(path);
                    self.session.verified(verdict);
                }
                Step::Content(octets) => self.content.extend_from_slice(octets),
                Step::Discard => self.content.clear(),
                Step::Identify(_) => self.session.identified(Ok(())),
                Step::Deliver(submission) => self.deliver(submission),
                Step::StartTls => {
                    self.is_awaiting_handshake = true;
                    return;
                }
                Step::Authenticate(attempt) => match self.logins.take(attempt) {
                    Said::Challenge(challenge) => self.session.challenge(&challenge),
                    Said::Verdict(verdict) => self.session.authenticated(verdict),
                },
                Step::Close => self.closed = true,
            }
        }
    }

    fn deliver(&mut self, submission: Submission<ForwardPath>) {
        let mut recipients = submission.recipients;
        assert!(!recipients.is_empty(), "a message for nobody");
        let replies = match self.session.protocol() {
            Protocol::Smtp => vec![reply::STORED],
            Protocol::Lmtp => recipients.iter().map(fate).collect(),
        };
        if self.session.protocol() == Protocol::Lmtp {
            recipients.retain(|recipient| fate(recipient).is_positive());
        }
        let content = mem::take(&mut self.content);
        if !recipients.is_empty() {
            self.deliveries.push(Delivery {
                reverse_path: submission.reverse_path,
                recipients,
                content,
            });
        }
        self.session.delivered(&replies);
    }
}

impl Transport for Loopback {
    fn send(&mut self, octets: &[u8]) {
        if self.is_awaiting_handshake {
            self.closed = true;
        }
        if !self.closed {
            self.session.receive(octets);
            self.run();
        }
    }

    fn listen(&mut self, _enough: &dyn Fn(&Heard) -> bool) -> Heard {
        if !self.is_awaiting_handshake {
            self.run();
        }
        let deliveries = &self.deliveries[self.told..];
        let closing_told = mem::replace(&mut self.closing_told, self.closed);
        let heard = Heard {
            replies: mem::take(&mut self.replies),
            deliveries: deliveries.iter().map(ToString::to_string).collect(),
            closed: self.closed && !closing_told,
        };
        self.told = self.deliveries.len();
        heard
    }

    fn shut_down(&mut self) {
        self.session.shut_down();
    }

    fn handshake(&mut self) {
        assert!(
            mem::take(&mut self.is_awaiting_handshake),
            "the server does not expect a handshake"
        );
        self.session.secured();
        self.session.offer(MECHANISMS.to_vec());
        self.run();
    }
}

impl fmt::Display for Delivery {
    /// `reverse-path, recipient recipient, "content"`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reverse_path {
            ReversePath::Null => f.write_str("<>")?,
            ReversePath::Mailbox(mailbox) => mailbox.fmt(f)?,
        }
        let recipients: Vec<_> = self.recipients.iter().map(ToString::to_string).collect();
        let recipients = shortened(&recipients);
        let content = octets::print(&self.content);
        write!(f, ", {}, {content}", recipients.join(" "))
    }
}
