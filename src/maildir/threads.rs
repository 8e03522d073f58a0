//! Doing many slow things at once: the kernel merges the syncs that are in flight together, so
//! several threads take far less time for them than one.

use std::io;
use std::sync::Mutex;
use std::thread;

use crate::locks::lock;

/// Things that one thread does before another is asked to help.
const PER_THREAD: usize = 4;
/// Threads, at most.
const THREADS: usize = 32;

/// Does `work` with all `things`, and says for each of them how it went.
pub(super) fn in_threads<T: Send>(
    things: Vec<T>,
    work: impl Fn(T) -> io::Result<()> + Sync,
) -> Vec<io::Result<()>> {
    let helpers = (things.len() / PER_THREAD).min(THREADS);
    if helpers <= 1 {
        return things.into_iter().map(work).collect();
    }
    let outcomes = things
        .iter()
        .map(|_| Err(io::Error::other("a thread panicked")))
        .collect();
    let outcomes: Mutex<Vec<io::Result<()>>> = Mutex::new(outcomes);
    let things = Mutex::new(things.into_iter().enumerate());
    let next = || lock(&things).next();
    let help = || {
        while let Some((number, thing)) = next() {
            let outcome = work(thing);
            lock(&outcomes)[number] = outcome;
        }
    };
    thread::scope(|scope| {
        // With fewer threads than that it takes longer.
        let threads: Vec<_> = (1..helpers)
            .filter_map(|_| thread::Builder::new().spawn_scoped(scope, help).ok())
            .collect();
        help();
        for thread in threads {
            let _ = thread.join();
        }
    });
    outcomes.into_inner().unwrap_or_default()
}
