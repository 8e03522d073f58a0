//! Letters as files.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::maildir::bundle_of;

#[test]
fn a_letter_is_read_as_it_was_written() {
    for content in [
        MAIL,
        b"",
        b"\r\n",
        b"\r\nbody",
        b"\n",
        b"no header at all",
        b" folded: no\r\n",
        b": x\r\n",
        b"X-Queue-Letter: {}\r\n\r\n",
        b"bin\0ary\xff: \r\n",
    ] {
        let nest = Nest::new();
        let mut expected = slip("1");
        nest.queue
            .put(expected.clone(), &[content, b"", b"more"])
            .unwrap();
        let letter = nest.queue.letter(&nest.name()).unwrap();
        let whole = [content, b"more"].concat();
        expected.size = whole.len() as u64;
        assert_eq!(letter.slip, expected);
        assert_eq!(letter.content().unwrap(), whole);
        let mut piece = [0; 3];
        assert_eq!(
            letter.read_at(whole.len() as u64 - 2, &mut piece).unwrap(),
            2
        );
        assert_eq!(&piece[..2], b"re");
        assert_eq!(
            letter.read_at(whole.len() as u64 + 9, &mut piece).unwrap(),
            0
        );
    }
}

#[test]
fn a_census_counts_letters_and_knows_the_oldest() {
    let nest = Nest::new();
    assert_eq!(nest.queue.census().unwrap(), Census::default());
    nest.put("1");
    nest.put("2");
    let folder = nest.queue.letters_folder();
    fs::write(folder.join("1000.M1P1.old"), "").unwrap();
    // No letters of ours, whoever has put them there.
    for name in ["note", ".2.hidden", "x.y"] {
        fs::write(folder.join(name), "").unwrap();
    }
    let census = nest.queue.census().unwrap();
    assert_eq!((census.letters, census.oldest), (3, Some(1000)));
    fs::remove_file(folder.join("1000.M1P1.old")).unwrap();
    let oldest = nest.queue.census().unwrap().oldest;
    assert!(oldest.is_some_and(|oldest| oldest > 1_000_000));
}

/// A mail program sees the fields of the message, not part of ours.
#[test]
fn a_letter_is_mail() {
    let nest = Nest::new();
    nest.queue.put(slip("1"), &[b"a line\r\n"]).unwrap();
    let text = String::from_utf8(nest.text(&nest.name())).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("X-Queue-Letter: {\"version\":1,\"id\":\"1\","),
        "{head}"
    );
    assert_eq!((head.lines().count(), body), (1, "a line\r\n"));
}

#[test]
fn what_is_no_letter_is_told() {
    let nest = Nest::new();
    nest.put("1");
    let whole = nest.text(&nest.name());
    let newer = String::from_utf8(whole.clone()).unwrap();
    let newer = newer.replace("\"version\":1", "\"version\":2");
    let longer = [&whole[..], b"x\r\n\r\n"].concat();
    for (octets, said) in [
        (&b""[..], "no letter of ours"),
        (b"Subject: t\r\n\r\n", "no letter of ours"),
        (b"X-Queue-Letter: {\r\n", "EOF"),
        (b"X-Queue-Letter: {}\r\n", "missing field"),
        (&whole[..whole.len() - 1], "not as long"),
        (&longer, "not as long"),
        (newer.as_bytes(), "its version is 2, ours 1"),
    ] {
        fs::write(nest.queue.path("x"), octets).unwrap();
        let error = nest.queue.letter("x").unwrap_err();
        assert!(error.to_string().contains(said), "{said}: {error}");
    }
    let missing = nest.queue.letter("y").unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[test]
fn nobody_else_may_look_into_it() {
    let nest = Nest::new();
    nest.put("1");
    let reason = Reason {
        why: "x".into(),
        attempts: 1,
    };
    nest.dead.bury(&nest.queue, &nest.name(), &reason).unwrap();
    nest.put("2");
    nest.queue.note(&nest.name(), &State::default()).unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for folder in [
        "",
        "app",
        "app/new",
        "app/bundles",
        "app/state",
        "dead",
        "dead/new",
    ] {
        assert_eq!(mode(nest.path(folder)), 0o700, "{folder}");
    }
    assert_eq!(mode(nest.queue.path(&nest.name())), 0o600);
    assert_eq!(mode(nest.dead.files().unwrap().remove(0)), 0o600);
}

#[test]
fn a_dead_letter_tells_why_and_can_be_replayed() {
    // The last one is larger than what is read at once.
    let large = b"no header either\r\n".repeat(20_000);
    for content in [MAIL, b"no header", &large] {
        let nest = Nest::new();
        nest.queue.put(slip("1"), &[content]).unwrap();
        let name = nest.name();
        nest.queue.note(&name, &State::default()).unwrap();
        let reason = Reason {
            why: "550 no\r\nX-Evil: yes".into(),
            attempts: 7,
        };
        nest.dead.bury(&nest.queue, &name, &reason).unwrap();
        assert_eq!(nest.queue.letters().unwrap(), [""; 0]);
        assert_eq!(nest.queue.state(&name), None);
        let file = nest.dead.files().unwrap().remove(0);
        let text = fs::read_to_string(&file).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(
                "X-Queue-Reason: 550 no  X-Evil: yes\r\nX-Queue-Attempts: 7\r\nX-Queue-Time: "
            ),
            "{head}"
        );
        assert_eq!(head.contains("Subject: t"), content == MAIL);
        assert!(content.ends_with(body.as_bytes()));
        let said = DeadLetters::reason(&file).unwrap();
        assert_eq!(
            (said.why.as_str(), said.attempts),
            ("550 no  X-Evil: yes", 7)
        );
        // A mail program has seen it.
        let seen = nest.path("dead/cur").join("seen:2,S");
        fs::rename(&file, &seen).unwrap();
        nest.dead.replay(&seen).unwrap();
        assert!(nest.dead.files().unwrap().is_empty());
        let letter = nest.queue.letter(&nest.name()).unwrap();
        assert_eq!(letter.content().unwrap(), content);
        assert_eq!(letter.slip.key, "key of 1");
    }
}

