//! A request and its answer, on one connection.
//!
//! What is sent is gathered, and written in as few calls as can be. While the socket takes no more, what PHP has to say
//! already is read, so that neither side waits for the other; every record is checked; octets are
//! counted; and an answer without its end is an error.

use std::future::poll_fn;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::io::{AsyncRead, AsyncWrite};

use super::exchange::Output;
use super::records::{self, CONTENT, End, PARAMS, Records, STDIN, STDOUT};

/// Octets that are gathered before they are written, and one record more.
const GATHERED: usize = 64 << 10;
/// Octets of the input that are read at once.
const BLOCK: usize = 8 << 10;
/// Octets of an answer, all told. Who says more is not listened to.
const WHOLE: u64 = 16 << 20;

/// A guarded connection, for one request.
#[derive(Debug)]
pub(super) struct Guard<S> {
    stream: S,
    /// What is still to be written, from `written` on.
    out: Vec<u8>,
    written: usize,
    output: Output,
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
            out: Vec::with_capacity(2 * BLOCK),
            written: 0,
            output: Output::default(),
            records: Records::default(),
            received: 0,
            deaf: false,
            silent: false,
        }
    }

    /// Sends the request, and hears what PHP says to the end.
    pub(super) async fn talk(
        mut self,
        parameters: &[u8],
        mut body: impl Read,
    ) -> io::Result<(Output, End)> {
        records::begin(&mut self.out);
        records::write(&mut self.out, PARAMS, parameters);
        records::write(&mut self.out, PARAMS, b"");
        let mut is_whole = false;
        while !(is_whole || self.deaf || self.silent) {
            is_whole = self.gather(&mut body)?;
            poll_fn(|cx| self.poll_out(cx)).await?;
        }
        loop {
            if let Some(end) = self.records.end() {
                return Ok((self.output, end));
            }
            if self.silent {
                let message = "the connection was closed before the end of the answer";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
            }
            poll_fn(|cx| self.poll_in(cx)).await?;
        }
    }

    /// Reads the input until there is enough to be written; says whether that was all.
    fn gather(&mut self, body: &mut impl Read) -> io::Result<bool> {
        while self.out.len() < GATHERED {
            let record = records::open(&mut self.out);
            let begin = self.out.len();
            let is_whole = self.read(body, begin + CONTENT)?;
            if self.out.len() > begin {
                records::close(&mut self.out, record, STDIN);
            } else {
                self.out.truncate(record);
            }
            if is_whole {
                records::write(&mut self.out, STDIN, b"");
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the input until there are `limit` octets to be written; says whether that was all.
    fn read(&mut self, body: &mut impl Read, limit: usize) -> io::Result<bool> {
        loop {
            let at = self.out.len();
            self.out.resize(limit.min(at + BLOCK), 0);
            let read = match body.read(&mut self.out[at..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    self.out.truncate(at);
                    continue;
                }
                read => read?,
            };
            self.out.truncate(at + read);
            if read == 0 || self.out.len() == limit {
                return Ok(read == 0);
            }
        }
    }

    /// Writes what was gathered.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.out.len() && !self.deaf && !self.silent {
            match Pin::new(&mut self.stream).poll_write(cx, &self.out[self.written..]) {
                Poll::Ready(Ok(0)) => self.deaf = true,
                Poll::Ready(Ok(written)) => self.written += written,
                Poll::Ready(Err(error)) if is_gone(&error) => self.deaf = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                // Until nothing more is there, so that the reading side wakes us too.
                Poll::Pending => ready!(self.poll_in(cx))?,
            }
        }
        self.out.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Reads something. There is more to come unless it is `silent` afterwards.
    fn poll_in(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut buffer = [0; BLOCK];
        let read = match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
            Err(error) if is_gone(&error) => 0,
            read => read?,
        };
        self.received += read as u64;
        if self.received > WHOLE {
            let message = format!("an answer of more than {} MiB", WHOLE >> 20);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, message)));
        }
        let output = &mut self.output;
        self.records.follow(&buffer[..read], |kind, octets| {
            if kind == STDOUT {
                output.hear(octets);
            } else {
                output.hear_error(octets);
            }
        })?;
        self.silent = read == 0 || self.records.end().is_some();
        Poll::Ready(Ok(()))
    }
}

/// The other side has hung up.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}
