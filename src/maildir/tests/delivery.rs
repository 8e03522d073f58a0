//! Stage, commit, abort, revoke.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::thread;

use super::super::{Durability, Message, Owner, Settings};
use super::{Nest, is_root};

#[test]
fn staged_is_invisible_and_committed_is_whole() {
    let nest = Nest::new();
    let location = nest.at("example.org/jane");
    let message = Message {
        parts: &[b"Received: x\n", b"", b"\0\xff\r\nbody\n"],
        stream: None,
        crlf_size: 23,
    };
    let mut staged = vec![nest.store.stage(&location, &message).unwrap()];
    assert_eq!(nest.counts("example.org/jane"), (0, 1));
    nest.store.commit(&mut staged).unwrap();
    assert_eq!(nest.counts("example.org/jane"), (1, 0));
    let name = staged[0].name().to_string();
    assert!(name.ends_with(",S=21,W=23"), "{name}");
    drop(staged);
    let file = nest.path("example.org/jane/new").join(name);
    assert_eq!(fs::read(&file).unwrap(), b"Received: x\n\0\xff\r\nbody\n");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn dropping_aborts() {
    let nest = Nest::new();
    drop(nest.stage(&nest.at("jane"), "x").unwrap());
    assert_eq!(nest.counts("jane"), (0, 0));
}

#[test]
fn every_durability_delivers() {
    for durability in [Durability::Full, Durability::File, Durability::None] {
        let nest = Nest::with(Settings {
            durability,
            ..Settings::default()
        });
        nest.deliver(&nest.at("a/b"), "x").unwrap();
        assert_eq!(nest.counts("a/b"), (1, 0));
    }
}

#[test]
fn modes_are_kept_whatever_the_umask() {
    let nest = Nest::with(Settings {
        file_mode: 0o666,
        directory_mode: 0o777,
        ..Settings::default()
    });
    let name = nest.deliver(&nest.at("a"), "x").unwrap();
    let mode = |path: &str| fs::metadata(nest.path(path)).unwrap().mode() & 0o777;
    assert_eq!(mode(&format!("a/new/{name}")), 0o666);
    assert_eq!(
        [mode("a"), mode("a/tmp"), mode("a/new"), mode("a/cur")],
        [0o777; 4]
    );
}

#[test]
fn owners_are_set() {
    if !is_root() {
        return;
    }
    let nest = Nest::new();
    let mut location = nest.at("host/jane");
    location.owner = Some(Owner {
        uid: 4321,
        gid: 8765,
    });
    location.folder = Some("lists".to_string());
    let name = nest.deliver(&location, "x").unwrap();
    let owner = |path: &str| {
        let metadata = fs::metadata(nest.path(path)).unwrap();
        (metadata.uid(), metadata.gid())
    };
    for path in [
        "",
        "/new",
        "/.lists",
        "/.lists/cur",
        "/.lists/maildirfolder",
    ] {
        assert_eq!(owner(&format!("host/jane{path}")), (4321, 8765), "{path}");
    }
    assert_eq!(owner(&format!("host/jane/.lists/new/{name}")), (4321, 8765));
    assert_eq!(owner("host"), (0, 0));
    assert_eq!(
        fs::metadata(nest.path("host")).unwrap().mode() & 0o777,
        0o711
    );
    assert_eq!(
        fs::metadata(nest.path("host/jane")).unwrap().mode() & 0o777,
        0o700
    );
}

#[test]
fn one_failure_spoils_the_whole_commit() {
    for victim in 0..3 {
        let nest = Nest::new();
        let boxes = ["a", "b", "c"];
        let mut staged = Vec::from(boxes.map(|name| nest.stage(&nest.at(name), "x").unwrap()));
        fs::remove_dir(nest.path(boxes[victim]).join("new")).unwrap();
        // Another directory of that name is not the one that was opened.
        fs::create_dir(nest.path(boxes[victim]).join("new")).unwrap();
        let error = nest.store.commit(&mut staged).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(2));
        for name in boxes {
            assert_eq!(nest.counts(name), (0, 0), "{victim} {name}");
        }
        // What is gone cannot be committed.
        assert!(nest.store.commit(&mut staged).is_err());
        nest.deliver(&nest.at(boxes[victim]), "x").unwrap();
        assert_eq!(nest.counts(boxes[victim]), (1, 0));
    }
}

