//! A connection that is plain or encrypted.

use std::cell::RefCell;
use std::io::{self, BufRead as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use async_rustls::server::TlsStream;
use rustls::ServerConnection;
use smol::io::{AsyncRead, AsyncWrite};

/// Octets read at once. The buffer belongs to the thread: a connection that
/// waits needs none.
const READ_SIZE: usize = 64 * 1024;
/// How often the socket is read for one octet of a client, before others have their turn: a record
/// may come in pieces, and there are records with nothing in them.
const READINGS: usize = 8;

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_SIZE].into_boxed_slice());
}

/// A stream, as it is or within TLS.
pub(in crate::server) enum Transport<S> {
    Plain(S),
    Tls(Box<TlsStream<S>>),
    /// The stream was taken away for a handshake.
    Nothing,
}

impl<S> Transport<S> {
    /// The plain stream, for a handshake.
    pub fn take_plain(&mut self) -> Option<S> {
        match std::mem::replace(self, Self::Nothing) {
            Self::Plain(stream) => Some(stream),
            other => {
                *self = other;
                None
            }
        }
    }
}

impl<S: AsFd> Transport<S> {
    /// The socket, if what is to be read comes through it: not while there are octets that were
    /// decrypted already, of which the socket knows nothing.
    pub fn awaited(&mut self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Plain(stream) => Some(S::as_fd(stream)),
            Self::Tls(stream) => {
                let (_, connection) = stream.get_mut();
                let state = connection.process_new_packets().ok()?;
                let is_drained = state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed();
                is_drained.then(|| stream.get_ref().0.as_fd())
            }
            Self::Nothing => None,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Transport<S> {
    /// Gives `take` what is there to be read, all that one reading of the socket brings. Returns
    /// how many octets that were; none is the end.
    pub fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        mut take: impl FnMut(&[u8]),
    ) -> Poll<io::Result<usize>> {
        let tls = match self {
            Self::Plain(stream) => {
                return read_socket(stream, context, |octets| {
                    take(octets);
                    Ok(())
                });
            }
            Self::Tls(tls) => tls,
            Self::Nothing => return Poll::Ready(Ok(0)),
        };
        // The handshake may have read more than its end.
        let mut count = drain(tls, &mut take)?;
        for _ in 0..READINGS {
            if count > 0 || has_ended(tls)? {
                return Poll::Ready(Ok(count));
            }
            let (socket, connection) = tls.get_mut();
            let read = read_socket(socket, context, |octets| {
                count = decrypt(connection, octets, &mut take)?;
                Ok(())
            });
            // What TLS answers by itself, as to who wants to renegotiate: nobody else would send it.
            let answered = Pin::new(&mut **tls).poll_flush(context);
            match read {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(0)),
                Poll::Ready(Ok(_)) if matches!(answered, Poll::Ready(Err(_))) => {
                    return answered.map_ok(|()| 0);
                }
                Poll::Ready(Ok(_)) => {}
                failed_or_pending => return failed_or_pending,
            }
        }
        if count == 0 {
            // Records without any octets: others have their turn now.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(count))
    }
}

/// Reads the socket once; `take` gets what came.
fn read_socket<S: AsyncRead + Unpin>(
    socket: &mut S,
    context: &mut Context<'_>,
    take: impl FnOnce(&[u8]) -> io::Result<()>,
) -> Poll<io::Result<usize>> {
    READ_BUFFER.with_borrow_mut(|buffer| {
        let read = Pin::new(socket).poll_read(context, buffer);
        if let Poll::Ready(Ok(count)) = &read {
            take(&buffer[..*count])?;
        }
        read
    })
}

/// Decrypts octets, from wherever in a record to wherever in one. rustls takes 4 KiB at a time: to
/// let it read the socket would be a system call for each of them.
fn decrypt(
    connection: &mut ServerConnection,
    mut octets: &[u8],
    take: &mut impl FnMut(&[u8]),
) -> io::Result<usize> {
    let mut count = 0;
    while !octets.is_empty() {
        connection.read_tls(&mut octets)?;
        let fault = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let state = connection.process_new_packets().map_err(fault)?;
        count += hand_over(connection, take)?;
        if state.peer_has_closed() {
            break;
        }
    }
    Ok(count)
}

fn drain<S>(tls: &mut TlsStream<S>, take: &mut impl FnMut(&[u8])) -> io::Result<usize> {
    hand_over(tls.get_mut().1, take)
}

/// Gives `take` what is decrypted.
fn hand_over(connection: &mut ServerConnection, take: &mut impl FnMut(&[u8])) -> io::Result<usize> {
    let mut reader = connection.reader();
    let mut count = 0;
    loop {
        let octets = match reader.fill_buf() {
            Ok(octets) if !octets.is_empty() => octets,
            Ok(_) => return Ok(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(count),
            Err(error) => return Err(error),
        };
        take(octets);
        let length = octets.len();
        reader.consume(length);
        count += length;
    }
}

/// Whether the client has said that nothing more comes.
fn has_ended<S>(tls: &mut TlsStream<S>) -> io::Result<bool> {
    let state = tls.get_mut().1.process_new_packets();
    let state = state.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(state.peer_has_closed())
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Transport<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, octets),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, octets),
            Self::Nothing => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
            Self::Nothing => Poll::Ready(Ok(())),
        }
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_close(context),
            Self::Tls(stream) => Pin::new(stream).poll_close(context),
            Self::Nothing => Poll::Ready(Ok(())),
        }
    }
}
