//! Waiting for one connection on the spot, on a thread that may block: the kernel wakes that thread
//! itself, without a reactor that all share in between.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::ToSocketAddrs as _;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::io::{AsyncRead, AsyncWrite};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use super::endpoint::{Endpoint, FIRST_WAIT, LONGEST_WAIT};

/// A connection that is waited for by [`wait`](Self::wait).
#[derive(Clone, Debug)]
pub(super) struct Spot {
    socket: Arc<Socket>,
    /// What its reader or writer has found not to be possible yet.
    wants: Arc<AtomicU16>,
}

impl Spot {
    /// Connects; `TimedOut` when that takes longer than `until`.
    pub(super) fn connect(endpoint: &Endpoint, until: Instant) -> io::Result<Self> {
        let socket = match endpoint {
            Endpoint::Unix(path) => connect_unix(path, until)?,
            Endpoint::Tcp(address) => connect_tcp(address, until)?,
        };
        Ok(Self {
            socket: Arc::new(socket),
            wants: Arc::default(),
        })
    }

    /// Does `work`, which waits for nothing but this connection; nothing when it is not done in
    /// time.
    pub(super) fn wait<T>(&self, until: Instant, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            self.wants.store(0, Ordering::Relaxed);
            if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
                return Some(done);
            }
            let left = until.checked_duration_since(Instant::now())?;
            let left = Timespec::try_from(left).ok();
            let wants = PollFlags::from_bits_truncate(self.wants.load(Ordering::Relaxed));
            match poll(&mut [PollFd::new(&*self.socket, wants)], left.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                // Without memory to wait it is asked again and again.
                Err(_) => thread::sleep(FIRST_WAIT),
            }
        }
    }

    /// The outcome of a call that does not wait: what it would wait for is kept in mind.
    fn or_wait<T>(&self, outcome: io::Result<T>, wants: PollFlags) -> Poll<io::Result<T>> {
        match outcome {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.wants.fetch_or(wants.bits(), Ordering::Relaxed);
                Poll::Pending
            }
            outcome => Poll::Ready(outcome),
        }
    }
}

/// Where the queue of PHP-FPM is full for the moment, it is tried again and again.
fn connect_unix(path: &Path, until: Instant) -> io::Result<Socket> {
    let address = SockAddr::unix(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
    let mut wait = FIRST_WAIT;
    loop {
        match socket.connect(&address) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            outcome => return outcome.map(|()| socket),
        }
        thread::sleep(wait.min(left(until)?));
        wait = LONGEST_WAIT.min(wait * 2);
    }
}

fn connect_tcp(address: &str, until: Instant) -> io::Result<Socket> {
    let mut failure = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        let address = SockAddr::from(address);
        let socket = Socket::new(address.domain(), Type::STREAM.cloexec(), None)?;
        match socket.connect_timeout(&address, left(until)?) {
            Ok(()) => {
                socket.set_nonblocking(true)?;
                socket.set_tcp_nodelay(true)?;
                return Ok(socket);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.checked_duration_since(Instant::now());
    left.filter(|left| !left.is_zero())
        .ok_or_else(|| ErrorKind::TimedOut.into())
}

impl AsyncRead for Spot {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = (&*self.socket).read(buffer);
        self.or_wait(outcome, PollFlags::IN)
    }
}

impl AsyncWrite for Spot {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = (&*self.socket).write(octets);
        self.or_wait(outcome, PollFlags::OUT)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.shutdown(std::net::Shutdown::Write))
    }
}
