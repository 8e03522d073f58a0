//! One connection: octets between a socket and a [`Session`], and every wait in between.

mod authentication;
mod identity;
mod keeping;
mod securing;

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Fuse, FusedFuture as _};
use smol::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use super::alarm::Alarm;
use super::clock::Clock;
use super::intake::Intake;
use super::limits::{Place, Share};
use super::record::SessionLog;
use super::tls::{Encryption, Transport};
use super::{Service, Shutdown};
use crate::chain::{Fate, Known};
use crate::envelope::{Client, Mail, Recipient};
use crate::failure::Failure;
use crate::logbook::Logbook;
use crate::smtp::address::ForwardPath;
use crate::smtp::reply::{self, Reply};
use crate::smtp::{Profile, Session, Step, Submission};

/// How long a client may take to let us close.
const FAREWELL: Duration = Duration::from_secs(1);

/// A client and its session.
pub(super) struct Connection<S> {
    stream: Transport<S>,
    encryption: Option<Encryption>,
    client: Client,
    session: Session<Recipient>,
    profile: Arc<Profile>,
    service: Arc<Service>,
    /// Counts for the client's address.
    place: Place,
    /// Whether XCLIENT has named the client.
    is_named: bool,
    clock: Clock,
    alarm: Alarm,
    intake: Intake,
    login: authentication::Login,
    log: SessionLog,
}

/// The wish to stop, waited for once in the life of a connection.
type Stop = Fuse<BoxFuture<'static, ()>>;

/// Why a wait has ended.
enum Wake {
    Octets,
    Closed,
    Deadline,
    Shutdown,
}

impl<S: AsyncRead + AsyncWrite + AsFd + Unpin> Connection<S> {
    pub fn new(
        stream: S,
        client: Client,
        profile: Arc<Profile>,
        encryption: Option<Encryption>,
        service: Arc<Service>,
        place: Place,
        log: SessionLog,
    ) -> Self {
        let intake = Intake::new(service.limits.share());
        Self {
            stream: Transport::Plain(stream),
            encryption,
            log,
            client,
            session: Session::new(Arc::clone(&profile)),
            profile,
            service,
            place,
            is_named: false,
            clock: Clock::start(),
            alarm: Alarm::default(),
            intake,
            login: authentication::Login::default(),
        }
    }

    /// Talks with the client until one of the two has said goodbye.
    pub async fn converse(mut self, shutdown: Shutdown) {
        let mut stop: Stop = async move { shutdown.requested().await }.boxed().fuse();
        if self.begin(&mut stop).await {
            self.serve(&mut stop).await;
        }
        let farewell = Instant::now() + FAREWELL;
        let _ = self.alarm.before(farewell, self.stream.close()).await;
        self.log.refused_by_session(self.session.refused());
        self.log.closed(&self.session);
    }

    /// What comes before the greeting; false when nothing comes after it.
    async fn begin(&mut self, stop: &mut Stop) -> bool {
        let encryption = self.encryption.as_ref();
        if encryption.is_some_and(|encryption| !encryption.offer.is_ready()) {
            self.session.cannot_secure();
        }
        if encryption.is_some_and(|encryption| encryption.implicit) && !self.secure(stop).await {
            return false;
        }
        self.offer_logins();
        self.hear_early_talker().await;
        true
    }

    async fn serve(&mut self, stop: &mut Stop) {
        loop {
            self.log.refused_by_session(self.session.refused());
            match self.session.step() {
                Step::Send(octets) => {
                    let deadline = self.clock.write_deadline(&self.service.timeouts);
                    let stream = &mut self.stream;
                    let sending = async {
                        stream.write_all(octets).await?;
                        stream.flush().await
                    };
                    let sent = self.alarm.before(deadline, sending).await;
                    if !matches!(sent, Some(Ok(()))) {
                        break;
                    }
                    self.clock.replied();
                }
                Step::Receive => {
                    if !self.listen(stop).await {
                        break;
                    }
                }
                Step::Verify(path) => {
                    let path = path.clone();
                    self.verify(path).await;
                }
                Step::Content(octets) => {
                    let rest = self.intake.take(octets);
                    if !rest.is_empty() {
                        let rest = rest.to_vec();
                        self.make_room(&rest).await;
                    }
                }
                Step::Discard => drop(self.take_intake()),
                Step::Identify(identity) => {
                    let identity = identity.clone();
                    self.identify(identity);
                }
                Step::Deliver(submission) => self.deliver(submission).await,
                Step::Authenticate(attempt) => self.authenticate(attempt, stop).await,
                Step::StartTls => {
                    if !self.secure(stop).await {
                        break;
                    }
                }
                Step::Close => break,
            }
        }
    }

    /// Gives the session what came before the greeting, if anything did.
    async fn hear_early_talker(&mut self) {
        poll_fn(|context| {
            let _ = poll_receive(&mut self.stream, &mut self.session, context);
            Poll::Ready(())
        })
        .await;
    }

