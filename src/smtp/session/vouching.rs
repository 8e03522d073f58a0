//! XCLIENT and XFORWARD: a peer that is believed speaks for another.

use super::{Event, Session, State};
use crate::smtp::command::Greeting;
use crate::smtp::profile::Protocol;
use crate::smtp::reply::{self, Reply};
use crate::smtp::xclient::{Attribute, Attributes, Identity, Origin};

/// What a peer may say about others, and has said.
#[derive(Debug, Default)]
pub(super) struct Vouching {
    /// Whether it is believed.
    pub may: bool,
    /// What it has said of another client.
    told: Attributes,
    /// Where it says that the next message comes from.
    pub origin: Option<Box<Origin>>,
}

impl Vouching {
    pub fn new(may: bool) -> Self {
        Self {
            may,
            ..Self::default()
        }
    }

    /// The client goes on: to a greeting, TLS, a login or mail. After XCLIENT these are those of the
    /// client whom it names, and a proxy such as nginx hands on what that one says: nobody can tell
    /// whose XCLIENT another one would be.
    pub fn settle(&mut self) {
        self.may &= self.told.is_empty();
    }
}

/// Whether a client begins with a header of the PROXY protocol, of either version.
pub(super) fn is_proxy_header(octets: &[u8]) -> bool {
    octets.starts_with(b"PROXY ") || octets.starts_with(b"\r\n\r\n\0\r\nQUIT\n")
}

impl<R> Session<R> {
    pub(super) fn xclient(&mut self, identity: Result<Box<Identity>, Reply>) -> Option<Event<R>> {
        match self.may_name(identity) {
            Ok(identity) => {
                self.state = State::Identifying(identity);
                None
            }
            Err(reply) => self.idle(&reply, false),
        }
    }

    pub(super) fn xforward(&mut self, argument: &str) -> Option<Event<R>> {
        let outcome = self.may_vouch().and_then(|()| {
            let origin = self.vouching.origin.get_or_insert_default();
            origin.add(argument)
        });
        self.idle(&outcome.err().unwrap_or(reply::OK), false)
    }

    /// What does not fit into one command may be said in several. What was said stays said, as the
    /// next command may be the client's: after a login nginx hands on whatever comes, and greets
    /// only if the client has.
    fn may_name(&self, identity: Result<Box<Identity>, Reply>) -> Result<Box<Identity>, Reply> {
        self.may_vouch()?;
        let identity = identity?;
        if self.vouching.told.meet(identity.attributes()) {
            return Err(reply::NOT_AUTHORIZED);
        }
        Ok(identity)
    }

    fn may_vouch(&self) -> Result<(), Reply> {
        if !self.vouching.may {
            Err(reply::NOT_AUTHORIZED)
        } else if self.transaction.is_some() {
            Err(reply::NOT_IN_TRANSACTION)
        } else {
            Ok(())
        }
    }

    /// Answers [`Step::Identify`](super::Step::Identify). The session begins anew, with a greeting;
    /// a refusal ends it.
    pub fn identified(&mut self, verdict: Result<(), Reply>) {
        let State::Identifying(identity) = std::mem::replace(&mut self.state, State::Command)
        else {
            return;
        };
        if let Err(reply) = verdict {
            return self.dismiss(&reply);
        }
        self.vouching.told.add(identity.attributes());
        self.vouching.origin = None;
        self.client = self.presented(*identity);
        let greeting = self.profile.greeting();
        self.idle(&greeting, true);
    }

    /// The greeting that XCLIENT has told of, so that it need not be said again.
    fn presented(&self, identity: Identity) -> Option<(Greeting, crate::smtp::address::Domain)> {
        let Attribute::Value(name) = identity.helo else {
            return None;
        };
        let greeting = match (self.profile.protocol, identity.greeting) {
            (Protocol::Lmtp, _) => Greeting::Lhlo,
            (Protocol::Smtp, Attribute::Value(greeting)) => greeting,
            (Protocol::Smtp, _) => Greeting::Helo,
        };
        Some((greeting, name))
    }
}
