//! The files that the server writes beside mail: its logs and its pid.

use std::io;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

use super::check::hint;
use super::say;
use crate::config::{Config, File};
use crate::daemon::{PidFile, PidFileError};

/// How many of them could not be written.
pub(super) fn faults(config: &Config) -> u32 {
    let own = config.listeners.iter();
    let own = own.filter_map(|listener| listener.log.file.as_ref());
    let mut tried: Vec<&File> = Vec::new();
    let mut faults = 0;
    for file in [&config.log.file].into_iter().chain(own) {
        if !tried.contains(&file) {
            faults += u32::from(!log_can_be_written(file));
            tried.push(file);
        }
    }
    let pid_file = config.pid_file.as_deref();
    faults + u32::from(!pid_file.is_none_or(pid_can_be_written))
}

/// Whether the file of a log can be opened, or made, without doing so.
fn log_can_be_written(file: &File) -> bool {
    let File::Path(path) = file else {
        return true;
    };
    let shown = path.display();
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let (place, access) = if path.exists() {
        (path.as_path(), Access::WRITE_OK)
    } else {
        (folder, Access::WRITE_OK | Access::EXEC_OK)
    };
    let outcome = match accessat(CWD, place, access, AtFlags::EACCESS) {
        Ok(()) if path.is_dir() => Err(Errno::ISDIR),
        outcome => outcome,
    };
    match outcome.map_err(io::Error::from) {
        Ok(()) => {
            say(&format!("ok    log {shown}"));
            true
        }
        Err(error) => {
            let hint = hint(&error, place);
            say(&format!("FAULT log {shown}: {error}{hint}"));
            false
        }
    }
}

fn pid_can_be_written(path: &Path) -> bool {
    match PidFile::probe(path) {
        Ok(()) => say(&format!("ok    pid file {}", path.display())),
        Err(error @ PidFileError::Taken { .. }) => say(&format!("warn  pid file: {error}")),
        Err(error) => {
            say(&format!("FAULT pid file: {error}"));
            return false;
        }
    }
    true
}
