//! The content of a message while it comes in: in memory, and on disk when that is full.

use std::sync::Arc;
use std::time::Instant;

use super::Connection;
use crate::content::Content;
use crate::envelope::Recipient;
use crate::failure::Failure;
use crate::server::clock::Clock;
use crate::server::intake::Intake;
use crate::server::limits::Share;
use crate::server::spool_failure;
use crate::smtp::reply;

impl<S> Connection<S> {
    /// Writes content to disk until there is room for these octets, or says that there is none.
    pub(super) async fn make_room(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while !rest.is_empty() {
            if let Err(failure) = self.spill().await {
                self.log.not_kept(&self.session, &failure);
                drop(self.take_intake());
                self.session.refuse(failure.reply);
                return;
            }
            rest = self.intake.take(rest);
        }
    }

    async fn spill(&mut self) -> Result<(), Failure> {
        let recipient = self.session.recipients().first().cloned();
        let (Some(recipient), true) = (recipient, self.intake.can_spill()) else {
            let cause = "limits.memory is used up";
            return Err(Failure::new(reply::STORAGE_FULL, cause));
        };
        let mut intake = self.take_intake();
        let service = Arc::clone(&self.service);
        let deadline = Clock::answer_deadline(&service.timeouts);
        let taker = recipient.clone();
        let work = move || {
            let outcome = intake.spill(|| service.spooler.open(&taker));
            (intake, outcome)
        };
        let (intake, outcome) = self.apart(&recipient, deadline, work).await?;
        self.intake = intake;
        // How long that took is not the client's fault.
        self.clock.heard();
        outcome.map_err(spool_failure)
    }

    /// The whole content, and the memory that is counted for it.
    pub(super) async fn finish(
        &mut self,
        recipient: Option<&Recipient>,
        deadline: Instant,
    ) -> Result<(Content, Share), Failure> {
        let intake = self.take_intake();
        let finished = match recipient {
            Some(recipient) if intake.is_spooled() => {
                let work = move || intake.finish();
                self.apart(recipient, deadline, work).await?
            }
            _ => intake.finish(),
        };
        finished.map_err(spool_failure)
    }

    pub(super) fn take_intake(&mut self) -> Intake {
        std::mem::replace(&mut self.intake, Intake::new(self.service.limits.share()))
    }

    /// Does what a disk can hold up, where nobody else has to wait for it.
    async fn apart<T: Send + 'static>(
        &mut self,
        recipient: &Recipient,
        deadline: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let work = self.service.spooler.run(recipient, work);
        let done = self.alarm.before(deadline, work);
        let late = || Failure::new(reply::LOCAL_FAULT, "the disk took too long");
        done.await.ok_or_else(late)
    }
}
