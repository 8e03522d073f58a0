//! File systems in files, mounted for one proof.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tempfile::TempDir;

use crate::program::{attempt, insist, run};

/// A kind of file system.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What it is called in reports.
    pub name: &'static str,
    /// The type for `mkfs` and `mount`.
    pub system: &'static str,
    /// Arguments for `mkfs`.
    pub make: &'static [&'static str],
    /// Options for `mount`.
    pub options: &'static str,
    /// Octets of the image; a file with holes.
    pub size: u64,
}

/// `FS_IOC_SHUTDOWN`, which ext4 and xfs know.
const SHUTDOWN: libc::Ioctl = 0x8004_587d;
/// Without a last write of the journal.
static NO_LOG_FLUSH: u32 = 2;

/// ext4 as it is made without any options.
pub const EXT4: Kind = Kind {
    name: "ext4",
    system: "ext4",
    make: &["-q"],
    options: "defaults",
    size: 600 << 20,
};
/// ext4 with fast commits.
pub const EXT4_FAST_COMMIT: Kind = Kind {
    name: "ext4 with fast_commit",
    make: &["-q", "-O", "fast_commit"],
    ..EXT4
};
/// xfs as it is made without any options.
pub const XFS: Kind = Kind {
    name: "xfs",
    system: "xfs",
    ..EXT4
};
/// btrfs as it is made without any options.
pub const BTRFS: Kind = Kind {
    name: "btrfs",
    system: "btrfs",
    ..EXT4
};

/// A file system on a loop device. All of it goes when this is dropped, in the order of the fields.
pub struct Volume {
    mount: Option<Mount>,
    kind: Kind,
    image: PathBuf,
    point: TempDir,
    folder: Option<TempDir>,
}

/// Held while file systems are mounted: there are few loop devices, and one cut at a time is
/// enough.
///
/// The thread that calls it, and all that it starts, get mounts of their own: no one else can hold
/// them, and they go with this process however it ends.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    #[expect(unsafe_code, reason = "no crate in use here wraps unshare(2)")]
    // SAFETY: it takes a number, and changes nothing but how paths are found from now on.
    let outcome = unsafe { libc::unshare(libc::CLONE_NEWNS) };
    assert_eq!(outcome, 0, "{}", std::io::Error::last_os_error());
    run("mount", &["--make-rprivate", "/"]);
    guard
}

impl Volume {
    /// A new, mounted file system, its image in memory where there is a file system for that: what
    /// is cut off counts, not how fast it was.
    pub fn new(kind: Kind) -> Self {
        let folder = scratch();
        let mut volume = Self::within(kind, folder.path());
        volume.folder = Some(folder);
        volume
    }

    /// The same, with its image in `folder`.
    pub fn within(kind: Kind, folder: &Path) -> Self {
        let image = folder.join("image");
        let file = File::create(&image).expect("an image");
        file.set_len(kind.size).expect("its size");
        let mut volume = Self {
            mount: None,
            kind,
            point: scratch(),
            image,
            folder: None,
        };
        let path = volume.image.display().to_string();
        let arguments = [kind.make, &[path.as_str()]].concat();
        run(&format!("mkfs.{}", kind.system), &arguments);
        file.sync_all().expect("the image is written");
        volume.mount();
        volume
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.point.path()
    }

    /// Attaches the image and mounts what is in it, which plays the journal back.
    pub fn mount(&mut self) {
        self.mount = Some(attach(self.kind, &self.image, self.path()));
    }

    /// Where the Maildirs are, for a receiver.
    pub fn root(&self) -> PathBuf {
        self.path().join("mail")
    }

    /// Unmounts and lets the image go.
    pub fn unmount(&mut self) {
        self.mount = None;
    }

