//! What one delivery writes into Maildirs, whichever processor writes it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{Commit, Pending, Staged};
use crate::disks::Disks;
use crate::failure::Failure;
use crate::locks::lock;
use crate::maildir::{self, Store};

/// Files that are staged in one store and share one fate: the first processor whose turn it is
/// commits them all, so that they cost the syncs of one commit, and any abort takes all back.
#[derive(Clone, Debug, Default)]
pub struct Files(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    staged: Vec<maildir::Staged>,
    /// Below which roots they are.
    roots: Vec<Arc<Path>>,
}

impl Files {
    /// Adds a file below `root` that is written and not visible yet.
    pub fn add(&self, root: &Arc<Path>, file: maildir::Staged) {
        let mut held = lock(&self.0);
        held.staged.push(file);
        if !held.roots.contains(root) {
            held.roots.push(Arc::clone(root));
        }
    }

    /// What the processor that added some of them returns. `disks` hears of a commit that fails.
    pub fn until_committed(&self, store: &Arc<Store>, disks: &Arc<Disks>) -> Staged {
        Staged::Until(Box::new(Together {
            store: Arc::clone(store),
            disks: Arc::clone(disks),
            files: self.clone(),
        }))
    }
}

/// The commit of all files of a delivery. Done twice it does nothing.
struct Together {
    store: Arc<Store>,
    disks: Arc<Disks>,
    files: Files,
}

impl Commit for Together {
    fn commit(&mut self) -> Pending<'_, Result<(), Failure>> {
        Box::pin(async move {
            let mut held = lock(&self.files.0);
            self.store.commit(&mut held.staged).map_err(|error| {
                self.disks.failed(&held.roots, &error);
                Failure::from(error)
            })
        })
    }

    fn abort(&mut self) -> Pending<'_, ()> {
        Box::pin(async move {
            for mut file in lock(&self.files.0).staged.drain(..) {
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
        lock(&self.files.0).staged.clear();
    }
}
