//! One connection: octets between a socket and a [`Session`], and every wait in between.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::FutureExt as _;
use smol::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use smol::{Timer, future};

use super::clock::Clock;
use super::limits::Share;
use super::record::SessionLog;
use super::{Service, Shutdown};
use crate::chain::Fate;
use crate::envelope::{Client, Recipient};
use crate::smtp::address::ForwardPath;
use crate::smtp::reply::{self, Reply};
use crate::smtp::{Profile, Session, Step, Submission};

/// Octets read at once. The buffer belongs to the thread: a connection that
/// waits needs none.
const READ_SIZE: usize = 64 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_SIZE].into_boxed_slice());
}

/// A client and its session.
pub(super) struct Connection<S> {
    stream: S,
    client: Client,
    session: Session<Recipient>,
    service: Arc<Service>,
    clock: Clock,
    content: Vec<u8>,
    share: Share,
    log: SessionLog,
}

/// Why a wait has ended.
enum Wake {
    Octets,
    Closed,
    Deadline,
    Shutdown,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub fn new(stream: S, client: Client, profile: Arc<Profile>, service: Arc<Service>) -> Self {
        let share = service.limits.share();
        Self {
            stream,
            log: SessionLog::new(&client),
            client,
            session: Session::new(profile),
            service,
            clock: Clock::start(),
            content: Vec::new(),
            share,
        }
    }

    /// Talks with the client until one of the two has said goodbye.
    pub async fn converse(mut self, shutdown: Shutdown) {
        let mut stop = Box::pin(async move { shutdown.requested().await }).fuse();
        let _ = self.hear_early_talker().await;
        loop {
            match self.session.step() {
                Step::Send(octets) => {
                    let deadline = self.clock.write_deadline(&self.service.timeouts);
                    if !send(&mut self.stream, octets, deadline).await {
                        break;
                    }
                    self.clock.replied();
                }
                Step::Receive => match self.receive(&mut stop).await {
                    Wake::Octets => self.clock.heard(),
                    Wake::Closed => break,
                    Wake::Deadline => self.session.end(&reply::TIMEOUT),
                    Wake::Shutdown => self.session.shut_down(),
                },
                Step::Verify(path) => {
                    let path = path.clone();
                    self.verify(path).await;
                }
                Step::Content(octets) => {
                    if !keep(&mut self.content, &mut self.share, octets) {
                        self.discard();
                        self.session.refuse(reply::STORAGE_FULL);
                    }
                }
                Step::Discard => self.discard(),
                Step::Deliver(submission) => self.deliver(submission).await,
                Step::Close => break,
            }
        }
        let _ = self.stream.close().await;
        self.log.closed(&self.session);
    }

    /// Gives the session what came before the greeting, if anything did.
    async fn hear_early_talker(&mut self) -> io::Result<()> {
        let read = poll_fn(|context| match self.poll_read(context) {
            Poll::Pending => Poll::Ready(Ok(0)),
            ready @ Poll::Ready(_) => ready,
        });
        read.await.map(drop)
    }

    /// Waits for octets, the deadline or the shutdown, whichever comes first.
    async fn receive(
        &mut self,
        stop: &mut (impl futures_util::future::FusedFuture<Output = ()> + Unpin),
    ) -> Wake {
        let mut timer = Timer::at(self.deadline());
        poll_fn(|context| {
            match self.poll_read(context) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Wake::Closed),
                Poll::Ready(Ok(_)) => return Poll::Ready(Wake::Octets),
                Poll::Pending => {}
            }
            if !stop.is_terminated() && stop.poll_unpin(context).is_ready() {
                return Poll::Ready(Wake::Shutdown);
            }
            timer.poll_unpin(context).map(|_| Wake::Deadline)
        })
        .await
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        READ_BUFFER.with_borrow_mut(|buffer| {
            let read = Pin::new(&mut self.stream).poll_read(context, buffer);
            if let Poll::Ready(Ok(count)) = &read {
                self.session.receive(&buffer[..*count]);
            }
            read
        })
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
        let verdict = self.service.verify(&path, &self.client, reverse_path).await;
        if let Err(failure) = &verdict {
            self.log.refused(&path, reverse_path, failure);
        }
        self.session
            .verified(verdict.map_err(|failure| failure.reply));
    }

    async fn deliver(&mut self, submission: Submission<Recipient>) {
        let content = std::mem::take(&mut self.content);
        let mail = self.service.mail(submission, &self.client, content);
        let begun = Instant::now();
        let fates = self
            .service
            .deliver(Arc::clone(&mail), self.session.protocol())
            .await;
        self.log.delivered(&mail, &fates, begun.elapsed());
        let stored = reply::OK.with_text(format!("Ok: queued as {}", mail.envelope.id));
        let told = |fate: Fate| fate.map_or_else(|failure| failure.reply, |()| stored.clone());
        let replies: Vec<Reply> = fates.into_iter().map(told).collect();
        drop(mail);
        self.share.release();
        self.session.delivered(&replies);
    }

    fn discard(&mut self) {
        self.content = Vec::new();
        self.share.release();
    }
}

/// Sends all octets; false when the client does not take them.
async fn send(stream: &mut (impl AsyncWrite + Unpin), octets: &[u8], deadline: Instant) -> bool {
    let late = async {
        Timer::at(deadline).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    future::or(stream.write_all(octets), late).await.is_ok()
}

/// Appends a piece of content; false when there is no memory for it. What the
/// content takes is counted, not only what it fills.
fn keep(content: &mut Vec<u8>, share: &mut Share, octets: &[u8]) -> bool {
    let needed = content.len() + octets.len();
    if needed > content.capacity() {
        let capacity = needed.max(content.capacity() * 2);
        if !share.grow(capacity as u64) {
            return false;
        }
        content.reserve_exact(capacity - content.len());
    }
    content.extend_from_slice(octets);
    true
}
