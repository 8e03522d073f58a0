//! Users own their Maildirs and may plant what they like there.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::io::Errno;

use super::super::file::create_unique;
use super::Nest;

/// A Maildir, and beside the root another one that nothing may ever get into.
fn nest_with_elsewhere() -> (Nest, tempfile::TempDir) {
    let elsewhere = tempfile::tempdir().unwrap();
    for folder in ["tmp", "new", "cur"] {
        fs::create_dir(elsewhere.path().join(folder)).unwrap();
    }
    let nest = Nest::new();
    nest.deliver(&nest.at("host/other"), "x").unwrap();
    (nest, elsewhere)
}

/// Delivery, look-up and sub-folder must all fail, and not by taking the Maildir for missing.
fn assert_refused(nest: &Nest, elsewhere: &tempfile::TempDir, what: &str) {
    let location = nest.at("host/jane");
    let error = nest.deliver(&location, "x").unwrap_err();
    let expected = [Errno::LOOP, Errno::XDEV, Errno::NOTDIR];
    let errno = Errno::from_io_error(&error);
    assert!(
        errno.is_some_and(|errno| expected.contains(&errno)),
        "{what}: {error}"
    );
    for folder in ["tmp", "new", "cur"] {
        assert_eq!(
            super::list(&elsewhere.path().join(folder)),
            [""; 0],
            "{what}"
        );
    }
}

#[test]
fn a_maildir_that_is_a_link_is_refused() {
    let (nest, elsewhere) = nest_with_elsewhere();
    symlink(elsewhere.path(), nest.path("host/jane")).unwrap();
    assert_refused(&nest, &elsewhere, "absolute");
    assert!(nest.store.exists(&nest.at("host/jane")).is_err());
    fs::remove_file(nest.path("host/jane")).unwrap();
    symlink("other", nest.path("host/jane")).unwrap();
    assert_refused(&nest, &elsewhere, "to another user");
    assert_eq!(nest.counts("host/other"), (1, 0));
    assert!(nest.store.exists(&nest.at("host/jane")).is_err());
}

#[test]
fn a_folder_on_the_way_that_is_a_link_is_refused() {
    let (nest, elsewhere) = nest_with_elsewhere();
    fs::create_dir_all(elsewhere.path().join("jane")).unwrap();
    fs::rename(nest.path("host"), nest.path("gone")).unwrap();
    symlink(elsewhere.path(), nest.path("host")).unwrap();
    assert_refused(&nest, &elsewhere, "host");
    assert_eq!(super::list(&elsewhere.path().join("jane")), [""; 0]);
}

#[test]
fn parts_that_are_no_folders_are_refused() {
    for part in ["tmp", "new", "cur"] {
        for planted in ["link", "dangling", "loop", "fifo", "file"] {
            let (nest, elsewhere) = nest_with_elsewhere();
            nest.deliver(&nest.at("host/jane"), "x").unwrap();
            fs::remove_dir_all(nest.path("host/jane")).unwrap();
            let at = nest.path("host/jane").join(part);
            for other in ["tmp", "new", "cur"].iter().filter(|other| **other != part) {
                fs::create_dir_all(nest.path("host/jane").join(other)).unwrap();
            }
            match planted {
                "link" => symlink(elsewhere.path().join(part), &at).unwrap(),
                "dangling" => symlink("/nowhere/at/all", &at).unwrap(),
                "loop" => symlink(part, &at).unwrap(),
                "fifo" => make_fifo(&at),
                _ => fs::write(&at, "").unwrap(),
            }
            assert_refused(&nest, &elsewhere, &format!("{part} {planted}"));
        }
    }
}

#[test]
fn a_subfolder_that_is_a_link_is_refused() {
    let (nest, elsewhere) = nest_with_elsewhere();
    let mut location = nest.at("host/other");
    location.folder = Some("lists".to_string());
    symlink(elsewhere.path(), nest.path("host/other/.lists")).unwrap();
    assert!(nest.store.exists(&location).is_err());
    assert!(nest.deliver(&location, "x").is_err());
    assert_eq!(super::list(&elsewhere.path().join("new")), [""; 0]);
}

#[test]
fn planted_files_are_neither_followed_nor_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("target");
    let at = |name: &str| folder.path().join(name);
    make_fifo(&at("fifo"));
    symlink(&target, at("link")).unwrap();
    fs::create_dir(at("directory")).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    let tmp = super::super::handle::open_root(folder.path(), super::super::handle::READ).unwrap();
    let create = |names: &[&str]| {
        let mut names = names.iter().map(ToString::to_string);
        create_unique(&tmp, 0o600, move || names.next().unwrap())
    };
    let (name, _) = create(&["fifo", "link", "free"]).unwrap();
    assert_eq!(name, "free");
    let error = create(&["directory", "socket", "free"]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert!(!target.exists());
}

#[test]
fn planted_names_in_new_are_left_alone() {
    let nest = Nest::new();
    let location = nest.at("jane");
    nest.deliver(&location, "x").unwrap();
    for planted in ["fifo", "link", "directory"] {
        let mut staged = vec![nest.stage(&location, "x").unwrap()];
        let at = nest.path("jane/new").join(staged[0].name());
        match planted {
            "fifo" => make_fifo(&at),
            "link" => symlink(nest.path("target"), &at).unwrap(),
            _ => fs::create_dir(&at).unwrap(),
        }
        let before = fs::symlink_metadata(&at).unwrap().file_type();
        nest.store.commit(&mut staged).unwrap();
        assert_eq!(
            fs::symlink_metadata(&at).unwrap().file_type(),
            before,
            "{planted}"
        );
    }
    assert!(!nest.path("target").exists());
    assert_eq!(nest.counts("jane"), (7, 0));
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let nest = Nest::new();
    for bad in ["..", ".", "", "a/b", "a\0b"] {
        let mut location = nest.at("jane");
        location.components.push(bad.to_string());
        for error in [
            nest.stage(&location, "x").unwrap_err(),
            nest.store.exists(&location).unwrap_err(),
        ] {
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{bad:?}");
        }
    }
    assert_eq!(nest.list(""), [""; 0]);
}

fn make_fifo(at: &std::path::Path) {
    mknodat(CWD, at, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}
