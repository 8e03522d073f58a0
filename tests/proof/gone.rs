//! Maildirs are removed, moved and replaced by links while mail arrives.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::audit::{list, look};
use crate::client::HOST;
use crate::letter::Letter;
use crate::load::{Load, Receipt};
use crate::program::report;
use crate::server::{Plan, Server};

/// How long Maildirs are pulled away under load.
const WHILE: Duration = Duration::from_secs(2);

/// Between two messages of a connection, and at every part of a Maildir.
#[test]
fn a_maildir_that_is_removed_is_made_again() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(&Plan::new(root.path(), "full"));
    let mut client = server.client();
    for (number, part) in ["", "new", "tmp", "cur", "../bob", ".."].iter().enumerate() {
        let before = Letter::new(format!("before-{number}"));
        let after = Letter::new(format!("after-{number}"));
        assert!(client.send_to(&before, "bob").expect("a reply").is_ok());
        fs::remove_dir_all(root.path().join(HOST).join("bob").join(part)).expect("it goes");
        let reply = client.send_to(&after, "bob").expect("a reply");
        assert!(
            reply.is_ok(),
            "without {part:?}: {reply:?}\n{}",
            server.log()
        );
        assert!(look(root.path()).has("bob", &after), "without {part:?}");
    }
}

/// What is behind a link gets no mail, and no other mail is held up.
#[test]
fn a_maildir_that_is_replaced_by_a_link_gets_no_mail() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let outside = tempfile::tempdir().expect("a temporary folder");
    for part in ["tmp", "new", "cur"] {
        fs::create_dir(outside.path().join(part)).expect("a folder");
    }
    let server = Server::start(&Plan::new(root.path(), "full"));
    let mut client = server.client();
    for (number, part) in ["", "new", "tmp", "cur"].iter().enumerate() {
        let user = format!("bob{number}");
        let letter = Letter::new(format!("letter-{number}"));
        assert!(client.send_to(&letter, &user).expect("a reply").is_ok());
        let link = root.path().join(HOST).join(&user).join(part);
        let link = if part.is_empty() {
            root.path().join(HOST).join(&user)
        } else {
            link
        };
        fs::remove_dir_all(&link).expect("it goes");
        symlink(outside.path().join(part), &link).expect("a link");
        let again = Letter::new(format!("again-{number}"));
        let reply = client.send_to(&again, &user).expect("a reply");
        // An open Maildir has no need of its cur/.
        let expected = if *part == "cur" { "250 " } else { "451 4.2.0" };
        assert!(
            reply.0.starts_with(expected),
            "{part:?}: {reply:?}\n{}",
            server.log()
        );
        for part in ["tmp", "new", "cur"] {
            assert_eq!(
                list(&outside.path().join(part)).len(),
                0,
                "{part}: mail went outside"
            );
        }
        assert!(client.send_to(&again, "carol").expect("a reply").is_ok());
    }
}

/// Moves every Maildir away, again and again, until it is told to stop.
fn pull_away(root: &Path, moved: &Path, stop: &AtomicBool) -> usize {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        for maildir in list(&root.join(HOST)) {
            let name = maildir.file_name().unwrap_or_default();
            let place = moved.join(count.to_string()).join(HOST);
            fs::create_dir_all(&place).expect("a folder");
            match fs::rename(&maildir, place.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => panic!("{error}"),
                _ => count += 1,
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
    count
}

/// A Maildir that is moved while mail arrives takes its mail with it: all that was promised is in
/// one place or the other.
#[test]
fn mail_for_maildirs_that_are_moved_is_not_lost() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (root, moved) = (folder.path().join("mail"), folder.path().join("moved"));
    let mut server = Server::start(&Plan::new(&root, "full"));
    let load = Load::start(&server, "load", 4);
    let stop = AtomicBool::new(false);
    let count = thread::scope(|scope| {
        let thief = scope.spawn(|| pull_away(&root, &moved, &stop));
        thread::sleep(WHILE);
        stop.store(true, Ordering::Relaxed);
        thief.join().expect("the thief finishes")
    });
    let receipts = load.finish();
    let mut findings = look(&root);
    for place in list(&moved) {
        let others = look(&place);
        findings.whole.extend(others.whole);
        findings.broken.extend(others.broken);
    }
    for receipt in &receipts {
        let Receipt { reply, .. } = receipt;
        assert!(reply.is_ok() || reply.0.starts_with("45"), "{receipt:?}");
    }
    let verdict = findings.compare(&receipts, Instant::now());
    verdict.must_hold("moved");
    assert!(server.runs());
    let promised = verdict.promised;
    report(format_args!(
        "{count} Maildirs moved away under load: {promised} copies promised, all there"
    ));
}

/// Maildirs that are removed with all that is in them, at any moment: mail is taken or put off, and
/// the receiver lives on.
#[test]
fn removing_maildirs_under_load_stops_nothing() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::start(&Plan::new(root.path(), "full"));
    let load = Load::start(&server, "load", 4);
    let begun = Instant::now();
    while begun.elapsed() < WHILE {
        for maildir in list(&root.path().join(HOST)) {
            // Mail that arrives meanwhile can be in the way.
            let _ = fs::remove_dir_all(maildir);
        }
        thread::sleep(Duration::from_millis(1));
    }
    let receipts = load.finish();
    let (taken, refused): (Vec<_>, Vec<_>) = receipts.iter().partition(|it| it.reply.is_ok());
    for receipt in &refused {
        assert!(receipt.reply.0.starts_with("451 4."), "{receipt:?}");
    }
    assert!(server.runs() && !taken.is_empty(), "{}", server.log());
    let letter = Letter::new("afterwards");
    assert!(
        server
            .client()
            .send_to(&letter, "bob")
            .expect("a reply")
            .is_ok()
    );
    let findings = look(root.path());
    assert!(
        findings.has("bob", &letter) && findings.broken.is_empty(),
        "{:?}",
        findings.broken
    );
    report(format_args!(
        "Maildirs removed under load: {} copies taken, {} put off, and the receiver lives on",
        taken.len(),
        refused.len()
    ));
}
