//! File descriptors: how many this process may have, and how many it may need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one. Every connection and every open Maildir takes
/// descriptors; the usual soft limit of 1,024 is for programs that use select(2), as we do not.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        log::debug!(error:% = error; "the soft limit of file descriptors stays as it is");
    }
}

/// Warns in the log where there may be too few, in one line that says what mends it; `needed` is
/// what [`Running::descriptors`](super::Running::descriptors) says.
pub fn warn(needed: u64) {
    if let Some(available) = lack(getrlimit(Resource::Nofile).current, needed) {
        log::warn!(available = available, needed = needed; "few file descriptors for all that limits allow: {}", remedy(needed));
    }
}

/// How many this process could have and what to do, if that is too few.
pub fn too_few(needed: u64) -> Option<(u64, String)> {
    let available = lack(getrlimit(Resource::Nofile).maximum, needed)?;
    Some((available, remedy(needed)))
}

/// How many there are, if that is too few; none is no limit.
fn lack(available: Option<u64>, needed: u64) -> Option<u64> {
    available.filter(|available| *available < needed)
}

fn remedy(needed: u64) -> String {
    format!(
        "write LimitNOFILE={needed} into the unit of systemd, or ulimit -n {needed} before the start, \
         or lower limits.connections"
    )
}
