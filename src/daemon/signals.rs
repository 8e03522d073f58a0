//! The signals of the process, as things to do.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use async_signal::{Signal, Signals};
use smol::stream::StreamExt as _;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// INT or TERM: finish what has begun and end; a second one ends at once.
    Stop,
    /// HUP.
    Reload,
    /// USR1: open the log file anew.
    ReopenLog,
}

/// Listens for signals. Ctrl-C is `ctrlc`'s, the others are read as a stream.
///
/// XFSZ is caught so that a file that grows over its limit is an error of one
/// delivery and not the end of the process.
pub fn requests() -> io::Result<Receiver<Request>> {
    let (sender, requests) = channel();
    let interrupts = sender.clone();
    ctrlc::set_handler(move || {
        let _ = interrupts.send(Request::Stop);
    })
    .map_err(io::Error::other)?;
    let signals = Signals::new([Signal::Term, Signal::Hup, Signal::Usr1, Signal::Xfsz])?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || forward(signals, &sender))?;
    Ok(requests)
}

fn forward(mut signals: Signals, requests: &Sender<Request>) {
    smol::block_on(async {
        while let Some(Ok(signal)) = signals.next().await {
            let request = match signal {
                Signal::Term => Request::Stop,
                Signal::Hup => Request::Reload,
                Signal::Usr1 => Request::ReopenLog,
                _ => continue,
            };
            if requests.send(request).is_err() {
                return;
            }
        }
    });
}
