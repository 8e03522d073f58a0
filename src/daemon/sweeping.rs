//! Removing what interrupted deliveries have left.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use smol::Timer;

use crate::maildir;

/// How often the Maildirs are swept.
const EVERY: Duration = Duration::from_hours(24);

/// Removes what interrupted deliveries left in `tmp/`, now and every day.
pub(super) async fn every_day(roots: Vec<Arc<Path>>, age: Duration) {
    loop {
        for root in &roots {
            let root = Arc::clone(root);
            smol::unblock(move || sweep(&root, age)).await;
        }
        Timer::after(EVERY).await;
    }
}

fn sweep(root: &Path, age: Duration) {
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
