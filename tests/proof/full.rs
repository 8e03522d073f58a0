//! Disks, inodes, quotas and limits that are really used up.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use crate::audit::look;
use crate::client::{Client, Reply};
use crate::letter::Letter;
use crate::load::{Load, Receipt};
use crate::program::{need_root, report, run, wait_for};
use crate::server::{Plan, Server};
use crate::volume::{BTRFS, EXT4, Kind, Mount, Volume, alone};

/// What a client hears when there is no room.
const FULL: &str = "452 4.3.1";

/// A small disk, of which root may use all.
const SMALL: Kind = Kind {
    name: "a full disk",
    make: &["-q", "-m", "0"],
    size: 24 << 20,
    ..EXT4
};
const FEW_INODES: Kind = Kind {
    name: "no inodes",
    make: &["-q", "-m", "0", "-N", "300"],
    ..SMALL
};
const WITH_QUOTA: Kind = Kind {
    name: "a quota of the file system",
    ..BTRFS
};
const IN_MEMORY: Kind = Kind {
    name: "a full tmpfs",
    system: "tmpfs",
    options: "size=2m",
    ..EXT4
};

/// Mail comes in until nothing more goes in: what was taken is there, what was refused is not, and
/// mail flows again when there is room.
fn fill_up(name: &str, root: &Path, make_room: impl FnOnce()) {
    let mut server = Server::start(&Plan::new(root, "full"));
    let load = Load::start(&server, "load", 4);
    load.wait_for_refusals(40);
    let receipts = load.finish();
    let refused: Vec<&Receipt> = receipts.iter().filter(|it| !it.reply.is_ok()).collect();
    for receipt in &refused {
        assert!(
            receipt.reply.0.starts_with(FULL),
            "{name}: {receipt:?}\n{}",
            server.log()
        );
    }
    let findings = look(root);
    let unfinished = findings.unfinished;
    let verdict = findings.compare(&receipts, Instant::now());
    verdict.must_hold(name);
    assert_eq!(unfinished, 0, "{name}: files are left in tmp/");
    assert!(server.runs(), "{name}: {}", server.log());
    make_room();
    must_deliver(&mut server.client(), root, name);
    let promised = verdict.promised;
    report(format_args!(
        "{name}: {promised} copies promised and there, {} refused and not, then mail flows again",
        refused.len()
    ));
}

fn must_deliver(client: &mut Client, root: &Path, case: &str) {
    let letter = Letter::new("afterwards");
    let reply = client.send_to(&letter, "carol").expect("a reply");
    assert!(reply.is_ok(), "{case}: {reply:?}");
    assert!(look(root).has("carol", &letter), "{case}: it is not there");
}

/// Takes up some room beforehand that can be given back.
fn ballast(folder: &Path, megabytes: usize) {
    let mut file = fs::File::create(folder.join("ballast")).expect("a file");
    file.write_all(&vec![7; megabytes << 20])
        .expect("room for ballast");
    file.sync_all().expect("room for ballast");
}

#[test]
fn a_full_disk() {
    need_root();
    let _alone = alone();
    let volume = Volume::new(SMALL);
    ballast(volume.path(), 14);
    let file = volume.path().join("ballast");
    fill_up(SMALL.name, &volume.root(), || {
        fs::remove_file(file).expect("it goes");
    });
}

#[test]
fn a_full_tmpfs() {
    need_root();
    let _alone = alone();
    let point = tempfile::tempdir().expect("a mount point");
    let _mount = Mount::new(IN_MEMORY, "proof", point.path());
    ballast(point.path(), 1);
    let file = point.path().join("ballast");
    let root = point.path().join("mail");
    fill_up(IN_MEMORY.name, &root, || {
        fs::remove_file(file).expect("it goes");
    });
}