    /// From now on nothing more reaches the image, as if the power were cut: neither data nor the
    /// part of the journal that is still in memory.
    pub fn cut(&self) {
        let folder = File::open(self.path()).expect("the mount point");
        #[expect(unsafe_code, reason = "no crate wraps FS_IOC_SHUTDOWN")]
        // SAFETY: it takes an open descriptor and reads one number.
        let outcome = unsafe { libc::ioctl(folder.as_raw_fd(), SHUTDOWN, &raw const NO_LOG_FLUSH) };
        assert_eq!(outcome, 0, "{}", std::io::Error::last_os_error());
    }
}

/// How long a file system is frozen at most: whoever forgets it hangs until then.
const FROST: Duration = Duration::from_secs(90);

/// A file system that takes nothing more and lets everyone wait, as a disk that does not answer.
/// It thaws when this is dropped, and by itself when that takes too long.
pub struct Frozen {
    thaw: Option<Sender<()>>,
    watchdog: Option<JoinHandle<bool>>,
}

impl Volume {
    /// Freezes it. Everything that may wait for it is to be dropped after what this returns.
    pub fn freeze(&self) -> Frozen {
        let path = self.path().display().to_string();
        let (thaw, asked) = channel::<()>();
        let point = path.clone();
        let watchdog = thread::spawn(move || {
            let late = asked.recv_timeout(FROST) == Err(RecvTimeoutError::Timeout);
            run("fsfreeze", &["--unfreeze", &point]);
            !late
        });
        let frozen = Frozen {
            thaw: Some(thaw),
            watchdog: Some(watchdog),
        };
        run("fsfreeze", &["--freeze", &path]);
        frozen
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.thaw = None;
        let thawed = self.watchdog.take().map(JoinHandle::join);
        assert!(
            matches!(thawed, Some(Ok(true))) || thread::panicking(),
            "it was frozen for too long"
        );
    }
}

/// A folder in memory, if there is a file system for that.
fn scratch() -> TempDir {
    let shared = Path::new("/dev/shm");
    let folder = if shared.is_dir() {
        TempDir::with_prefix_in("maiasaura-", shared)
    } else {
        TempDir::with_prefix("maiasaura-")
    };
    folder.expect("a temporary folder")
}

/// Attaches an image to a loop device, mounts it, and lets the device go as soon as it is not
/// mounted any more.
fn attach(kind: Kind, image: &Path, point: &Path) -> Mount {
    let image = image.display().to_string();
    let find = || attempt("losetup", &["--find", "--show", &image]);
    let device = insist(find).unwrap_or_else(|fault| panic!("{fault}"));
    let device = device.trim();
    let mount = Mount::try_new(kind, device, point);
    run("losetup", &["--detach", device]);
    mount.unwrap_or_else(|fault| panic!("{fault}"))
}

/// A mounted file system.
pub struct Mount(PathBuf);

impl Mount {
    /// Mounts `device` at `point`.
    pub fn new(kind: Kind, device: &str, point: &Path) -> Self {
        Self::try_new(kind, device, point).unwrap_or_else(|fault| panic!("{fault}"))
    }

    fn try_new(kind: Kind, device: &str, point: &Path) -> Result<Self, String> {
        let at = point.display().to_string();
        let arguments = ["-t", kind.system, "-o", kind.options, device, &at];
        attempt("mount", &arguments)?;
        Ok(Self(point.to_path_buf()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let at = self.0.display().to_string();
        let outcome = insist(|| attempt("umount", &[&at]));
        if outcome.is_err() {
            // Better late than never: it goes when whoever holds it goes.
            let _ = attempt("umount", &["--lazy", &at]);
        }
        finish(outcome);
    }
}

/// A proof must not leave anything behind; one that has failed already says why itself.
fn finish(outcome: Result<String, String>) {
    if let Err(fault) = outcome
        && !thread::panicking()
    {
        panic!("{fault}");
    }
}

/// Removes a folder and all in it.
pub fn remove(folder: &Path) {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            panic!("{}: {error}", folder.display());
        }
        _ => {}
    }
}
