//! Each system call of a delivery fails, in each way that matters.
//!
//! The Maildir is open already and the connection is there, so that the first call of a name after
//! strace has come is the one of the delivery.

use std::path::PathBuf;

use crate::audit::look;
use crate::client::{Client, Reply};
use crate::letter::Letter;
use crate::program::{need_root, report};
use crate::server::{Plan, Server};
use crate::strace::{Strace, Trace};
use crate::volume::{EXT4, Kind, Volume, XFS, alone};

/// A thread that serves and one that waits, so that strace has little to hold; and the disk is given
/// up for no number of errors.
const FEW_THREADS: &str = "threads: 1\nlimits: {deliveries: 1, disk_errors: 0}";

/// The call that makes the content durable: what it is depends on the file system.
const SYNC: &str = "sync";
/// The call that makes the name durable.
const FOLDER: &str = "fsync";

const FULL: &str = "452 4.3.1";
const FAULT: &str = "451 4.3.0";
const UNAVAILABLE: &str = "451 4.2.0";
const TOO_BIG: &str = "552 5.3.4";
const TAKEN: &str = "250 2.0.0";

/// What fails, how, and what the client is told. `1` is the first call only, `1+` all of them.
const TABLE: &[(&str, &str, &str, &str)] = &[
    ("openat", "ENOSPC", "1+", FULL),
    ("openat", "EDQUOT", "1+", FULL),
    ("openat", "EMFILE", "1+", FULL),
    ("openat", "ENFILE", "1+", FULL),
    ("openat", "ENOMEM", "1+", FULL),
    ("openat", "EACCES", "1+", UNAVAILABLE),
    ("openat", "EIO", "1+", FAULT),
    ("openat", "EROFS", "1+", FAULT),
    ("writev", "ENOSPC", "1", FULL),
    ("writev", "EDQUOT", "1", FULL),
    ("writev", "EFBIG", "1", TOO_BIG),
    ("writev", "EIO", "1", FAULT),
    (SYNC, "EIO", "1", FAULT),
    (SYNC, "ENOSPC", "1", FULL),
    (SYNC, "EDQUOT", "1", FULL),
    (SYNC, "EROFS", "1", FAULT),
    ("close", "EIO", "1", FAULT),
    ("close", "ENOSPC", "1", FULL),
    ("close", "EDQUOT", "1", FULL),
    ("renameat2", "EXDEV", "1", UNAVAILABLE),
    ("renameat2", "EACCES", "1", UNAVAILABLE),
    ("renameat2", "EPERM", "1", UNAVAILABLE),
    ("renameat2", "ENOSPC", "1", FULL),
    ("renameat2", "EDQUOT", "1", FULL),
    ("renameat2", "EMLINK", "1", FAULT),
    ("renameat2", "EIO", "1", FAULT),
    ("renameat2", "ENOENT", "1", FAULT),
    ("renameat2", "EEXIST", "1+", FAULT),
    (FOLDER, "EIO", "1", FAULT),
    (FOLDER, "ENOSPC", "1", FULL),
    (FOLDER, "EDQUOT", "1", FULL),
    // What can be mended is: descriptors of the cache are given back, a call that a signal has
    // interrupted is made again, a name that is taken is exchanged, and where there is no such
    // rename there is a link.
    ("openat", "EMFILE", "1", TAKEN),
    ("openat", "EINTR", "1", TAKEN),
    ("openat", "EEXIST", "1", TAKEN),
    ("writev", "EINTR", "1", TAKEN),
    ("renameat2", "EEXIST", "1", TAKEN),
    ("renameat2", "EINVAL", "1+", TAKEN),
    ("renameat2", "ENOSYS", "1+", TAKEN),
];

/// What fails while a Maildir is made.
const MAKING: &[(&str, &str, &str)] = &[
    ("mkdirat", "ENOSPC", FULL),
    ("mkdirat", "EDQUOT", FULL),
    ("mkdirat", "EMLINK", FAULT),
    ("mkdirat", "EACCES", UNAVAILABLE),
    ("mkdirat", "EIO", FAULT),
    ("fsync", "EIO", FAULT),
    ("fsync", "ENOSPC", FULL),
];

/// A receiver with a connection, and a Maildir that is open.
struct Scene {
    client: Client,
    server: Server,
    volume: Volume,
    letters: u32,
}

impl Scene {
    fn new(kind: Kind, durability: &'static str) -> Self {
        let volume = Volume::new(kind);
        let server = Server::start(&Plan {
            keys: FEW_THREADS,
            ..Plan::new(&volume.root(), durability)
        });
        let mut scene = Self {
            client: server.client(),
            server,
            volume,
            letters: 0,
        };
        scene.must_deliver("bob");
        scene
    }

