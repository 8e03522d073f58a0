//! What each command does: one verb, one function, one reply.

use super::{Event, Session, State};
use crate::smtp::address::{Domain, ReversePath};
use crate::smtp::command::{Command, Greeting, MailParameters};
use crate::smtp::profile::{Auth, StartTls};
use crate::smtp::reply::{self, Reply};
use crate::smtp::transaction::Transaction;

impl<R> Session<R> {
    pub(super) fn execute(&mut self, command: Command) -> Option<Event<R>> {
        if self.needs_tls_for(&command) {
            return self.refuse_plain(&command);
        }
        if self.needs_login_for(&command) {
            return self.idle(&reply::AUTH_REQUIRED, false);
        }
        let reply = match command {
            Command::Greet(greeting, name) => return self.greet(greeting, name),
            Command::Mail(path, parameters) => {
                let reply = self.mail(path, parameters);
                return self.begun(&reply);
            }
            Command::Rcpt { path, utf8 } => match self.rcpt(utf8) {
                Ok(()) => {
                    self.state = State::Verifying(path);
                    return None;
                }
                Err(reply) => reply,
            },
            Command::Data => {
                let reply = self.begin_data();
                return self.begun(&reply);
            }
            Command::Bdat { size, last } => {
                self.begin_chunk(size, last);
                return None;
            }
            Command::Rset => return self.idle(&reply::OK, true),
            Command::Noop => return self.idle(&reply::OK, false),
            Command::Help => return self.idle(&self.profile.help(), false),
            Command::Vrfy => return self.idle(&reply::CANNOT_VERIFY, false),
            Command::StartTls => return self.start_tls(),
            Command::Expn => reply::NO_EXPN,
            Command::Xclient(identity) => return self.xclient(identity),
            Command::Xforward(argument) => return self.xforward(&argument),
            Command::Proxy => {
                self.leave(&reply::NO_PROXY_HEADER);
                return None;
            }
            Command::Auth(mechanism, initial) => return self.auth(&mechanism, initial.as_deref()),
            Command::NotOffered => reply::NOT_IMPLEMENTED,
            Command::Quit => {
                self.end(&reply::BYE);
                return None;
            }
            Command::Http => {
                self.dismiss(&reply::NOT_HTTP);
                return None;
            }
        };
        self.answer(&reply);
        None
    }

    /// What may be said before STARTTLS where that is required: RFC 3207 section 4. The others
    /// that end a session do so here, too.
    fn needs_tls_for(&self, command: &Command) -> bool {
        let is_allowed = matches!(
            command,
            Command::Greet(Greeting::Ehlo | Greeting::Lhlo, _)
                | Command::Noop
                | Command::StartTls
                | Command::Quit
                | Command::Http
        );
        self.profile.starttls == StartTls::Required && !self.secured && !is_allowed
    }

    /// A chunk follows its command even so.
    fn refuse_plain(&mut self, command: &Command) -> Option<Event<R>> {
        if let Command::Bdat { size, last } = *command {
            self.refuse_chunk(size, last, reply::TLS_FIRST);
            return None;
        }
        self.idle(&reply::TLS_FIRST, false)
    }

    /// Octets that came behind the command were sent in plain text, by whomever: taken after the
    /// handshake, they would pass for the client's (CVE-2011-0411).
    fn start_tls(&mut self) -> Option<Event<R>> {
        if self.secured {
            self.answer(&reply::TLS_IS_ON);
        } else if self.profile.starttls == StartTls::Absent {
            self.answer(&reply::NOT_IMPLEMENTED);
        } else if !self.can_secure {
            return self.idle(&reply::TLS_NOT_READY, false);
        } else if !self.input.is_empty() {
            self.dismiss(&reply::TALKED_BEHIND_STARTTLS);
        } else {
            self.say(&reply::READY_FOR_TLS);
            let chunked = self.transaction.take().is_some_and(|it| it.chunked);
            self.state = State::Handshake;
            return chunked.then_some(Event::Discard);
        }
        None
    }

    /// EHLO resets like RSET (RFC 5321 section 4.1.4).
    fn greet(&mut self, greeting: Greeting, name: Domain) -> Option<Event<R>> {
        if let Some(reply) = self.profile.refuse_greeting(greeting) {
            self.answer(&reply);
            return None;
        }
        self.client = Some((greeting, name));
        self.vouching.settle();
        let reply = match greeting {
            Greeting::Helo => Reply::plain(250, self.profile.hostname.clone()),
            Greeting::Ehlo | Greeting::Lhlo => {
                let profile = &self.profile;
                profile.extensions(self.secured, self.offered(), self.vouching.may)
            }
        };
        self.idle(&reply, true)
    }

    fn mail(&mut self, path: ReversePath, parameters: MailParameters) -> Reply {
        let limit = self.profile.messages;
        if self.client.is_none() {
            reply::GREET_FIRST
        } else if self.transaction.is_some() {
            reply::NESTED_MAIL
        } else if limit > 0 && self.messages >= limit {
            reply::TOO_MANY_MESSAGES
        } else if parameters.auth && self.profile.auth == Auth::Absent {
            reply::UNKNOWN_PARAMETER
        } else if parameters
            .size
            .is_some_and(|size| size > self.profile.message_size)
        {
            reply::TOO_BIG
        } else {
            self.vouching.settle();
            self.transaction = Some(Transaction::new(path, parameters));
            reply::SENDER_OK
        }
    }

    /// Whether a recipient may be named now; every attempt counts, so that
    /// guessing addresses is bounded too.
    fn rcpt(&mut self, utf8: bool) -> Result<(), Reply> {
        let limit = self.profile.recipients;
        let transaction = self.transaction.as_mut().ok_or(reply::MAIL_FIRST)?;
        if transaction.chunked {
            return Err(reply::BDAT_HAS_BEGUN);
        }
        if utf8 && !transaction.parameters.utf8 {
            return Err(reply::NEEDS_SMTPUTF8);
        }
        if transaction.attempts >= limit {
            return Err(reply::TOO_MANY_RECIPIENTS);
        }
        transaction.attempts += 1;
        Ok(())
    }

    /// Answers a command that begins something, which is idle if it is refused.
    fn begun(&mut self, reply: &Reply) -> Option<Event<R>> {
        if reply.is_positive() {
            self.answer(reply);
            return None;
        }
        self.idle(reply, false)
    }

    /// Answers a command that brings no mail nearer; too many of them in a row
    /// end the session. The transaction is dropped with `reset`.
    pub(super) fn idle(&mut self, reply: &Reply, reset: bool) -> Option<Event<R>> {
        self.idle_commands += 1;
        if self.idle_commands > self.profile.idle_commands {
            self.dismiss(&reply::TOO_MANY_COMMANDS);
            return None;
        }
        self.answer(reply);
        let dropped = if reset { self.transaction.take() } else { None };
        if reset {
            self.vouching.origin = None;
        }
        dropped
            .is_some_and(|transaction| transaction.chunked)
            .then_some(Event::Discard)
    }
}
