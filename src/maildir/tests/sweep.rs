//! Old files in `tmp/`, and nothing else, are removed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, FlockOperation, Timespec, Timestamps, flock, utimensat};

use super::super::{Swept, sweep};
use super::Nest;

const HOUR: Duration = Duration::from_hours(1);
const AGE: Duration = Duration::from_hours(36);

/// Sets the time of last access and of last modification, in hours from now; that of the last
/// change is now.
fn touch(path: &Path, accessed: u64, modified: u64) {
    let time = |hours: u64| Timespec {
        tv_sec: since_1970(SystemTime::now() + HOUR * u32::try_from(hours).unwrap()),
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time(accessed),
        last_modification: time(modified),
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn since_1970(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// No test can set the time of last change back, so the sweep comes from the future.
fn sweep_in(nest: &Nest, hours: u32) -> Swept {
    sweep(nest.root.path(), AGE, SystemTime::now() + HOUR * hours).unwrap()
}

#[test]
fn files_go_by_the_latest_of_their_times() {
    let nest = Nest::new();
    nest.deliver(&nest.at("host/jane"), "x").unwrap();
    for (name, accessed, modified) in [("old", 0, 0), ("read", 30, 0), ("written", 0, 30)] {
        let path = nest.path("host/jane/tmp").join(name);
        fs::write(&path, "12345").unwrap();
        touch(&path, accessed, modified);
    }
    assert_eq!(sweep_in(&nest, 35), Swept::default());
    let swept = sweep_in(&nest, 38);
    assert_eq!(
        swept,
        Swept {
            files: 1,
            octets: 5,
            skipped: 0
        }
    );
    assert_eq!(nest.list("host/jane/tmp"), ["read", "written"]);
    assert_eq!(sweep_in(&nest, 68).files, 2);
    assert_eq!(nest.counts("host/jane"), (1, 0));
}

#[test]
fn only_the_tmp_of_a_maildir_is_swept() {
    let nest = Nest::new();
    let mut folder = nest.at("a/b/c/jane");
    folder.folder = Some("lists".to_string());
    nest.deliver(&folder, "x").unwrap();
    for path in [
        "a/b/c/jane/tmp/old",
        "a/b/c/jane/.lists/tmp/old",
        "a/b/c/jane/cur/mail",
        "a/b/c/jane/new/mail",
        "a/b/c/jane/tmp/directory/file",
        "a/tmp/file",
        "a/tmp/new/file",
        "half/tmp/file",
        "half/new/file",
        "1/2/3/4/5/6/7/8/9/tmp/file",
        "1/2/3/4/5/6/7/8/9/new/file",
        "1/2/3/4/5/6/7/8/9/cur/file",
    ] {
        fs::create_dir_all(nest.path(path).parent().unwrap()).unwrap();
        fs::write(nest.path(path), "x").unwrap();
    }
    let swept = sweep_in(&nest, 1000);
    assert_eq!((swept.files, swept.skipped), (2, 0));
    assert_eq!(nest.list("a/b/c/jane/tmp"), ["directory"]);
    assert_eq!(nest.list("a/b/c/jane/.lists/tmp"), [""; 0]);
    assert_eq!(nest.list("a/b/c/jane/tmp/directory"), ["file"]);
    assert!(nest.path("a/tmp/file").exists() && nest.path("half/tmp/file").exists());
    assert!(nest.path("1/2/3/4/5/6/7/8/9/tmp/file").exists());
    assert_eq!(
        (nest.list("a/b/c/jane/new"), nest.list("a/b/c/jane/cur")),
        (vec!["mail".to_string()], vec!["mail".to_string()])
    );
}

#[test]
fn links_are_not_followed() {
    let elsewhere = Nest::new();
    elsewhere.deliver(&elsewhere.at("a"), "x").unwrap();
    let file = elsewhere.path("a/tmp/file");
    fs::write(&file, "x").unwrap();
    let nest = Nest::new();
    nest.deliver(&nest.at("jane"), "x").unwrap();
    symlink(elsewhere.path("a"), nest.path("link")).unwrap();
    symlink(&file, nest.path("jane/tmp/link")).unwrap();
    for part in ["new", "cur"] {
        fs::create_dir_all(nest.path("linked").join(part)).unwrap();
    }
    symlink(elsewhere.path("a/tmp"), nest.path("linked/tmp")).unwrap();
    assert_eq!(sweep_in(&nest, 1000), Swept::default());
    assert_eq!(nest.list("jane/tmp"), ["link"]);
    assert!(file.exists());
}

#[test]
fn a_missing_root_is_an_error_and_an_early_clock_is_not() {
    let nest = Nest::new();
    assert!(sweep(&nest.path("missing"), AGE, SystemTime::now()).is_err());
    let swept = sweep(nest.root.path(), AGE, SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(swept, Swept::default());
}

#[test]
fn unreadable_folders_are_counted() {
    use std::os::unix::fs::PermissionsExt;
    if super::is_root() {
        return;
    }
    let nest = Nest::new();
    fs::create_dir(nest.path("locked")).unwrap();
    fs::set_permissions(nest.path("locked"), fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(sweep_in(&nest, 1000).skipped, 1);
}

#[test]
fn one_process_sweeps_at_a_time() {
    let nest = Nest::new();
    nest.deliver(&nest.at("jane"), "x").unwrap();
    fs::write(nest.path("jane/tmp/old"), "12345").unwrap();
    let other = fs::File::open(nest.root.path()).unwrap();
    flock(&other, FlockOperation::LockExclusive).unwrap();
    assert_eq!(sweep_in(&nest, 40), Swept::default());
    drop(other);
    assert_eq!(sweep_in(&nest, 40).files, 1);
    let after = fs::File::open(nest.root.path()).unwrap();
    flock(&after, FlockOperation::NonBlockingLockExclusive).expect("it was given back");
}