#[test]
fn one_file_can_have_many_names() {
    let nest = Nest::new();
    let first = nest.stage(&nest.at("a"), "same").unwrap();
    let link = |name| nest.store.stage_link(&nest.at(name), &first).unwrap();
    let others = ["b", "c"].map(|name| link(name).unwrap());
    let mut staged = vec![first];
    staged.extend(others);
    nest.store.commit(&mut staged).unwrap();
    let inode = |name: &str| {
        let file = nest.path(&format!(
            "{name}/new/{}",
            nest.list(&format!("{name}/new"))[0]
        ));
        assert_eq!(fs::read(&file).unwrap(), b"same");
        fs::metadata(&file).unwrap().ino()
    };
    assert_eq!(inode("a"), inode("b"));
    assert_eq!(inode("a"), inode("c"));
    assert!(
        ["a", "b", "c"]
            .iter()
            .all(|name| nest.counts(name) == (1, 0))
    );
    // What is visible already is not linked to: its owner may have changed it.
    assert!(
        nest.store
            .stage_link(&nest.at("d"), &staged[0])
            .unwrap()
            .is_none()
    );
}

#[test]
fn two_owners_do_not_share_a_file() {
    if !is_root() {
        return;
    }
    let nest = Nest::new();
    let staged = nest.stage(&nest.at("a"), "x").unwrap();
    let mut other = nest.at("b");
    other.owner = Some(Owner { uid: 4321, gid: 1 });
    assert!(nest.store.stage_link(&other, &staged).unwrap().is_none());
    assert!(!nest.path("b").exists());
}

#[test]
fn a_taken_name_is_not_replaced() {
    let nest = Nest::new();
    let mut staged = vec![nest.stage(&nest.at("a"), "mine").unwrap()];
    let taken = nest.path("a/new").join(staged[0].name());
    fs::write(&taken, "other").unwrap();
    nest.store.commit(&mut staged).unwrap();
    assert_eq!(fs::read(&taken).unwrap(), b"other");
    assert_eq!(
        fs::read(nest.path("a/new").join(staged[0].name())).unwrap(),
        b"mine"
    );
    assert_eq!(nest.counts("a"), (2, 0));
}

#[test]
fn many_recipients_at_once() {
    let nest = Nest::new();
    let mut staged: Vec<_> = (0..100)
        .map(|number| {
            nest.stage(&nest.at(&format!("box{}", number % 50)), "x")
                .unwrap()
        })
        .collect();
    nest.store.commit(&mut staged).unwrap();
    for number in 0..50 {
        assert_eq!(nest.counts(&format!("box{number}")), (2, 0));
    }
    nest.store.commit(&mut Vec::new()).unwrap();
}

#[test]
fn revoking_takes_a_message_back() {
    let nest = Nest::new();
    let mut staged = vec![nest.stage(&nest.at("a"), "x").unwrap()];
    nest.store.commit(&mut staged).unwrap();
    staged[0].revoke().unwrap();
    assert_eq!(nest.counts("a"), (0, 0));
    staged[0].revoke().unwrap();
    // A reader that was quicker is no error, and keeps what it has.
    let mut staged = vec![nest.stage(&nest.at("a"), "x").unwrap()];
    nest.store.commit(&mut staged).unwrap();
    let name = staged[0].name().to_string();
    fs::rename(
        nest.path("a/new").join(&name),
        nest.path("a/cur").join(name + ":2,S"),
    )
    .unwrap();
    staged[0].revoke().unwrap();
    assert_eq!(nest.list("a/cur").len(), 1);
}

#[test]
fn sixty_four_threads_deliver_all() {
    let nest = Nest::with(Settings {
        durability: Durability::None,
        ..Settings::default()
    });
    thread::scope(|scope| {
        for thread in 0..64 {
            let nest = &nest;
            scope.spawn(move || {
                for number in 0..50 {
                    nest.deliver(&nest.at("a/b"), &format!("{thread} {number}"))
                        .unwrap();
                }
            });
        }
    });
    let mut texts: Vec<_> = nest
        .list("a/b/new")
        .iter()
        .map(|name| fs::read_to_string(nest.path("a/b/new").join(name)).unwrap())
        .collect();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 64 * 50);
    assert_eq!(nest.counts("a/b").1, 0);
}

#[test]
fn an_unwritable_tmp_is_an_error() {
    if is_root() {
        return;
    }
    let nest = Nest::new();
    nest.deliver(&nest.at("a"), "x").unwrap();
    fs::set_permissions(nest.path("a/tmp"), fs::Permissions::from_mode(0o500)).unwrap();
    assert_eq!(
        nest.stage(&nest.at("a"), "x").unwrap_err().raw_os_error(),
        Some(13)
    );
}
