//! The file of a Unix socket (unix(7)): who may connect, and who may take its place.

use std::fs::{self, File, Metadata, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{getegid, geteuid};
use socket2::{Domain, SockAddr, Socket, Type};

use super::listener::BACKLOG;

/// How long another server of ours may take to open its socket in the same folder. Anybody who can
/// read the folder can hold its lock, so nothing may depend on it.
const PATIENCE: Duration = Duration::from_secs(1);
const GLANCE: Duration = Duration::from_millis(10);

/// Who may connect to a Unix socket: whoever may write to its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    /// The permissions of the file.
    pub mode: u32,
    /// Its group, as a number; none leaves it as the folder or the process has it.
    pub group: Option<u32>,
}

/// A file that was made here. It is removed with this, unless another has come in its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

/// Another mode and group for a socket that listens. What was before comes back when this is
/// dropped, unless it is kept.
#[derive(Debug)]
pub(super) struct AccessChange {
    path: PathBuf,
    before: Option<Access>,
}

impl AccessChange {
    pub(super) fn make(path: &Path, access: Access) -> io::Result<Self> {
        let file = fs::symlink_metadata(path)?;
        // A group that stays need not be given, which might not be allowed.
        let group = access.group.filter(|group| *group != file.gid());
        let before = Access {
            mode: file.mode() & 0o7777,
            group: group.map(|_| file.gid()),
        };
        let access = Access { group, ..access };
        let change = Self {
            path: path.to_owned(),
            before: Some(before),
        };
        access.give(path)?;
        Ok(change)
    }

    pub(super) fn keep(mut self) {
        self.before = None;
    }
}

impl Drop for AccessChange {
    fn drop(&mut self) {
        let restored = self.before.map(|before| before.give(&self.path));
        if let Some(Err(error)) = restored {
            log::error!(socket:% = self.path.display(), error:% = error; "cannot take back who may connect");
        }
    }
}

impl Access {
    /// A mode, and the group that comes by itself.
    pub const fn with_mode(mode: u32) -> Self {
        Self { mode, group: None }
    }

    /// The same in the place of `before`: a group that was given is taken back.
    pub(super) fn after(self, before: Self) -> Self {
        let own = || getegid().as_raw();
        let group = self.group.or_else(|| before.group.map(|_| own()));
        Self { group, ..self }
    }

    fn give(self, path: &Path) -> io::Result<()> {
        if let Some(group) = self.group {
            chown(path, None, Some(group)).map_err(|error| not_given(group, &error))?;
        }
        fs::set_permissions(path, Permissions::from_mode(self.mode))
    }
}

/// Listens at `path`. A file that a server has left which was killed is replaced.
///
/// # Errors
///
/// `AlreadyExists` for a file that is no socket, or a socket of another user that nobody listens
/// on; `AddrInUse` where somebody listens; whatever the system says.
pub(super) fn listen(path: &Path, access: Access) -> io::Result<(UnixListener, SocketFile)> {
    // Held until the socket listens: before that, it looks like one that was left behind.
    let _lock = path.parent().and_then(lock);
    make_way(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: identity(&fs::symlink_metadata(path)?),
    };
    // Nobody can connect before it listens, so group and mode are right from the first moment.
    access.give(path)?;
    socket.listen(BACKLOG)?;
    Ok((socket.into(), file))
}

/// The lock of a folder, as far as it can be had.
fn lock(folder: &Path) -> Option<File> {
    let folder = File::open(folder).ok()?;
    let began = Instant::now();
    while let Err(TryLockError::WouldBlock) = folder.try_lock() {
        if began.elapsed() > PATIENCE {
            return None;
        }
        thread::sleep(GLANCE);
    }
    Some(folder)
}

/// Removes a socket of ours that nobody listens on any more.
fn make_way(path: &Path) -> io::Result<()> {
    let Ok(file) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    let refuse = |message: String| Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    if !file.file_type().is_socket() {
        return refuse("there is a file that is no socket".to_owned());
    }
    if !is_dead(path)? {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    if file.uid() != geteuid().as_raw() {
        return refuse(format!(
            "there is a socket that nobody listens on, but of another user, uid {}",
            file.uid()
        ));
    }
    fs::remove_file(path)
}

/// Whether nobody listens there. A server whose queue is full is not waited for: it lives.
fn is_dead(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let answer = socket.connect(&SockAddr::unix(path)?);
    Ok(answer.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
}

fn not_given(group: u32, error: &io::Error) -> io::Error {
    let message = format!(
        "the socket cannot be given to group {group} ({error}): be root, or a member of it"
    );
    io::Error::other(message)
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

impl SocketFile {
    pub(super) fn is_in_place(&self) -> bool {
        let file = fs::symlink_metadata(&self.path);
        file.is_ok_and(|file| identity(&file) == self.identity)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_in_place() {
            let _ = fs::remove_file(&self.path);
        }
    }
}
