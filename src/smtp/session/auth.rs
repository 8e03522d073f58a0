//! AUTH (RFC 4954): the frame around an exchange, whatever its mechanism.

use super::{Event, Session, State};
use crate::smtp::command::{Command, Greeting};
use crate::smtp::line::{AUTH_LIMIT, Line};
use crate::smtp::profile::Auth;
use crate::smtp::reply::{self, Reply};
use crate::smtp::sasl::{self, Mechanism};

/// What a client says to prove who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Attempt {
    /// It begins, with an initial response or without.
    Begin(Mechanism, Option<Vec<u8>>),
    /// It answers a challenge.
    Response(Vec<u8>),
}

/// There may be a password in it.
impl core::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Begin(mechanism, _) => write!(f, "Begin({mechanism})"),
            Self::Response(_) => f.write_str("Response"),
        }
    }
}

/// What has come of AUTH on a connection.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// The mechanisms that can be used now.
    mechanisms: Vec<Mechanism>,
    /// Who the client has proved to be.
    login: Option<String>,
    /// Refused logins.
    failures: u32,
}

impl Standing {
    /// What was proved and offered before TLS counts no more (RFC 3207 section 4.2).
    pub(super) fn forget(&mut self) {
        self.mechanisms.clear();
        self.login = None;
    }
}

impl<R> Session<R> {
    /// Tells which mechanisms can be used from here on, the best first. There is none before the
    /// first call.
    pub fn offer(&mut self, mechanisms: Vec<Mechanism>) {
        self.standing.mechanisms = mechanisms;
    }

    /// Answers [`Step::Authenticate`](super::Step): the client is to answer this.
    pub fn challenge(&mut self, challenge: &[u8]) {
        if matches!(self.state, State::Authenticating) {
            reply::challenge(&sasl::encode(challenge), &mut self.output);
            self.state = State::Challenged;
        }
    }

    /// Answers [`Step::Authenticate`](super::Step): who the client is, or what it is told.
    pub fn authenticated(&mut self, verdict: Result<String, Reply>) {
        if !matches!(self.state, State::Authenticating) {
            return;
        }
        self.state = State::Command;
        match verdict {
            Ok(login) => {
                self.standing.login = Some(login);
                self.say(&reply::AUTHENTICATED);
            }
            Err(reply) if reply.code() == 535 => self.login_refused(&reply),
            Err(reply) => drop(self.idle(&reply, false)),
        }
        // The driver knows.
        self.refused.clear();
    }

    /// Tells who the client is where a peer that is believed says so, or that nobody knows.
    pub fn believe(&mut self, login: Option<String>) {
        self.standing.login = login;
    }

    /// Who the client has proved to be.
    pub fn login(&self) -> Option<&str> {
        self.standing.login.as_deref()
    }

    fn login_refused(&mut self, reply: &Reply) {
        self.standing.failures += 1;
        if self.standing.failures < self.profile.auth_failures {
            self.answer(reply);
        } else {
            self.dismiss(&reply::TOO_MANY_LOGINS);
        }
    }

    /// What EHLO tells of: nothing when it is done (RFC 4954 section 4).
    pub(super) fn offered(&self) -> &[Mechanism] {
        if self.standing.login.is_some() || self.profile.auth == Auth::Absent {
            return &[];
        }
        &self.standing.mechanisms
    }

    /// What needs a login where that is required. RFC 4954 section 6 has more commands, but those
    /// need a transaction, which MAIL does not open.
    pub(super) fn needs_login_for(&self, command: &Command) -> bool {
        let is_closed = matches!(command, Command::Mail(..) | Command::Vrfy | Command::Expn);
        is_closed && self.profile.auth == Auth::Required && self.standing.login.is_none()
    }

    pub(super) fn auth(&mut self, mechanism: &str, initial: Option<&str>) -> Option<Event<R>> {
        match self.begin(mechanism, initial) {
            Ok(attempt) => {
                self.vouching.settle();
                self.state = State::Authenticating;
                Some(Event::Authenticate(attempt))
            }
            Err(reply) => {
                self.answer(&reply);
                None
            }
        }
    }

    fn begin(&self, name: &str, initial: Option<&str>) -> Result<Attempt, Reply> {
        if self.profile.auth == Auth::Absent {
            return Err(reply::NOT_IMPLEMENTED);
        } else if !matches!(self.client, Some((Greeting::Ehlo | Greeting::Lhlo, _))) {
            return Err(reply::GREET_FIRST.with_text("Say EHLO first, LHLO on LMTP"));
        } else if self.standing.login.is_some() {
            return Err(reply::IS_AUTHENTICATED);
        } else if self.transaction.is_some() {
            return Err(reply::NOT_IN_TRANSACTION);
        } else if self.standing.mechanisms.is_empty() {
            return Err(reply::AUTH_NEEDS_TLS);
        }
        let mechanism = match Mechanism::parse(name) {
            Some(mechanism) if self.standing.mechanisms.contains(&mechanism) => mechanism,
            Some(mechanism) if mechanism.tells_password() => return Err(reply::WEAK_MECHANISM),
            _ => return Err(reply::UNKNOWN_MECHANISM),
        };
        let initial = match initial {
            Some("=") => Some(Vec::new()),
            Some(text) => Some(sasl::decode(text.as_bytes()).ok_or(reply::BAD_BASE64)?),
            None => None,
        };
        Ok(Attempt::Begin(mechanism, initial))
    }

    /// The answer to a challenge.
    pub(super) fn response(&mut self) -> Option<Event<R>> {
        if self.shutting_down {
            self.end(&reply::SHUTTING_DOWN);
            return None;
        }
        let response = match self.input.response(self.profile.accept_bare_newlines) {
            Line::Partial => return Some(self.wait()),
            Line::Whole(b"*") => Err(reply::AUTH_CANCELLED),
            Line::Whole(line) => sasl::decode(line).ok_or(reply::BAD_BASE64),
            Line::TooLong(limit) => Err(too_long(limit)),
            Line::BareNewline => {
                self.dismiss(&reply::BARE_NEWLINE);
                return None;
            }
        };
        match response {
            Ok(response) => {
                self.state = State::Authenticating;
                Some(Event::Authenticate(Attempt::Response(response)))
            }
            Err(reply) => {
                self.state = State::Command;
                self.answer(&reply);
                None
            }
        }
    }
}

/// What is said of a line over this limit.
pub(super) fn too_long(limit: usize) -> Reply {
    match limit {
        AUTH_LIMIT => reply::AUTH_LINE_TOO_LONG,
        _ => reply::LINE_TOO_LONG,
    }
}
