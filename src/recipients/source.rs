//! Who has a mailbox, where something outside of the configuration knows that: a database, a
//! directory, the program that this crate is part of.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use smol::Timer;
use smol::future::or;

use super::{Asking, Recipients};
use crate::answers::{self, Answers, Kind};
use crate::envelope::{Destination, Recipient};
use crate::failure::Failure;
use crate::smtp::address::Mailbox;
use crate::smtp::reply;

/// A boxed future, so that a source can be a trait object: `Box::pin(async move { .. })`:
/// `maiasaura::Pending`.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Knows which mailboxes there are.
pub trait UserSource: Send + Sync {
    /// What it is called in the log.
    fn name(&self) -> &str;

    /// Whether there is this mailbox: without a detail (`alice+lists` is asked for as `alice`), and
    /// in lower case unless `recipients.case_sensitive` is set. An error tells the log why that cannot be
    /// said; the client hears 451.
    ///
    /// It is awaited where sockets are served: what blocks belongs into `smol::unblock`. Answers are
    /// remembered, and who asks for the same mailbox meanwhile waits for the same answer.
    fn knows<'a>(&'a self, mailbox: &'a Mailbox) -> Pending<'a, Result<bool, String>>;
}

/// A source, and what it has said.
pub(super) struct Asked {
    source: Arc<dyn UserSource>,
    asking: Asking,
    answers: Answers<Said>,
}

/// What a source has said of a mailbox.
#[derive(Clone, Debug)]
struct Said(Result<bool, String>);

impl answers::Answer for Said {
    fn kind(&self) -> Kind {
        match self.0 {
            Ok(true) => Kind::Yes,
            Ok(false) => Kind::No,
            Err(_) => Kind::Unknown,
        }
    }
}

impl Asked {
    pub(super) fn new(source: Arc<dyn UserSource>, asking: Asking) -> Self {
        Self {
            answers: Answers::new(source.name(), asking.times),
            asking,
            source,
        }
    }

    async fn knows(&self, mailbox: &Mailbox) -> Result<bool, Failure> {
        let asked = async {
            let answer = AssertUnwindSafe(async { self.source.knows(mailbox).await });
            let answered = async {
                let answer = answer.catch_unwind().await;
                Said(answer.unwrap_or_else(|_| Err("it panicked".to_owned())))
            };
            let too_late = async {
                let timeout = self.asking.timeout;
                Timer::after(timeout).await;
                Said(Err(format!("no answer within {timeout:?}")))
            };
            or(answered, too_late).await
        };
        let said = self.answers.answer(mailbox.to_string(), asked).await;
        said.0.map_err(|why| {
            let cause = format!("{} cannot say who has a mailbox: {why}", self.source.name());
            Failure::new(reply::LOCAL_FAULT, cause)
        })
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Asked({})", self.source.name())
    }
}

impl Recipients {
    /// Those of the destinations that the source knows, and who stands in for the others.
    pub(super) async fn ask(&self, source: &Asked, found: Recipient) -> Result<Recipient, Failure> {
        let mut destinations: Vec<Destination> = Vec::new();
        for destination in found.destinations {
            let taker = self.taker(source, destination).await?;
            let is_same = |other: &Destination| {
                other.mailbox == taker.mailbox && other.location == taker.location
            };
            if !destinations.iter().any(is_same) {
                destinations.push(taker);
            }
        }
        Ok(Recipient {
            destinations,
            ..found
        })
    }

    async fn taker(&self, source: &Asked, first: Destination) -> Result<Destination, Failure> {
        if self.is_appointed(&first.mailbox) || source.knows(&first.mailbox).await? {
            return Ok(first);
        }
        let mailbox = first.mailbox.clone();
        let mut candidate = Some(first);
        while let Some(destination) = candidate {
            // Whoever stands in was named by the operator.
            if destination.mailbox != mailbox {
                return Ok(destination);
            }
            candidate = destination.otherwise.map(|next| *next);
        }
        let name = source.source.name();
        let cause = format!("{name} does not know {mailbox}, and there is no catch-all");
        Err(Failure::new(reply::USER_UNKNOWN, cause))
    }

    /// Whether the configuration itself says that this mailbox is there.
    fn is_appointed(&self, mailbox: &Mailbox) -> bool {
        let is_catch_all = |all: &Destination| all.mailbox == *mailbox;
        self.is_last_resort(mailbox) || self.catch_all.as_ref().is_some_and(is_catch_all)
    }
}
