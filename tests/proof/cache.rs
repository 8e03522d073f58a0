//! The power is cut, and the disk loses what it has only in its cache.
//!
//! The image that mail is stored in lies on another file system, and that one is shut down: the
//! writes of the inner file system that were not followed by a flush are dirty pages of the outer
//! one, and gone with it, but for those that happened to be written back. So the outer file system
//! plays a disk with a volatile cache that keeps what was flushed, and any part of the rest. It is
//! ext4, which fails every sync after the shutdown; xfs does not, and a disk that answers after the
//! power was cut would be no model of any.

use std::fs;

use crate::power::{CYCLES, Rig, Tally, control, survives};
use crate::server::Plan;
use crate::volume::{BTRFS, EXT4, EXT4_FAST_COMMIT, Kind, Volume, XFS};

/// A file system on a disk with a cache. The inner one goes first.
struct Cached {
    kind: Kind,
    inner: Volume,
    disk: Volume,
}

impl Cached {
    fn new(kind: Kind) -> Self {
        let disk = Volume::new(Kind {
            size: 2 * kind.size,
            ..EXT4
        });
        let inner = Volume::within(kind, disk.path());
        let cached = Self { kind, inner, disk };
        cached.settle();
        cached
    }

    /// What was done until now shall not be at stake.
    fn settle(&self) {
        for folder in [self.inner.path(), self.disk.path()] {
            let folder = fs::File::open(folder).expect("a folder");
            rustix::fs::syncfs(folder).expect("it is synced");
        }
    }
}

impl Rig for Cached {
    fn name(&self) -> String {
        format!("{} on a disk with a cache", self.kind.name)
    }

    fn plan(&self, durability: &'static str) -> Plan {
        Plan::new(&self.inner.root(), durability)
    }

    fn cut(&self) {
        self.disk.cut();
    }

    fn recover(&mut self) {
        self.inner.unmount();
        self.disk.unmount();
        self.disk.mount();
        self.inner.mount();
    }
}

#[test]
fn mail_survives_the_loss_of_a_disk_cache_on_ext4() {
    survives(CYCLES, || Cached::new(EXT4));
}

#[test]
fn mail_survives_the_loss_of_a_disk_cache_on_ext4_with_fast_commit() {
    survives(CYCLES, || Cached::new(EXT4_FAST_COMMIT));
}

#[test]
fn mail_survives_the_loss_of_a_disk_cache_on_xfs() {
    survives(CYCLES, || Cached::new(XFS));
}

#[test]
fn mail_survives_the_loss_of_a_disk_cache_on_btrfs() {
    survives(CYCLES, || Cached::new(BTRFS));
}

/// Other ways to make and to mount ext4. What is right for most may be wrong for one. (Without a
/// journal nothing can be proved: after a power cut names lead to whatever has their inode then.)
const OTHERS: &[Kind] = &[
    Kind {
        name: "ext4 with data=journal",
        options: "data=journal",
        ..EXT4
    },
    Kind {
        name: "ext4 with data=writeback",
        options: "data=writeback",
        ..EXT4
    },
    Kind {
        name: "ext4 with nodelalloc",
        options: "nodelalloc",
        ..EXT4
    },
    Kind {
        name: "ext4 with dioread_lock",
        options: "dioread_lock",
        ..EXT4
    },
    Kind {
        name: "ext4 with data in inodes",
        make: &["-q", "-O", "inline_data", "-I", "1024"],
        ..EXT4
    },
    Kind {
        name: "ext4 with small blocks",
        make: &["-q", "-b", "1024"],
        ..EXT4
    },
];

#[test]
fn mail_survives_the_loss_of_a_disk_cache_on_other_kinds_of_ext4() {
    for kind in OTHERS {
        survives(4, || Cached::new(*kind));
    }
}

/// A file system that never flushes the disk loses mail, whatever the receiver does.
#[test]
fn control_without_barriers_mail_is_lost() {
    control("full", Tally::has_lost, || {
        Cached::new(Kind {
            name: "ext4 without barriers",
            options: "nobarrier",
            ..EXT4
        })
    });
}

/// Without the sync of the folder, names are lost here as well.
#[test]
fn control_without_folder_sync_mail_is_lost() {
    control("file", Tally::has_lost, || Cached::new(BTRFS));
}
