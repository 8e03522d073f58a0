//! What one delivery writes into Maildirs, whichever processor writes it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Commit, Pending, Staged};
use crate::failure::Failure;
use crate::maildir::{self, Store};

/// Files that are staged in one store and share one fate: the first processor whose turn it is
/// commits them all, so that they cost the syncs of one commit, and any abort takes all back.
#[derive(Clone, Debug, Default)]
pub struct Files(Arc<Mutex<Vec<maildir::Staged>>>);

impl Files {
    /// Adds a file that is written and not visible yet.
    pub fn add(&self, file: maildir::Staged) {
        self.lock().push(file);
    }

    /// What the processor that added some of them returns.
    pub fn until_committed(&self, store: &Arc<Store>) -> Staged {
        Staged::Until(Box::new(Together {
            store: Arc::clone(store),
            files: self.clone(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<maildir::Staged>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The commit of all files of a delivery. Done twice it does nothing.
struct Together {
    store: Arc<Store>,
    files: Files,
}

impl Commit for Together {
    fn commit(&mut self) -> Pending<'_, Result<(), Failure>> {
        Box::pin(async move {
            let mut files = self.files.lock();
            self.store.commit(&mut files).map_err(Failure::from)
        })
    }

    fn abort(&mut self) -> Pending<'_, ()> {
        Box::pin(async move {
            for mut file in self.files.lock().drain(..) {
                if let Err(error) = file.revoke() {
                    log::error!(file = file.name(), error:% = error; "could not take a copy back");
                }
            }
        })
    }
}

/// Whoever lets go of one part of a delivery lets go of all of it. What is committed stays.
impl Drop for Together {
    fn drop(&mut self) {
        self.files.lock().clear();
    }
}
