//! Files without a name, on the disk where mail goes.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use rustix::io::{Errno, retry_on_intr};

use super::maildirs::Maildirs;
use super::{Location, Names};

/// Creates one in the root, whose disk is the one that has to take the mail as well. Who may not write there, but into
/// a Maildir that is there, gets it in that one's `tmp/`.
pub(super) fn create(
    location: &Location,
    maildirs: &Maildirs,
    names: &Names,
) -> io::Result<OwnedFd> {
    location.check()?;
    let in_root = maildirs
        .root(&location.root, true)
        .and_then(|root| create_in(&root, names));
    match in_root {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            create_in(&maildirs.get(location)?.tmp, names)
        }
        outcome => outcome,
    }
}

fn create_in(folder: &OwnedFd, names: &Names) -> io::Result<OwnedFd> {
    let mode = Mode::from_raw_mode(0o600);
    let flags = OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
    match retry_on_intr(|| openat(folder, ".", flags | OFlags::TMPFILE, mode)) {
        // File systems that cannot do it, and kernels that do not know it.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS) => {
            create_and_unlink(folder, names)
        }
        outcome => Ok(outcome?),
    }
}

/// No host and no user has a name with a leading dot, so this one is in nobody's way for the moment.
fn create_and_unlink(folder: &OwnedFd, names: &Names) -> io::Result<OwnedFd> {
    let name = format!(".{}", names.next(0, 0));
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = retry_on_intr(|| openat(folder, name.as_str(), flags, Mode::from_raw_mode(0o600)))?;
    unlinkat(folder, name.as_str(), AtFlags::empty())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, Permissions};
    use std::io::{Read as _, Seek as _, Write as _};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use rustix::fs::fstat;

    use super::*;
    use crate::maildir::handle::{READ, open_root};
    use crate::maildir::tests::{Nest, is_root};

    #[test]
    fn it_has_no_name_and_is_on_the_disk_of_the_root() {
        let nest = Nest::new();
        let root = open_root(&nest.path(""), READ).unwrap();
        let names = Names::new("host");
        for create in [create_in, create_and_unlink] {
            let mut file = File::from(create(&root, &names).unwrap());
            file.write_all(b"octets").unwrap();
            file.rewind().unwrap();
            let mut read = String::new();
            file.read_to_string(&mut read).unwrap();
            assert_eq!(read, "octets");
            let status = file.metadata().unwrap();
            assert_eq!((status.nlink(), status.mode() & 0o777), (0, 0o600));
            assert_eq!(status.dev(), fstat(&root).unwrap().st_dev);
            assert_eq!(nest.list(""), Vec::<String>::new());
        }
    }

    /// Whoever may write everywhere cannot see this.
    #[test]
    fn who_may_not_write_into_the_root_gets_it_in_the_maildir() {
        if is_root() {
            return;
        }
        let nest = Nest::new();
        let location = nest.at("user");
        nest.deliver(&location, "x").unwrap();
        let root = nest.path("");
        fs::set_permissions(&root, Permissions::from_mode(0o500)).unwrap();
        let outcome = nest.store.unnamed(&location);
        fs::set_permissions(&root, Permissions::from_mode(0o700)).unwrap();
        outcome.unwrap();
    }

    #[test]
    fn a_root_that_is_missing_is_made_as_for_a_message() {
        let nest = Nest::new();
        let mut location = nest.at("host/user");
        location.root = nest.path("deep/root").into();
        nest.store.unnamed(&location).unwrap();
        assert_eq!(nest.list("deep/root"), Vec::<String>::new());
        assert_eq!(nest.list("deep"), ["root"]);
    }
}
