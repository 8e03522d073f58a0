//! Where PHP-FPM listens, and how it is reached.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::io::{AsyncRead, AsyncWrite};
use smol::Timer;
use smol::net::TcpStream;
use smol::net::unix::UnixStream;

/// The first wait before another try to connect; each is twice as long.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(5);
pub(super) const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// An address of PHP-FPM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket in the file system.
    Unix(PathBuf),
    /// `host:port`.
    Tcp(String),
}

/// A connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug> Stream for S {}

impl Endpoint {
    /// Connects. Where the queue of PHP-FPM is full for the moment, it is tried
    /// again and again: the caller has the deadline.
    pub(super) async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let mut wait = FIRST_WAIT;
        loop {
            match self.try_connect().await {
                Err(error) if is_full(&error) => {
                    Timer::after(wait).await;
                    wait = LONGEST_WAIT.min(wait * 2);
                }
                outcome => return outcome,
            }
        }
    }

    async fn try_connect(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// A Unix socket whose backlog overflows says EAGAIN, or ENOTCONN once the
/// connection is looked at.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
    )
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => f.write_str(address),
        }
    }
}
