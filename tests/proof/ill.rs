//! The syncs of a disk fail again and again.

use std::thread;
use std::time::{Duration, Instant};

use crate::audit::look;
use crate::letter::Letter;
use crate::program::{report, wait_for};
use crate::server::{Plan, Server};
use crate::strace::Strace;

/// After three errors the disk is given up; strace has few threads to hold.
const KEYS: &str = "threads: 1\nlimits: {deliveries: 1, disk_errors: 3}";
/// How long it is left alone before it is tried again.
const REST: Duration = Duration::from_secs(10);

/// After three errors nothing more is tried: mail is refused at once, and that is logged once. The
/// disk is tried again from time to time, and when it works, mail is taken as before.
#[test]
fn a_disk_that_fails_again_and_again_takes_no_mail_until_it_works() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(&Plan {
        keys: KEYS,
        ..Plan::new(root.path(), "full")
    });
    let mut letters = (0..).map(|number| Letter::new(format!("letter-{number}")));
    let mut send = || {
        let letter = letters.next().expect("there is no end of them");
        let reply = server.client().send_to(&letter, "bob").expect("a reply");
        assert_eq!(
            look(root.path()).has("bob", &letter),
            reply.is_ok(),
            "{reply:?}"
        );
        reply
    };
    assert!(send().is_ok());
    let strace = Strace::attach(&server, "fsync,renameat2", &["fsync:error=EIO"]);
    let begun = Instant::now();
    while begun.elapsed() < REST + Duration::from_secs(2) {
        let reply = send();
        assert!(reply.0.starts_with("451 4.3.0 "), "{reply:?}");
        thread::sleep(Duration::from_millis(100));
    }
    let trace = strace.detach();
    let mail = |line: &&str| line.contains("/bob/");
    let (renamed, synced) = (trace.of("renameat2"), trace.of("fsync"));
    assert_eq!(renamed.filter(mail).count(), 3, "{:#?}", trace.lines);
    let tried = synced.filter(|line| line.contains(".selftest-")).count();
    assert_eq!(tried, 1, "{:#?}", trace.lines);
    wait_for("mail is taken", || {
        thread::sleep(Duration::from_millis(100));
        send().is_ok()
    });
    for line in [
        "no mail for it is taken until it works",
        "the disk works again",
    ] {
        // The log is written by a thread of its own.
        wait_for(line, || server.log().contains(line));
        assert_eq!(server.log().matches(line).count(), 1, "{line}");
    }
    assert_eq!(look(root.path()).unfinished, 0);
    report("errors of a disk: after three it is left alone, tried, and used again");
}
