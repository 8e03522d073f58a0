//! Maildirs that are made, lost, made again, and kept open.

use std::fs;
use std::sync::Barrier;
use std::thread;

use super::super::{Location, Owner, Settings, Store};
use super::{Nest, list};

#[test]
fn existence_is_having_new() {
    let nest = Nest::new();
    let location = nest.at("host/jane");
    assert!(!nest.store.exists(&location).unwrap());
    fs::create_dir_all(nest.path("host/jane")).unwrap();
    assert!(!nest.store.exists(&location).unwrap());
    fs::create_dir(nest.path("host/jane/new")).unwrap();
    assert!(nest.store.exists(&location).unwrap());
    let folder = Location {
        folder: Some("lists".to_string()),
        ..location
    };
    assert!(!nest.store.exists(&folder).unwrap());
    nest.deliver(&folder, "x").unwrap();
    assert!(nest.store.exists(&folder).unwrap());
}

#[test]
fn a_missing_root_is_made_unless_it_is_required() {
    let nest = Nest::new();
    let mut location = nest.at("jane");
    location.root = nest.path("deep/er/root").into();
    let strict = Store::new(Settings {
        require_root: true,
        ..Settings::default()
    });
    let message = super::Message {
        parts: &[b"x"],
        stream: None,
        crlf_size: 1,
    };
    assert_eq!(
        strict.exists(&location).unwrap_err().raw_os_error(),
        Some(2)
    );
    assert_eq!(
        strict
            .stage(&location, &message)
            .unwrap_err()
            .raw_os_error(),
        Some(2)
    );
    assert!(!nest.path("deep").exists());
    assert!(!nest.store.exists(&location).unwrap());
    nest.deliver(&location, "x").unwrap();
    assert_eq!(nest.counts("deep/er/root/jane"), (1, 0));
}

#[test]
fn nothing_is_made_without_leave() {
    let nest = Nest::new();
    let mut location = nest.at("host/jane");
    location.create = false;
    assert_eq!(
        nest.stage(&location, "x").unwrap_err().raw_os_error(),
        Some(2)
    );
    assert_eq!(nest.list(""), [""; 0]);
    // But what a Maildir has lost is made again.
    fs::create_dir_all(nest.path("host/jane/new")).unwrap();
    nest.deliver(&location, "x").unwrap();
    assert_eq!(nest.list("host/jane"), ["cur", "new", "tmp"]);
}

#[test]
fn a_subfolder_is_marked() {
    let nest = Nest::new();
    let mut location = nest.at("jane");
    location.folder = Some("lists.rust".to_string());
    nest.deliver(&location, "x").unwrap();
    assert_eq!(nest.list("jane"), [".lists.rust", "cur", "new", "tmp"]);
    assert_eq!(
        nest.list("jane/.lists.rust"),
        ["cur", "maildirfolder", "new", "tmp"]
    );
    assert_eq!(nest.counts("jane"), (0, 0));
    assert_eq!(nest.counts("jane/.lists.rust"), (1, 0));
}

#[test]
fn a_removed_maildir_is_never_delivered_to() {
    let nest = Nest::new();
    let location = nest.at("host/jane");
    nest.deliver(&location, "x").unwrap();
    fs::remove_dir_all(nest.path("host")).unwrap();
    nest.deliver(&location, "y").unwrap();
    assert_eq!(nest.counts("host/jane"), (1, 0));

    let strict = Location {
        create: false,
        ..location
    };
    nest.deliver(&strict, "z").unwrap();
    let mut staged = vec![nest.stage(&strict, "too late").unwrap()];
    fs::remove_dir_all(nest.path("host")).unwrap();
    assert_eq!(
        nest.store.commit(&mut staged).unwrap_err().raw_os_error(),
        Some(2)
    );
    assert_eq!(
        nest.stage(&strict, "x").unwrap_err().raw_os_error(),
        Some(2)
    );
    assert!(!nest.path("host").exists());
}

/// As a crash leaves a Maildir that was not yet given to its owner.
#[test]
fn a_maildir_that_was_left_ours_gets_its_owner() {
    use std::os::unix::fs::{MetadataExt, chown};
    if !super::is_root() {
        return;
    }
    let owner = Owner {
        uid: 4242,
        gid: 4242,
    };
    let parts = ["jane", "jane/cur", "jane/tmp", "jane/new"];
    for left in 1..=parts.len() {
        for lost in [false, true] {
            let nest = Nest::new();
            nest.deliver(&nest.at("jane"), "x").unwrap();
            for part in &parts[..parts.len() - left] {
                chown(nest.path(part), Some(owner.uid), Some(owner.gid)).unwrap();
            }
            if lost {
                fs::remove_dir_all(nest.path("jane/new")).unwrap();
            }
            let location = Location {
                owner: Some(owner),
                ..nest.at("jane")
            };
            let store = Store::new(Settings::default());
            let message = super::Message {
                parts: &[b"y"],
                stream: None,
                crlf_size: 1,
            };
            store
                .commit(&mut vec![store.stage(&location, &message).unwrap()])
                .unwrap();
            for part in parts {
                let status = fs::metadata(nest.path(part)).unwrap();
                assert_eq!((status.uid(), status.gid()), (4242, 4242), "{part}");
            }
        }
    }
}

#[test]
fn lost_folders_are_made_again() {
    let nest = Nest::new();
    let location = nest.at("jane");
    for lost in ["tmp", "cur", "new"] {
        nest.deliver(&location, "x").unwrap();
        fs::remove_dir_all(nest.path("jane").join(lost)).unwrap();
        nest.deliver(&location, "y").unwrap();
    }
    // A lost cur/ is seen when the Maildir is opened, not at every message.
    assert_eq!(nest.list("jane"), ["cur", "new", "tmp"]);
    assert_eq!(nest.counts("jane"), (1, 0));
}

#[test]
fn two_may_make_the_same_maildir_at_once() {
    let nest = Nest::new();
    let other = Store::new(Settings::default());
    for round in 0..10 {
        let location = nest.at(&format!("host{round}/jane"));
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            for thread in 0..4 {
                let store = if thread < 2 { &nest.store } else { &other };
                let (location, barrier) = (&location, &barrier);
                scope.spawn(move || {
                    let message = super::Message {
                        parts: &[b"x"],
                        stream: None,
                        crlf_size: 1,
                    };
                    barrier.wait();
                    let mut staged = vec![store.stage(location, &message).unwrap()];
                    store.commit(&mut staged).unwrap();
                });
            }
        });
        assert_eq!(nest.counts(&format!("host{round}/jane")), (4, 0));
    }
}

#[test]
fn the_cache_is_bounded() {
    for capacity in [0, 4] {
        let nest = Nest::with(Settings {
            cached_maildirs: capacity,
            ..Settings::default()
        });
        for number in 0..40 {
            nest.deliver(&nest.at(&format!("box{number}")), "x")
                .unwrap();
        }
        // Other tests run in this process: count only what is open below this root.
        let root = nest.root.path().canonicalize().unwrap();
        let open = list("/proc/self/fd".as_ref())
            .iter()
            .filter_map(|fd| fs::read_link(format!("/proc/self/fd/{fd}")).ok())
            .filter(|path| path.starts_with(&root))
            .count();
        assert!(open <= 2 * capacity, "{open}");
        assert_eq!(open > 0, capacity > 0);
        for number in 0..40 {
            assert_eq!(nest.counts(&format!("box{number}")), (1, 0));
        }
    }
}
