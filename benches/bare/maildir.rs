//! A Maildir as the bare loop fills it: one copy after the other, or all copies of a message in phases.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, RenameFlags, fdatasync, fsync, openat, renameat_with};

use crate::Durability;
use crate::pool::Pool;

/// The two folders of a Maildir that a delivery touches, held open.
pub struct Maildir {
    tmp: OwnedFd,
    new: Arc<OwnedFd>,
}

impl Maildir {
    /// Makes the Maildir at `path` if it is not there, and opens it.
    pub fn open(path: &Path) -> io::Result<Self> {
        for folder in ["tmp", "new", "cur"] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path.join(folder))?;
        }
        let open = |folder| File::open(path.join(folder)).map(OwnedFd::from);
        Ok(Self {
            tmp: open("tmp")?,
            new: Arc::new(open("new")?),
        })
    }

    /// Delivers one message under the unique name `name`.
    pub fn deliver(&self, name: &str, content: &[u8], durability: Durability) -> io::Result<()> {
        let file = self.write(name, content)?;
        if durability != Durability::None {
            fdatasync(&file)?;
        }
        drop(file);
        self.publish(name)?;
        if durability == Durability::Full {
            fsync(&self.new)?;
        }
        Ok(())
    }

    /// Creates the file in `tmp` and writes it.
    fn write(&self, name: &str, content: &[u8]) -> io::Result<File> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&self.tmp, name, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(content)?;
        Ok(file)
    }

    /// Gives the file its name in `new`, without replacing any.
    fn publish(&self, name: &str) -> io::Result<()> {
        renameat_with(&self.tmp, name, &self.new, name, RenameFlags::NOREPLACE).map_err(Into::into)
    }
}

/// Delivers one copy into each of `maildirs`: writes all, syncs all files, names all, syncs all folders. The syncs of
/// a phase run side by side, so that the file system can merge them.
pub fn deliver_phased(
    maildirs: &[&Maildir],
    name: &str,
    content: &[u8],
    durability: Durability,
    pool: &Pool,
) -> io::Result<()> {
    let files: Vec<_> = maildirs
        .iter()
        .map(|maildir| Ok(Arc::new(maildir.write(name, content)?.into())))
        .collect::<io::Result<_>>()?;
    if durability != Durability::None {
        pool.sync(files)?;
    }
    for maildir in maildirs {
        maildir.publish(name)?;
    }
    if durability == Durability::Full {
        pool.sync(maildirs.iter().map(|maildir| Arc::clone(&maildir.new)))?;
    }
    Ok(())
}
