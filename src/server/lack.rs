//! A lack of descriptors or memory: connections come in, and none of them can be accepted.

use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use smol::Timer;

use crate::locks::lock;

/// How long an accept loop rests when the system has no descriptor or memory for
/// another connection; without a rest it would spin.
const REST: Duration = Duration::from_millis(100);
/// How long nothing more is said of that: it is the same lack.
const QUIET: Duration = Duration::from_mins(1);

/// What one accept loop knows of it.
#[derive(Debug, Default)]
pub(crate) struct Lack {
    /// When something was said of it.
    told: Mutex<Option<Instant>>,
}

impl Lack {
    /// Rests after a connection that could not be accepted: a lack passes when others leave. `tell` hears
    /// of it, and whether it is for the log: not again and again. A client that went away before it was
    /// accepted is nothing.
    pub async fn pass(&self, error: &io::Error, tell: impl FnOnce(bool)) {
        if error.kind() != io::ErrorKind::ConnectionAborted {
            tell(self.is_news());
            Timer::after(REST).await;
        }
    }

    fn is_news(&self) -> bool {
        let mut told = lock(&self.told);
        let is_due = told.is_none_or(|at| at.elapsed() >= QUIET);
        if is_due {
            *told = Some(Instant::now());
        }
        is_due
    }
}

#[test]
fn a_lack_is_told_once() {
    let lack = Lack::default();
    let told = |kind: io::ErrorKind| {
        let mut told = None;
        smol::block_on(lack.pass(&kind.into(), |is_news| told = Some(is_news)));
        told
    };
    assert_eq!(told(io::ErrorKind::ConnectionAborted), None);
    assert_eq!(told(io::ErrorKind::OutOfMemory), Some(true));
    assert_eq!(told(io::ErrorKind::OutOfMemory), Some(false));
}