/// A large message waits on the disk where it has to go. Whether that is full by then or with the copy: there is no
/// room, nothing is left, and the session goes on.
#[test]
fn a_disk_too_small_for_a_large_message() {
    need_root();
    let _alone = alone();
    let point = tempfile::tempdir().expect("a mount point");
    let kind = Kind {
        options: "size=8m",
        ..IN_MEMORY
    };
    let _mount = Mount::new(kind, "proof", point.path());
    let root = point.path().join("mail");
    let server = Server::start(&Plan::new(&root, "full"));
    let mut client = server.client();
    must_deliver(&mut client, &root, "before");
    for megabytes in [6, 12] {
        let text = format!(
            "Subject: large\n\n{}",
            "a line of it\n".repeat(megabytes << 16)
        );
        let text = format!("{text}{}", "the rest\n".repeat(megabytes << 14));
        let replies = client.send_text(&text, &["bob".to_string()]);
        let replies = replies.expect("a reply");
        assert!(replies[0].0.starts_with(FULL), "{megabytes}: {replies:?}");
        let findings = look(&root);
        assert_eq!((findings.broken.len(), findings.unfinished), (0, 0));
        wait_for("there is room again", || {
            fs::write(point.path().join("room"), vec![7; 4 << 20]).is_ok()
        });
        fs::remove_file(point.path().join("room")).expect("it goes");
    }
    let letter = Letter::new("later");
    assert!(client.send_to(&letter, "carol").expect("a reply").is_ok());
    report(format_args!(
        "a disk too small for a large message: no room for it, room for the next"
    ));
}

#[test]
fn no_inodes() {
    need_root();
    let _alone = alone();
    let volume = Volume::new(FEW_INODES);
    let ballast = volume.path().join("ballast");
    fs::create_dir(&ballast).expect("a folder");
    for number in 0..50 {
        fs::write(ballast.join(number.to_string()), "").expect("an inode");
    }
    let root = volume.root();
    fill_up(FEW_INODES.name, &root, || {
        fs::remove_dir_all(ballast).expect("it goes");
    });
}

#[test]
fn a_quota_of_the_file_system() {
    need_root();
    let _alone = alone();
    let volume = Volume::new(WITH_QUOTA);
    let part = volume.path().join("part").display().to_string();
    run("btrfs", &["subvolume", "create", &part]);
    run("btrfs", &["quota", "enable", &part]);
    run("btrfs", &["qgroup", "limit", "4M", &part]);
    let root = Path::new(&part).join("mail");
    fill_up(WITH_QUOTA.name, &root, || {
        run("btrfs", &["qgroup", "limit", "none", &part]);
    });
}

/// A limit for files is that of one message, not of the process.
#[test]
fn a_limit_for_the_size_of_files() {
    let root = tempfile::tempdir().expect("a temporary folder");
    // Units of 512 octets.
    let mut server = Server::start(&Plan {
        through: &["sh", "-c", "ulimit -f 16 && exec \"$0\" \"$@\""],
        ..Plan::new(root.path(), "full")
    });
    let mut client = server.client();
    let (mut taken, mut refused) = (0, 0);
    for number in 0..60 {
        let letter = Letter::new(format!("letter-{number}"));
        let Reply(reply) = client.send_to(&letter, "bob").expect("a reply");
        let has_room = letter.text().len() < 7000;
        if letter.text().len() > 16 * 512 {
            assert!(reply.starts_with("552 5.3.4"), "{reply}");
            refused += 1;
        } else if has_room {
            assert!(reply.starts_with("250 "), "{reply}");
            taken += 1;
        }
        let findings = look(root.path());
        assert!(findings.broken.is_empty(), "{:?}", findings.broken);
        assert_eq!(
            findings.has("bob", &letter),
            reply.starts_with("250 "),
            "{reply}"
        );
        assert_eq!(findings.unfinished, 0);
    }
    assert!(
        server.runs() && taken > 0 && refused > 0,
        "{taken} {refused}"
    );
    must_deliver(&mut client, root.path(), "ulimit -f");
    report(format_args!(
        "ulimit -f: {taken} letters taken, {refused} refused as too big"
    ));
}

/// Descriptors that the cache of open Maildirs holds are given back when they are needed.
#[test]
fn few_descriptors() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::start(&Plan {
        through: &["sh", "-c", "ulimit -n 40 && exec \"$0\" \"$@\""],
        ..Plan::new(root.path(), "full")
    });
    let mut client = server.client();
    for number in 0..100 {
        let letter = Letter::new(format!("letter-{number}"));
        let user = format!("user{number}");
        let reply = client.send_to(&letter, &user).expect("a reply");
        assert!(reply.is_ok(), "{number}: {reply:?}\n{}", server.log());
        assert!(look(root.path()).has(&user, &letter), "{number}");
    }
    let open = fs::read_dir(format!("/proc/{}/fd", server.pid())).map_or(0, Iterator::count);
    wait_for("it runs", || server.runs());
    report(format_args!(
        "ulimit -n 40: mail for 100 Maildirs with {open} descriptors open"
    ));
}
