//! Where a spool is.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::maildir::Location;

/// The folder beside the Maildirs. No encoded name begins with a dot, so it is nobody's Maildir.
const BESIDE: &str = ".spool";

/// The folder of a spool. It is the operator's, and only ours to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    root: Arc<Path>,
    below: Option<&'static str>,
    require_root: bool,
}

impl Place {
    /// Beside the Maildirs below `root`: on the same file system, and in the same log if there is
    /// one. With `require_root` a root that is missing is an error rather than made.
    pub fn beside(root: &Arc<Path>, require_root: bool) -> Self {
        Self {
            root: Arc::clone(root),
            below: Some(BESIDE),
            require_root,
        }
    }

    /// In a folder of its own.
    pub fn at(path: &Path, require_root: bool) -> Self {
        Self {
            root: path.into(),
            below: None,
            require_root,
        }
    }

    /// The root that the store needs to know: that of the Maildirs, or the folder itself.
    pub fn root(&self) -> &Arc<Path> {
        &self.root
    }

    /// The folder.
    pub fn path(&self) -> PathBuf {
        self.below
            .map_or_else(|| self.root.to_path_buf(), |below| self.root.join(below))
    }

    /// The Maildir `name` in it.
    pub(super) fn location(&self, name: &str) -> Location {
        let components = self.below.into_iter().chain([name]);
        Location {
            root: Arc::clone(&self.root),
            components: components.map(str::to_owned).collect(),
            folder: None,
            owner: None,
            create: false,
            quota: None,
        }
    }

    /// Makes what is missing of the Maildir `name`, with `others` beside its three folders, and
    /// syncs what leads there. Nobody else may look into the spool, whatever the mode of Maildirs is.
    pub(super) fn make(&self, name: &str, others: &[&str]) -> io::Result<()> {
        if self.require_root && !self.root.is_dir() {
            let path = self.root.display();
            let message = format!("{path} is missing, and may not be made (maildir.require_root)");
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        // Maildirs below a root that is made by root may have other owners, who must get there.
        let is_shared = self.below.is_some() && rustix::process::geteuid().is_root();
        let passable = if is_shared { 0o711 } else { 0o700 };
        make(&self.root, passable)?;
        let top = self.path().join(name);
        for folder in [self.path(), top.clone()] {
            make(&folder, 0o700)?;
        }
        // A Maildir is there when its `new/` is.
        for part in others.iter().chain(&["tmp", "cur", "new"]) {
            make(&top.join(part), 0o700)?;
        }
        Ok(())
    }
}

/// Makes a folder with those above it, and syncs each name.
fn make(path: &Path, mode: u32) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Ok(()),
    };
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(parent, mode)?;
            let retried = DirBuilder::new().mode(mode).create(path);
            retried.or_else(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Ok(()),
                _ => Err(error),
            })?;
        }
        outcome => outcome?,
    }
    File::open(parent)?.sync_all()
}
