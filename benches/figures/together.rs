//! Threads that share the work.

use std::thread;

/// Has so many threads do the same. Returns the waits of all, or what failed first.
pub fn together<E: Send>(
    threads: usize,
    work: impl Fn() -> Result<Vec<u32>, E> + Sync,
) -> Result<Vec<u32>, E> {
    let waits = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(&work)).collect();
        let waits = threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread does not panic"));
        waits.collect::<Result<Vec<_>, _>>()
    });
    Ok(waits?.concat())
}
