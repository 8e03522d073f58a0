//! Files with a pid.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
    entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect()
}

#[test]
fn it_is_there_while_it_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pid");
    let held = PidFile::write(&path).unwrap();
    assert_eq!(text(&path), format!("{}\n", process::id()));
    assert_eq!(names(folder.path()), ["pid"]);
    let error = PidFile::write(&path).unwrap_err().to_string();
    let said = format!("with pid {}: stop it", process::id());
    assert!(error.contains(&said), "{error}");
    assert_eq!(names(folder.path()), ["pid"]);
    drop(held);
    assert!(!path.exists());
}

#[test]
fn what_is_nobodys_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pid");
    for left in ["", "1", "99999999\n", &format!("{}\n", process::id())] {
        fs::write(&path, left).unwrap();
        PidFile::probe(&path).unwrap();
        let _held = PidFile::write(&path).unwrap();
        assert_eq!(text(&path), format!("{}\n", process::id()), "{left:?}");
    }
}

#[test]
fn what_is_no_pid_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pid");
    for foreign in ["root:x:0:0\n", "-1", "1 2", "\0", &"1".repeat(100)] {
        fs::write(&path, foreign).unwrap();
        for outcome in [PidFile::write(&path).map(drop), PidFile::probe(&path)] {
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains("holds no pid: remove it"), "{error}");
        }
        assert_eq!(text(&path), foreign);
    }
    fs::remove_file(&path).unwrap();
    let target = folder.path().join("target");
    fs::write(&target, "1").unwrap();
    std::os::unix::fs::symlink(&target, &path).unwrap();
    let error = PidFile::write(&path).unwrap_err().to_string();
    assert!(error.contains("it is a link"), "{error}");
    assert_eq!(text(&target), "1");
    let error = PidFile::write(folder.path()).unwrap_err().to_string();
    assert!(error.contains("is a folder: name a file in it"), "{error}");
    let error = PidFile::write(&folder.path().join("no/pid")).unwrap_err();
    assert!(error.to_string().contains("mkdir -p "), "{error}");
}

#[test]
fn what_is_anothers_by_now_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pid");
    let held = PidFile::write(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let other = PidFile::write(&path).unwrap();
    drop(held);
    assert!(path.exists());
    drop(other);
    assert!(!path.exists());
}

/// Of many that start at once, with and without an old file, one has it at each moment.
/// In a folder of our own a file may be somebody else's.
#[test]
fn who_is_in_the_way_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pid");
    let said = || {
        let (path, error) = (path.clone(), ErrorKind::PermissionDenied.into());
        PidFileError::Io { path, error }.to_string()
    };
    assert!(said().contains("may not write into"), "{}", said());
    fs::write(&path, "1").unwrap();
    assert!(said().contains("this user may not read"), "{}", said());
}

#[test]
fn there_is_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pid");
    let holders = AtomicUsize::new(0);
    let taken = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..200 {
                    // Processes have a draft each; threads of this one stand for them.
                    match take_turn(&path) {
                        Ok(held) => {
                            assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                            taken.fetch_add(1, Ordering::SeqCst);
                            holders.fetch_sub(1, Ordering::SeqCst);
                            if round % 2 == 0 {
                                drop(held);
                            } else {
                                // As one that was killed.
                                let PidFile { file, .. } = &held;
                                file.unlock().unwrap();
                                std::mem::forget(held);
                            }
                        }
                        Err(PidFileError::Taken { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    assert!(taken.into_inner() > 0);
}

/// As [`PidFile::write`], with a draft for each thread.
fn take_turn(path: &Path) -> Result<PidFile, PidFileError> {
    let folder = tempfile::tempdir_in(path.parent().unwrap()).unwrap();
    let (draft, file) = draft(&folder.path().join("pid")).unwrap();
    take(path, &draft)?;
    Ok(PidFile {
        path: path.to_owned(),
        file,
    })
}
