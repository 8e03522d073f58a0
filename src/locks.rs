//! Locks that a panic elsewhere does not spoil: what they guard here is whole at every moment, so it
//! may be used after one, too.

use std::sync::{
    LockResult, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

/// Locks.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    woken(mutex.lock())
}

/// Locks, to read beside others.
pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    woken(lock.read())
}

/// Locks, to write.
pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    woken(lock.write())
}

/// What a wait for a lock, or for a `Condvar`, has brought.
pub(crate) fn woken<T>(waited: LockResult<T>) -> T {
    waited.unwrap_or_else(PoisonError::into_inner)
}
