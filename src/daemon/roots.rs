//! Looking after the roots: they are probed at start, and swept every day.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SendError, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::time::{ClockId, clock_gettime};
use smol::Timer;

use crate::disks::Disks;
use crate::maildir::{self, ProbeError, Store};

/// How long the start waits for disks to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the Maildirs are swept.
const SWEEP_EVERY: Duration = Duration::from_hours(24);
/// How much later that may be.
const JITTER: Duration = Duration::from_hours(1);
/// How far the clock may be set before it is not believed.
const JUMP: Duration = Duration::from_hours(1);

/// A root below which nothing can be stored.
pub(super) struct Unsound {
    pub(super) root: Arc<Path>,
    pub(super) error: ProbeError,
}

impl Unsound {
    /// Says so in the log.
    pub(super) fn tell(&self) {
        log::error!(root:% = self.root.display(), error:% = self.error; "mail for Maildirs below this root will be deferred");
    }
}

/// Those of the new roots below which nothing can be stored. A disk that does not answer keeps nobody
/// from the others.
pub(super) fn find_unsound(
    store: &Arc<Store>,
    disks: &Disks,
    is_new: impl Fn(&Arc<Path>) -> bool,
) -> Vec<Unsound> {
    let (tell, told) = channel();
    for roots in disks.roots() {
        let roots = roots.iter().filter(|root| is_new(root));
        let roots: Vec<Arc<Path>> = roots.cloned().collect();
        let (store, tell) = (Arc::clone(store), tell.clone());
        let probe = move || {
            for root in roots {
                let Err(error) = store.probe(&root) else {
                    continue;
                };
                // Where it took too long nobody waits any more.
                if let Err(SendError(late)) = tell.send(Unsound { root, error }) {
                    late.tell();
                }
            }
        };
        if let Err(error) = thread::Builder::new().name("probe".into()).spawn(probe) {
            log::warn!(error:% = error; "cannot probe the roots");
        }
    }
    drop(tell);
    let deadline = Instant::now() + PATIENCE;
    let mut found = Vec::new();
    loop {
        match told.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(unsound) => found.push(unsound),
            Err(RecvTimeoutError::Disconnected) => return found,
            Err(RecvTimeoutError::Timeout) => {
                log::error!(seconds = PATIENCE.as_secs(); "a disk does not answer: mail for Maildirs on it will be deferred");
                return found;
            }
        }
    }
}

/// Removes what interrupted deliveries left in `tmp/`, now and every day; unless the clock was set
/// meanwhile, since it would not tell then how old a file is.
pub(super) async fn sweep(roots: Vec<Arc<Path>>, age: Duration) {
    let mut before = Moment::now();
    loop {
        let now = Moment::now();
        if now.was_set_since(&before) {
            log::warn!("the clock was set by more than an hour: tmp is not swept this time");
        } else {
            for root in &roots {
                let root = Arc::clone(root);
                smol::unblock(move || sweep_one(&root, age)).await;
            }
        }
        before = now;
        // Not all at once where several servers were started together.
        let some = RandomState::new().hash_one(()) % JITTER.as_secs();
        Timer::after(SWEEP_EVERY + Duration::from_secs(some)).await;
    }
}

/// One moment on two clocks.
struct Moment {
    /// The one that tells the age of files, and can be set.
    wall: SystemTime,
    /// The one that cannot, since the machine was started.
    boot: Duration,
}

impl Moment {
    fn now() -> Self {
        let boot = clock_gettime(ClockId::Boottime);
        Self {
            wall: SystemTime::now(),
            boot: boot.try_into().unwrap_or_default(),
        }
    }

    /// Whether the one clock went on by much more or less than the other.
    fn was_set_since(&self, before: &Self) -> bool {
        let expected = before.wall + self.boot.saturating_sub(before.boot);
        let off = self.wall.duration_since(expected);
        off.unwrap_or_else(|error| error.duration()) > JUMP
    }
}

fn sweep_one(root: &Path, age: Duration) {
    match maildir::sweep(root, age, SystemTime::now()) {
        Ok(swept) if swept.files > 0 => {
            log::info!(root:% = root.display(), files = swept.files, octets = swept.octets; "swept old files out of tmp");
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            log::warn!(root:% = root.display(), error:% = error; "cannot sweep");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_noticed() {
        let before = Moment::now();
        let after = |boot: u64, wall: i64| {
            let minutes = |count: u64| Duration::from_mins(count);
            let set = if wall < 0 {
                before.wall - minutes(wall.unsigned_abs())
            } else {
                before.wall + minutes(wall.unsigned_abs())
            };
            let now = Moment {
                wall: set,
                boot: before.boot + minutes(boot),
            };
            now.was_set_since(&before)
        };
        for (boot, wall) in [(0, 0), (1440, 1440), (1440, 1499), (1440, 1381)] {
            assert!(!after(boot, wall), "{boot} {wall}");
        }
        for (boot, wall) in [(1440, 1501), (1440, 1379), (1440, 0), (0, -61)] {
            assert!(after(boot, wall), "{boot} {wall}");
        }
        assert!(!Moment::now().was_set_since(&before));
    }
}
