//! Doing many slow things at once: the kernel merges the syncs that are in flight together, so
//! several threads take far less time for them than one.

use std::io;
use std::thread;

/// Things that one thread does before another is asked to help.
const PER_THREAD: usize = 4;
/// Threads, at most.
const THREADS: usize = 16;

/// Does `work` for all `things`, and says for each of them how it went.
pub(super) fn in_threads<T: Sync>(
    things: &[T],
    work: impl Fn(&T) -> io::Result<()> + Sync,
) -> Vec<io::Result<()>> {
    let all = |things: &[T]| things.iter().map(&work).collect::<Vec<_>>();
    if things.len() <= PER_THREAD {
        return all(things);
    }
    let share = things.len().div_ceil(THREADS).max(PER_THREAD);
    thread::scope(|scope| {
        let shares: Vec<_> = things
            .chunks(share)
            .map(|things| {
                let thread = thread::Builder::new().spawn_scoped(scope, || all(things));
                (things, thread)
            })
            .collect();
        let results = shares
            .into_iter()
            .flat_map(|(things, thread)| match thread {
                // Without a thread it takes longer.
                Err(_) => all(things),
                Ok(thread) => thread.join().unwrap_or_else(|_| {
                    let panicked = || Err(io::Error::other("a thread panicked"));
                    things.iter().map(|_| panicked()).collect()
                }),
            });
        results.collect()
    })
}
