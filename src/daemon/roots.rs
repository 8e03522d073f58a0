//! Looking after the roots: they are probed at start, and swept every day.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, SystemTime};

use smol::Timer;

use crate::disks::Disks;
use crate::maildir::{self, Store};

/// How long the start waits for disks to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the Maildirs are swept.
const SWEEP_EVERY: Duration = Duration::from_hours(24);

/// Says at start, and not only with the first message, that mail cannot be stored. A disk that does
/// not answer keeps nobody from the others.
pub(super) fn probe(store: &Arc<Store>, disks: &Disks) {
    let (done, all_done) = channel::<()>();
    for roots in disks.roots() {
        let (store, roots, done) = (Arc::clone(store), roots.to_vec(), done.clone());
        let probe = move || {
            for root in roots {
                if let Err(error) = store.probe(&root) {
                    log::error!(root:% = root.display(), error:% = error; "mail for Maildirs below this root will be deferred");
                }
            }
            drop(done);
        };
        if let Err(error) = thread::Builder::new().name("probe".into()).spawn(probe) {
            log::warn!(error:% = error; "cannot probe the roots");
        }
    }
    drop(done);
    // Nothing is ever sent: the last one closes the channel.
    if all_done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
        log::error!(seconds = PATIENCE.as_secs(); "a disk does not answer: mail for Maildirs on it will be deferred");
    }
}

/// Removes what interrupted deliveries left in `tmp/`, now and every day.
pub(super) async fn sweep(roots: Vec<Arc<Path>>, age: Duration) {
    loop {
        for root in &roots {
            let root = Arc::clone(root);
            smol::unblock(move || sweep_one(&root, age)).await;
        }
        Timer::after(SWEEP_EVERY).await;
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
