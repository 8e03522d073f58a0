//! What was written into a bundle and is not promised yet.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};

use super::{Bundle, Bundles, Packed, form};
use crate::maildir::flush::{Flush, write_back};
use crate::maildir::handle::sync_folder;

/// What was written into a bundle, which is locked meanwhile. Dropped, it is given up.
#[derive(Debug)]
pub(in crate::maildir) struct Written {
    pub(super) bundles: Arc<Bundles>,
    /// None when all is done.
    pub(super) bundle: Option<Bundle>,
    /// Where it begins.
    pub(super) from: u64,
    /// The number of the first message.
    pub(super) first: u32,
    /// What becomes of each.
    pub(super) marks: Vec<u8>,
    pub(super) flush: Option<Flush>,
}

impl Written {
    /// Lets the device begin with it, where that can be done without waiting.
    pub(in crate::maildir) fn begin(&self) -> io::Result<()> {
        match (self.flush, &self.bundle) {
            (Some(flush), Some(bundle)) => flush.begin_part(&*bundle.file, self.part(bundle)),
            _ => Ok(()),
        }
    }

    /// Makes it as durable as it has to be before a folder of the same disk is synced.
    pub(in crate::maildir) fn finish(&self) -> io::Result<()> {
        match (self.flush, &self.bundle) {
            (Some(Flush::WriteBack), Some(bundle)) => write_back(&*bundle.file, self.part(bundle)),
            _ => self.sync(),
        }
    }

    /// Makes it durable whatever is done next, if it is to be.
    pub(in crate::maildir) fn sync(&self) -> io::Result<()> {
        if let (Some(_), Some(bundle)) = (self.flush, &self.bundle) {
            sync_folder(&*bundle.file)?;
            // Not everywhere does the sync of a file take its name along.
            if self.from == 0 && self.flush != Some(Flush::WriteBack) {
                sync_folder(File::open(&self.bundles.folder)?)?;
            }
        }
        Ok(())
    }

    /// A message in it will not be shown.
    pub(in crate::maildir) fn strike(&mut self, message: &Packed) {
        if let Some(spot) = message.spot.as_ref().filter(|_| self.has(message))
            && let Ok(index) = usize::try_from(spot.number - self.first)
            && let Some(mark) = self.marks.get_mut(index)
        {
            *mark = form::VOID;
        }
    }

    /// Lets what was written be taken from now on.
    pub(in crate::maildir) fn show(&self) -> io::Result<()> {
        match &self.bundle {
            Some(bundle) => bundle
                .file
                .write_all_at(&self.marks, form::mark(self.first)),
            None => Ok(()),
        }
    }

    /// Lets others write into its bundle.
    pub(in crate::maildir) fn close(mut self) {
        if let Some(bundle) = self.bundle.take()
            && flock(&*bundle.file, FlockOperation::Unlock).is_ok()
        {
            self.bundles.put_back(bundle);
        }
    }

    /// Whether a message is in it.
    pub(in crate::maildir) fn has(&self, message: &Packed) -> bool {
        let spot = message.spot.as_ref().zip(self.bundle.as_ref());
        spot.is_some_and(|(spot, bundle)| {
            Arc::ptr_eq(&spot.file, &bundle.file) && spot.number >= self.first
        })
    }

    fn part(&self, bundle: &Bundle) -> (u64, u64) {
        (self.from, bundle.end.saturating_sub(self.from))
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if let Some(bundle) = self.bundle.take() {
            // Nobody is to take what was not promised; should this fail somebody may.
            let marks = vec![form::VOID; self.marks.len()];
            let _ = bundle.file.write_all_at(&marks, form::mark(self.first));
            // Its messages hold the file open, and with it the lock.
            let _ = flock(&*bundle.file, FlockOperation::Unlock);
        }
    }
}