    fn root(&self) -> PathBuf {
        self.volume.root()
    }

    fn letter(&mut self) -> Letter {
        self.letters += 1;
        Letter::new(format!("letter-{}", self.letters))
    }

    /// A letter that nothing must happen to.
    fn must_deliver(&mut self, user: &str) {
        let letter = self.letter();
        let reply = self.client.send_to(&letter, user).expect("a reply");
        assert!(reply.is_ok(), "{reply:?}");
        assert!(
            look(&self.root()).has(user, &letter),
            "{letter:?} is not there"
        );
    }

    /// Sends a letter while a call fails. It must be there if it was taken, and must not have left
    /// anything if not; and the next letter arrives.
    fn fail(&mut self, call: &str, error: &str, when: &str, user: &str) -> (Reply, Trace) {
        let letter = self.letter();
        let fault = format!("{call}:error={error}:when={when}");
        let strace = Strace::attach(&self.server, &watched(call), &[&fault]);
        let reply = self.client.send_to(&letter, user);
        let trace = strace.detach();
        let reply = reply.unwrap_or_else(|lost| panic!("{fault}: {lost}\n{}", self.server.log()));
        let case = format!(
            "{fault}: {reply:?}\n{}\n{}",
            trace.lines.join("\n"),
            self.server.log()
        );
        assert!(
            trace.of(call).any(|line| line.contains("(INJECTED)")),
            "it did not fail: {case}"
        );
        let findings = look(&self.root());
        assert!(findings.broken.is_empty(), "{:?}\n{case}", findings.broken);
        assert_eq!(findings.has(user, &letter), reply.is_ok(), "{case}");
        assert_eq!(findings.unfinished, 0, "a file is left in tmp/: {case}");
        self.must_deliver(user);
        (reply, trace)
    }

    /// The call that makes a file durable here.
    fn sync(&mut self) -> &'static str {
        let strace = Strace::attach(&self.server, "fdatasync,sync_file_range", &[]);
        self.must_deliver("bob");
        let trace = strace.detach();
        let calls = ["fdatasync", "sync_file_range"];
        let made = calls.into_iter().find(|call| trace.most(call) > 0);
        made.unwrap_or_else(|| panic!("no file is synced: {:?}", trace.lines))
    }
}

/// Every sync is watched beside a call, so that one that is tried again is seen.
fn watched(call: &str) -> String {
    format!("{call},fsync,fdatasync,sync_file_range,syncfs")
}

/// Whether a line is a sync of a message, and not of a folder.
fn is_of_file(arguments: &str) -> bool {
    arguments
        .split('>')
        .next()
        .is_some_and(|path| path.contains("/tmp/") && path.contains(",S="))
}

#[test]
fn every_error_has_its_reply() {
    need_root();
    let _alone = alone();
    for (kind, durability) in [(EXT4, "full"), (XFS, "full"), (EXT4, "file")] {
        let mut scene = Scene::new(kind, durability);
        let sync = scene.sync();
        let mut cases = 0;
        for &(call, error, when, expected) in TABLE {
            if call == FOLDER && durability == "file" {
                continue;
            }
            let call = if call == SYNC { sync } else { call };
            let (reply, trace) = scene.fail(call, error, when, "bob");
            let case = format!("{durability}: {call} {error} {when}: {}", reply.0);
            assert!(reply.0.starts_with(expected), "{case}, not {expected}");
            if call == sync {
                let syncs = ["fsync", "fdatasync", "sync_file_range", "syncfs"];
                let tried = syncs.iter().flat_map(|call| trace.of(call));
                let tried = tried.filter(|line| is_of_file(line)).count();
                assert_eq!(tried, 1, "{case}: synced again\n{}", trace.lines.join("\n"));
            }
            cases += 1;
        }
        report(format_args!(
            "errors, {}, {durability} ({sync}): {cases} cases, each with its reply",
            kind.name
        ));
    }
}

#[test]
fn every_error_has_its_reply_while_a_maildir_is_made() {
    need_root();
    let _alone = alone();
    let mut scene = Scene::new(EXT4, "full");
    let mut cases = 0;
    for (number, (call, error, expected)) in MAKING.iter().enumerate() {
        for when in 1..=3 {
            let user = format!("new-{number}-{when}");
            let (reply, _) = scene.fail(call, error, &when.to_string(), &user);
            assert!(
                reply.0.starts_with(expected),
                "{call} {error} {when}: {reply:?}"
            );
            cases += 1;
        }
    }
    report(format_args!(
        "errors, new Maildirs: {cases} cases, each with its reply"
    ));
}