    /// Waits and tells the session what for; false when the client has gone.
    async fn listen(&mut self, stop: &mut Stop) -> bool {
        match self.receive(stop).await {
            Wake::Octets => self.clock.heard(),
            Wake::Closed => return false,
            Wake::Deadline => {
                self.log.timed_out(&self.session);
                self.session.end(&reply::TIMEOUT);
            }
            Wake::Shutdown => self.session.shut_down(),
        }
        true
    }

    /// Waits for octets, the deadline or the shutdown, whichever comes first. The
    /// other two are heard even if octets never cease to come.
    async fn receive(&mut self, stop: &mut Stop) -> Wake {
        if let Some(socket) = self.stream.awaited() {
            self.service.linger.wait(&socket);
        }
        let deadline = self.deadline();
        if Instant::now() >= deadline {
            return Wake::Deadline;
        }
        let wake = poll_fn(|context| {
            if !stop.is_terminated() && stop.poll_unpin(context).is_ready() {
                return Poll::Ready(Wake::Shutdown);
            }
            let received = poll_receive(&mut self.stream, &mut self.session, context);
            received.map(|received| match received {
                Ok(0) | Err(_) => Wake::Closed,
                Ok(_) => Wake::Octets,
            })
        });
        self.alarm
            .before(deadline, wake)
            .await
            .unwrap_or(Wake::Deadline)
    }

    fn deadline(&self) -> Instant {
        let timeouts = &self.service.timeouts;
        if self.session.is_receiving_data() {
            self.clock
                .data_deadline(self.session.content_size(), timeouts)
        } else {
            self.clock.command_deadline(timeouts)
        }
    }

    async fn verify(&mut self, path: ForwardPath) {
        let Some(reverse_path) = self.session.reverse_path() else {
            return;
        };
        self.client.helo = self.session.client_name().map(ToString::to_string);
        let deadline = Clock::answer_deadline(&self.service.timeouts);
        let verdict = self.service.verify(&path, &self.client, reverse_path);
        let verdict = self.alarm.before(deadline, verdict).await;
        let late = || Err(Failure::new(reply::LOCAL_FAULT, "no answer in time"));
        let verdict = verdict.unwrap_or_else(late);
        if let Err(failure) = &verdict {
            self.log.refused(&path, reverse_path, failure);
        }
        self.session
            .verified(verdict.map_err(|failure| failure.reply));
    }

    async fn deliver(&mut self, submission: Submission<Recipient>) {
        let begun = Instant::now();
        let deadline = Clock::answer_deadline(&self.service.timeouts);
        let first = submission.recipients.first().cloned();
        let (content, kept) = match self.finish(first.as_ref(), deadline).await {
            Ok((content, share)) => (content, Ok(share)),
            Err(failure) => (Vec::new().into(), Err(failure)),
        };
        let service = &self.service;
        let mail = service.mail(submission, &self.profile, &self.client, content);
        let fates = match kept {
            Ok(share) => self.fates(&mail, share, deadline).await,
            Err(failure) => for_all(&mail, &failure),
        };
        self.log.delivered(&mail, &fates, begun.elapsed());
        let stored = reply::OK.with_text(format!("Ok: queued as {}", mail.envelope.id));
        let told = |fate: Fate| fate.map_or_else(|failure| failure.reply, |()| stored.clone());
        let replies: Vec<Reply> = fates.into_iter().map(told).collect();
        self.session.delivered(&replies);
    }

    /// Delivers, and waits for it until the deadline. A message that has not had
    /// its turn by then is not delivered. One that has begun runs to its end all
    /// the same; nobody is told of that any more.
    async fn fates(&mut self, mail: &Arc<Mail>, share: Share, deadline: Instant) -> Vec<Fate> {
        let service = Arc::clone(&self.service);
        let turn = service.chain.turn(&mail.envelope.recipients);
        let Some(turn) = self.alarm.before(deadline, turn).await else {
            let failure = Failure::new(reply::LOCAL_FAULT, "no turn to deliver in time");
            return for_all(mail, &failure);
        };
        let protocol = self.profile.protocol;
        let known = Arc::new(Known::default());
        let delivery = service.deliver(Arc::clone(mail), protocol, turn, Arc::clone(&known));
        let mut delivery = delivery.boxed();
        if let Some(fates) = self.alarm.before(deadline, &mut delivery).await {
            return fates;
        }
        let run_to_its_end = move || {
            smol::block_on(delivery);
            drop(share);
        };
        let failure = Failure::new(reply::LOCAL_FAULT, "the delivery took too long");
        let fates = known.close(mail.envelope.recipients.len(), &failure);
        // Not on the threads for blocking work: it may be waiting for those.
        if let Err(error) = thread::Builder::new()
            .name("late".into())
            .spawn(Logbook::carried_over(run_to_its_end))
        {
            log::error!(error:% = error; "a late delivery is broken off");
        }
        fates
    }
}

/// Gives the session what is there to be read.
fn poll_receive<S: AsyncRead + AsyncWrite + AsFd + Unpin, R>(
    stream: &mut Transport<S>,
    session: &mut Session<R>,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    stream.poll_receive(context, |octets| session.receive(octets))
}

/// The same failure for all recipients.
fn for_all(mail: &Mail, failure: &Failure) -> Vec<Fate> {
    vec![Err(failure.clone()); mail.envelope.recipients.len()]
}
