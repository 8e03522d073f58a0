//! What stands between the client library and the socket.
//!
//! The library writes the whole request before it reads, in many small pieces,
//! and reads without a bound. Here what it writes is gathered; while the socket
//! takes no more, what PHP has to say already is read, so that the two cannot
//! wait for each other; every record is checked before the library sees it;
//! octets are counted; and an answer without its end is an error.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::io::{AsyncRead, AsyncWrite};

use super::records::{End, Records};

/// Octets that are gathered before they are written.
const GATHERED: usize = 64 << 10;
/// Octets of an answer that are kept until the request is written.
const EARLY: usize = 1 << 20;
/// Octets of an answer, all told. Who says more is not listened to.
const WHOLE: u64 = 16 << 20;

/// A guarded connection, for one request.
#[derive(Debug)]
pub(super) struct Guard<S> {
    stream: S,
    /// What is still to be written, from `written` on.
    out: Vec<u8>,
    written: usize,
    /// What was read and not taken yet, from `taken` on.
    early: Vec<u8>,
    taken: usize,
    records: Records,
    received: u64,
    /// PHP reads no more; it may have answered all the same.
    deaf: bool,
    /// PHP says no more.
    silent: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guard<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            out: Vec::with_capacity(GATHERED),
            written: 0,
            early: Vec::new(),
            taken: 0,
            records: Records::default(),
            received: 0,
            deaf: false,
            silent: false,
        }
    }

    /// How the answer ended, when it was read to its end.
    pub(super) fn end(&self) -> Option<End> {
        self.records.end()
    }

    /// Writes what was gathered.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.out.len() {
            // Until nothing more is there, so that the reading side wakes us too.
            while self.early.len() < EARLY && self.poll_in(cx)?.is_ready() {
                if self.silent {
                    break;
                }
            }
            if self.deaf || self.silent {
                break;
            }
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out[self.written..])) {
                Ok(0) => self.deaf = true,
                Ok(written) => self.written += written,
                Err(error) if is_gone(&error) => self.deaf = true,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.out.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Reads something. There is more to come unless it is `silent` afterwards.
    fn poll_in(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.silent {
            return Poll::Ready(Ok(()));
        }
        let mut buffer = [0; 8 << 10];
        let read = match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
            Err(error) if is_gone(&error) => 0,
            read => read?,
        };
        self.received += read as u64;
        if self.received > WHOLE {
            let message = format!("an answer of more than {} MiB", WHOLE >> 20);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, message)));
        }
        let followed = self.records.follow(&buffer[..read])?;
        self.early.extend_from_slice(&buffer[..followed]);
        self.silent = read == 0 || self.end().is_some();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.out.len() >= GATHERED {
            ready!(self.poll_out(cx))?;
        }
        if self.deaf || self.silent {
            return Poll::Ready(Ok(octets.len()));
        }
        let taken = octets.len().min(GATHERED);
        self.out.extend_from_slice(&octets[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(cx))?;
        if self.deaf || self.silent {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        while self.taken == self.early.len() {
            self.early.clear();
            self.taken = 0;
            if self.end().is_some() {
                return Poll::Ready(Ok(0));
            }
            if self.silent {
                let message = "the connection was closed before the end of the answer";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, message)));
            }
            ready!(self.poll_in(cx))?;
        }
        let taken = buffer.len().min(self.early.len() - self.taken);
        buffer[..taken].copy_from_slice(&self.early[self.taken..self.taken + taken]);
        self.taken += taken;
        Poll::Ready(Ok(taken))
    }
}

/// The other side has hung up.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}