#[test]
fn states_survive_and_orphans_do_not() {
    let nest = Nest::new();
    assert_eq!(nest.queue.scan().unwrap(), []);
    nest.put("1");
    let name = nest.name();
    assert_eq!(nest.queue.scan().unwrap(), [(name.clone(), None)]);
    let state = State {
        attempts: 3,
        next: 5,
        last: 4,
        error: "no \"luck\"\n".into(),
    };
    nest.queue.note(&name, &state).unwrap();
    nest.queue.note("nobody", &state).unwrap();
    fs::write(nest.path("app/state/orphan"), "{}").unwrap();
    assert_eq!(nest.queue.scan().unwrap(), [(name.clone(), Some(state))]);
    assert!(!nest.path("app/state/orphan").exists());
    assert!(!nest.path("app/state/nobody").exists());
    fs::write(nest.path("app/state").join(&name), "half a sta").unwrap();
    assert_eq!(nest.queue.scan().unwrap(), [(name.clone(), None)]);
    nest.queue.remove(&name).unwrap();
    nest.queue.remove(&name).unwrap();
    assert_eq!(fs::read_dir(nest.path("app/state")).unwrap().count(), 0);
}

/// What the disk cannot read of one bundle is its own matter.
#[test]
fn a_bundle_that_cannot_be_read_holds_up_no_other() {
    let nest = Nest::new();
    nest.put("1");
    // A file that cannot be read, for root as well.
    fs::create_dir(nest.path("app/bundles/1.M2P3Q4R5")).unwrap();
    nest.queue.tidy().unwrap();
    assert_eq!(nest.queue.scan().unwrap(), [(nest.name(), None)]);
}

/// A bundle that nobody could read for a moment takes nothing of what is known of its letters along.
#[test]
fn states_outlive_a_bundle_that_cannot_be_read() {
    let nest = Nest::new();
    nest.put("1");
    let name = nest.name();
    let bundle = nest.path("app/bundles").join(bundle_of(&name).unwrap());
    let state = State {
        attempts: 3,
        ..State::default()
    };
    nest.queue.note(&name, &state).unwrap();
    let aside = nest.path("aside");
    fs::rename(&bundle, &aside).unwrap();
    fs::create_dir(&bundle).unwrap();
    assert_eq!(nest.queue.scan().unwrap(), []);
    fs::remove_dir(&bundle).unwrap();
    fs::rename(&aside, &bundle).unwrap();
    assert_eq!(nest.queue.scan().unwrap(), [(name, Some(state))]);
}

#[test]
fn queues_have_plain_names() {
    let nest = Nest::new();
    let place = Place::beside(&nest.folder.path().into(), false);
    for name in [
        "",
        "dead",
        "DEAD",
        ".",
        "..",
        "a/b",
        "a b",
        "\u{e9}",
        &"x".repeat(65),
    ] {
        let refused = Queue::new(Arc::clone(&nest.store), place.clone(), name);
        assert!(refused.is_err(), "{name:?}");
    }
    assert_eq!(Queue::all(&nest.store, &place).unwrap().len(), 0);
    nest.queue.make().unwrap();
    let all = Queue::all(&nest.store, &place).unwrap();
    assert_eq!(all.iter().map(Queue::name).collect::<Vec<_>>(), ["app"]);
}
