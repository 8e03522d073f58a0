//! Where the spool is, and whose it is.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{PathBuf, absolute};

use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
use rustix::process::geteuid;

use crate::cli::{Exit, Fault, Outcome};
use crate::spool::Place;

/// Looks whether there is a spool. Root becomes its owner for the rest of the process: what is put
/// into it from here on can be read by the server that runs as that user.
pub(super) fn enter(place: &Place) -> Outcome {
    let folder = match fs::metadata(place.path()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = format!(
                "there is no spool at {}: either no letter was ever queued, or the server has \
                 another configuration (-c FILE) or was started in another folder than this, \
                 where a relative maildir.path begins",
                path(place).display()
            );
            return Err(Fault::new(Exit::NoInput, message));
        }
        Err(error) => return Err(fault(place, &error)),
        Ok(folder) => folder,
    };
    if geteuid().is_root() && folder.uid() != 0 {
        become_owner(&folder).map_err(|error| fault(place, &error))?;
    }
    Ok(())
}

fn become_owner(folder: &Metadata) -> io::Result<()> {
    let group = Gid::from_raw(folder.gid());
    setgroups(&[group])?;
    setgid(group)?;
    setuid(Uid::from_raw(folder.uid()))?;
    Ok(())
}

/// What is wrong with the spool, and what mends it.
pub(super) fn fault(place: &Place, error: &io::Error) -> Fault {
    let shown = path(place);
    let own = geteuid().as_raw();
    // One above it may be all that can be seen.
    let mut folders = shown.ancestors();
    let owner = folders.find_map(|folder| Some(fs::metadata(folder).ok()?.uid()));
    let remedy = match (error.kind(), owner) {
        (io::ErrorKind::PermissionDenied, Some(owner)) if owner != own => format!(
            "; it belongs to uid {owner}, and this runs as uid {own}: run it as that user, such \
             as with sudo -u '#{owner}'"
        ),
        _ => String::new(),
    };
    let message = format!("the spool at {}: {error}{remedy}", shown.display());
    Fault::new(Exit::IoErr, message)
}

/// The folder, whatever this was started in.
fn path(place: &Place) -> PathBuf {
    absolute(place.path()).unwrap_or_else(|_| place.path())
}
