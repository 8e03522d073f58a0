//! A connection that is plain or encrypted.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use async_rustls::server::TlsStream;
use smol::io::{AsyncRead, AsyncWrite};

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

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Transport<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Nothing => Poll::Ready(Ok(0)),
        }
    }
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
