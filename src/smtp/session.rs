//! One session: octets in, [`Step`]s out. It does no I/O and knows no time, so
//! the same octets give the same steps however they were cut.
//!
//! RFC 5321 (SMTP), RFC 2033 (LMTP), RFC 2920 (PIPELINING), RFC 3030 (CHUNKING).

mod auth;
mod content;
mod saying;
mod securing;
mod verbs;
mod vouching;

use core::mem;
use core::ops::Range;
use std::sync::Arc;

use super::address::{Domain, ForwardPath, ReversePath};
use super::command::{Command, Greeting};
use super::data::Decoder;
use super::line::{Input, Line};
use super::profile::{Profile, Protocol};
use super::reply::{self, Reply};
use super::transaction::{Submission, Transaction};
use super::xclient::Identity;
pub use auth::Attempt;
use auth::Standing;
pub use saying::Refusal;
use vouching::Vouching;

/// Replies waiting to be sent, in octets, before no further command is looked
/// at: a client that sends and never reads costs no more than this.
const OUTPUT_LIMIT: usize = 16 * 1024;

/// What a session asks its driver to do next.
#[derive(Debug)]
pub enum Step<'a, R> {
    /// Send these octets.
    Send(&'a [u8]),
    /// Wait for octets and give them to [`Session::receive`].
    Receive,
    /// Say with [`Session::verified`] whether this recipient is accepted.
    Verify(&'a ForwardPath),
    /// Keep this piece of the content, after the pieces before it.
    Content(&'a [u8]),
    /// Throw away the content kept so far: the message will not be delivered.
    Discard,
    /// Take this client for that of the connection, and say with [`Session::identified`] whether
    /// it is welcome.
    Identify(&'a Identity),
    /// Deliver the message and say with [`Session::delivered`] how that went.
    Deliver(Submission<R>),
    /// Take this further, and say with [`Session::challenge`] or [`Session::authenticated`] how.
    Authenticate(Attempt),
    /// Do the handshake of TLS, and say with [`Session::secured`] that it succeeded; if it did
    /// not, close the connection.
    StartTls,
    /// Close the connection.
    Close,
}

/// Octets of memory for replies that a waiting session keeps.
const OUTPUT_KEPT: usize = 512;

/// A step without what it borrows.
enum Event<R> {
    Send,
    Receive,
    Verify,
    Content(Range<usize>),
    Discard,
    Identify,
    Deliver(Submission<R>),
    Authenticate(Attempt),
    StartTls,
    Close,
}

#[derive(Debug)]
enum State {
    /// Nothing was said yet.
    Opening,
    /// Between commands.
    Command,
    /// The driver is asked about a recipient.
    Verifying(ForwardPath),
    /// The driver is told of another client.
    Identifying(Box<Identity>),
    /// After 354.
    Data(Decoder),
    /// In a chunk of BDAT: its octets, those to come, whether it is the last, and why it is refused.
    Chunk {
        size: u64,
        remaining: u64,
        last: bool,
        refusal: Option<Reply>,
    },
    /// The driver delivers a message to so many recipients.
    Delivering { recipients: usize },
    /// The driver is asked who the client is.
    Authenticating,
    /// The client was sent a challenge.
    Challenged,
    /// STARTTLS was answered with 220.
    Handshake,
    /// The last reply was said.
    Closing,
}

/// One conversation with one client. `R` is whatever the driver wants to keep
/// for an accepted recipient.
#[derive(Debug)]
pub struct Session<R> {
    profile: Arc<Profile>,
    state: State,
    input: Input,
    output: Vec<u8>,
    /// Whether the octets of `output` were handed out already.
    sent: bool,
    /// How the client greeted, and under which name.
    client: Option<(Greeting, Domain)>,
    /// What has come of AUTH.
    standing: Standing,
    /// Whether the connection is encrypted.
    secured: bool,
    /// Whether it could be: there is a certificate.
    can_secure: bool,
    transaction: Option<Transaction<R>>,
    vouching: Vouching,
    faults: u32,
    refusals: u32,
    last_refusal: Option<Reply>,
    /// Those of the last step.
    refused: Vec<Refusal>,
    idle_commands: u32,
    messages: u32,
    shutting_down: bool,
}

impl<R> Session<R> {
    /// A session that has not said its greeting yet.
    pub fn new(profile: Arc<Profile>) -> Self {
        Self {
            vouching: Vouching::new(profile.xclient),
            profile,
            state: State::Opening,
            input: Input::default(),
            output: Vec::new(),
            sent: false,
            client: None,
            standing: Standing::default(),
            secured: false,
            can_secure: true,
            transaction: None,
            faults: 0,
            refusals: 0,
            last_refusal: None,
            refused: Vec::new(),
            idle_commands: 0,
            messages: 0,
            shutting_down: false,
        }
    }

    /// Takes octets from the wire. Before the first step only what the client
    /// sent without waiting for the greeting may be given.
    pub fn receive(&mut self, octets: &[u8]) {
        self.input.push(octets);
    }

    /// What to do next.
    pub fn step(&mut self) -> Step<'_, R> {
        self.refused = Vec::new();
        if mem::take(&mut self.sent) {
            self.output.clear();
            self.output.shrink_to(OUTPUT_KEPT);
        }
        match self.advance() {
            Event::Send => {
                self.sent = true;
                Step::Send(&self.output)
            }
            Event::Verify => match &self.state {
                State::Verifying(path) => Step::Verify(path),
                _ => Step::Receive,
            },
            Event::Identify => match &self.state {
                State::Identifying(identity) => Step::Identify(identity),
                _ => Step::Receive,
            },
            Event::Content(range) => Step::Content(&self.input.consumed()[range]),
            Event::Receive => Step::Receive,
            Event::Discard => Step::Discard,
            Event::Deliver(submission) => Step::Deliver(submission),
            Event::Authenticate(attempt) => Step::Authenticate(attempt),
            Event::StartTls => Step::StartTls,
            Event::Close => Step::Close,
        }
    }

    /// The recipients of the message that is submitted, accepted so far.
    pub fn recipients(&self) -> &[R] {
        let transaction = self.transaction.as_ref();
        transaction.map_or(&[], |transaction| &transaction.recipients)
    }

    /// Answers [`Step::Verify`].
    pub fn verified(&mut self, verdict: Result<R, Reply>) {
        if !matches!(self.state, State::Verifying(_)) {
            return;
        }
        self.state = State::Command;
        match (verdict, &mut self.transaction) {
            (Ok(recipient), Some(transaction)) => {
                transaction.recipients.push(recipient);
                self.answer(&reply::RECIPIENT_OK);
            }
            (Ok(_), None) => self.answer(&reply::MAIL_FIRST),
            (Err(reply), _) if reply.code() == 421 => self.end(&reply),
            (Err(reply), _) => reply.write(&mut self.output),
        }
    }

    /// Answers [`Step::Deliver`]: one reply for SMTP, one per recipient and in
    /// their order for LMTP. A missing one counts as a fault of ours.
    pub fn delivered(&mut self, replies: &[Reply]) {
        let State::Delivering { recipients } = self.state else {
            return;
        };
        let wanted = self.profile.replies_after_data(recipients);
        for n in 0..wanted {
            replies
                .get(n)
                .unwrap_or(&reply::LOCAL_FAULT)
                .write(&mut self.output);
        }
        if replies.iter().any(Reply::is_positive) {
            self.idle_commands = 0;
            self.messages += 1;
        }
        self.state = State::Command;
    }

    /// Tells that the content cannot be kept; the rest of it is read and thrown
    /// away, and this is the answer to it.
    pub fn refuse(&mut self, reply: Reply) {
        if let Some(transaction) = &mut self.transaction {
            transaction.progress.refusal.get_or_insert(reply);
        }
    }

    /// Says a last word and closes.
    pub fn end(&mut self, reply: &Reply) {
        reply.write(&mut self.output);
        self.close();
    }

    /// Asks the session to end as soon as no message is half-way.
    pub fn shut_down(&mut self) {
        self.shutting_down = true;
    }

    /// Whether mail data is coming in: the time limits for data hold then.
    pub fn is_receiving_data(&self) -> bool {
        matches!(self.state, State::Data(_) | State::Chunk { .. })
    }

    /// Octets of content so far in the message that is coming in.
    pub fn content_size(&self) -> u64 {
        self.transaction
            .as_ref()
            .map_or(0, |transaction| transaction.progress.size)
    }

    /// Which protocol is spoken.
    pub fn protocol(&self) -> Protocol {
        self.profile.protocol
    }

    /// Under which name the client greeted.
    pub fn client_name(&self) -> Option<&Domain> {
        self.client.as_ref().map(|(_, name)| name)
    }

    /// The argument of MAIL, while a transaction is open.
    pub fn reverse_path(&self) -> Option<&ReversePath> {
        self.transaction
            .as_ref()
            .map(|transaction| &transaction.reverse_path)
    }

    /// How often the session itself refused something, and the last reply to
    /// that. What the driver was asked about, and its own last words, are not counted.
    pub fn refusals(&self) -> (u32, Option<&Reply>) {
        (self.refusals, self.last_refusal.as_ref())
    }

    fn advance(&mut self) -> Event<R> {
        loop {
            if self.output.len() >= OUTPUT_LIMIT {
                return Event::Send;
            }
            let event = match self.state {
                State::Opening => self.open(),
                State::Command => self.command(),
                State::Data(_) => self.data(),
                State::Chunk { .. } => self.chunk(),
                State::Verifying(_) => Some(Event::Verify),
                State::Identifying(_) => Some(Event::Identify),
                State::Delivering { .. } | State::Authenticating => Some(self.wait()),
                State::Challenged => self.response(),
                State::Handshake if self.output.is_empty() => Some(Event::StartTls),
                State::Closing if self.output.is_empty() => Some(Event::Close),
                State::Handshake | State::Closing => Some(Event::Send),
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    /// All replies leave just before the session would wait (RFC 2920 section 3.2).
    fn wait(&self) -> Event<R> {
        if self.output.is_empty() {
            Event::Receive
        } else {
            Event::Send
        }
    }

    fn open(&mut self) -> Option<Event<R>> {
        if vouching::is_proxy_header(self.input.rest()) {
            self.leave(&reply::NO_PROXY_HEADER);
        } else if self.profile.refuse_early_talkers && !self.input.is_empty() {
            self.dismiss(&reply::EARLY_TALKER);
        } else {
            self.profile.greeting().write(&mut self.output);
            self.state = State::Command;
        }
        None
    }

    fn command(&mut self) -> Option<Event<R>> {
        let chunking = self
            .transaction
            .as_ref()
            .is_some_and(|transaction| transaction.chunked);
        if self.shutting_down && !chunking {
            self.end(&reply::SHUTTING_DOWN);
            return None;
        }
        let profile = Arc::clone(&self.profile);
        let command = match self.input.line(profile.accept_bare_newlines) {
            Line::Partial => return Some(self.wait()),
            Line::Whole(line) => Command::parse(line, profile.lenient_paths),
            Line::TooLong(limit) => Err(auth::too_long(limit)),
            Line::BareNewline => {
                self.dismiss(&reply::BARE_NEWLINE);
                return None;
            }
        };
        match command {
            Ok(command) => return self.execute(command),
            Err(reply) => self.answer(&reply),
        }
        None
    }
}
