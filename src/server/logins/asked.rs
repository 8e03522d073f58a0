//! Logins at a proxy: it has the client, and asks whether that is the password.

use std::time::{Duration, Instant};

use smol::{Timer, future};

use super::{Logins, Refusal};
use crate::envelope::Client;
use crate::server::{Service, SessionLog};
use crate::smtp::reply::{self, Reply};
use crate::smtp::sasl::{Bindings, Exchange, Mechanism, Terms, Turn};

/// A refusal is held back here for so long at most: whoever asks must not keep others from asking. The
/// proxy waits for the rest.
const HELD: Duration = Duration::from_secs(1);

/// Who is not let in.
#[derive(Debug)]
pub struct Denied {
    /// What the client is told.
    pub reply: Reply,
    /// How long the proxy is to keep that from it, after which it may try again; none if it is to be
    /// closed.
    pub pause: Option<Duration>,
}

impl Service {
    /// Who the client of a proxy is, if what it has said to that (a message of PLAIN, RFC 4616) proves
    /// it: with the same rules, counts and delays as for the clients of our own. It is the `nth` time on
    /// its connection, from 0, of `most`.
    pub async fn log_in(
        &self,
        client: &Client,
        message: &[u8],
        (nth, most): (u32, u32),
        log: &SessionLog,
    ) -> Result<String, Denied> {
        let begun = Instant::now();
        let mechanism = Some(Mechanism::Plain);
        let (refusal, delay) = match &self.logins {
            None => {
                let cause = "there are no logins";
                (Refusal::Other(reply::NO_LOGIN, cause), Duration::ZERO)
            }
            Some(logins) => match self.owner(logins, client, message, nth < most).await {
                Ok(login) => {
                    log.logged_in(&login, mechanism);
                    return Ok(login);
                }
                Err(refusal) if refusal.is_guess() => (refusal, logins.delay(nth)),
                Err(refusal) => (refusal, Duration::ZERO),
            },
        };
        let held = delay.min(HELD);
        Timer::at(begun + held).await;
        let (reply, login, cause) = refusal.told();
        log.not_logged_in(&login, mechanism, &reply, cause);
        let pause = (reply.code() != 421).then(|| delay.saturating_sub(held));
        Err(Denied { reply, pause })
    }

    /// Who this is.
    async fn owner(
        &self,
        logins: &Logins,
        client: &Client,
        message: &[u8],
        may_try: bool,
    ) -> Result<String, Refusal> {
        if !may_try {
            let cause = "too many refused logins on this connection";
            return Err(Refusal::Other(reply::TOO_MANY_LOGINS, cause));
        }
        logins.admit(client.address)?;
        let offered = logins.offer(client, &Bindings::default());
        if offered.is_empty() {
            let cause = "the connection to the proxy has no TLS (auth.plaintext)";
            return Err(Refusal::Other(reply::AUTH_NEEDS_TLS, cause));
        }
        if !offered.iter().any(|it| it.tells_password()) {
            let cause = "neither PLAIN nor LOGIN is in auth.mechanisms";
            return Err(Refusal::Other(reply::WEAK_MECHANISM, cause));
        }
        let late = async {
            Timer::after(self.timeouts.delivery).await;
            Err(Refusal::late())
        };
        let mut exchange = Exchange::new(Mechanism::Plain, Terms::default());
        match exchange.respond(Some(message)) {
            Turn::Password(claim) => {
                let share = self.limits.share();
                let owner = logins.owner_of_password(claim, client.address, share);
                future::or(owner, late).await
            }
            Turn::Failed(fault) => Err(logins.counted(client.address, Refusal::Fault(fault))),
            _ => Err(Refusal::late()),
        }
    }
}
