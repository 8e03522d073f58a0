//! One at a time about one thing, and no one waits for another thing.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Condvar, Mutex};

use crate::locks::{lock, woken};

/// Gates, one for each key, of which there may be any number: who hangs behind one of them, on a
/// disk that does not answer, holds up nobody who comes with another key.
#[derive(Debug)]
pub(super) struct Gates<K> {
    busy: Mutex<HashSet<K>>,
    freed: Condvar,
}

/// The right to be the only one with this key, as long as it is kept.
pub(super) struct Pass<'a, K: Eq + Hash> {
    gates: &'a Gates<K>,
    key: K,
}

impl<K> Default for Gates<K> {
    fn default() -> Self {
        Self {
            busy: Mutex::default(),
            freed: Condvar::new(),
        }
    }
}

impl<K: Eq + Hash + Clone> Gates<K> {
    /// Waits until no one else has this key.
    pub(super) fn pass(&self, key: K) -> Pass<'_, K> {
        let taken = |busy: &mut HashSet<K>| busy.contains(&key);
        let mut busy = woken(self.freed.wait_while(lock(&self.busy), taken));
        busy.insert(key.clone());
        drop(busy);
        Pass { gates: self, key }
    }
}

impl<K: Eq + Hash> Drop for Pass<'_, K> {
    fn drop(&mut self) {
        lock(&self.gates.busy).remove(&self.key);
        self.gates.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::thread;

    #[test]
    fn one_at_a_time_and_others_pass() {
        let gates = Gates::default();
        let first = gates.pass(1);
        let others: Vec<_> = (2..1000).map(|key| gates.pass(key)).collect();
        let (tell, told) = channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                let _second = gates.pass(1);
                tell.send("second").unwrap();
            });
            drop(others);
            tell.send("first").unwrap();
            drop(first);
        });
        let order: Vec<_> = told.try_iter().collect();
        assert_eq!(order, ["first", "second"]);
    }
}
