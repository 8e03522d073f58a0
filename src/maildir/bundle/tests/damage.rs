//! Writes that were broken off, and disks that have faults.

use std::fs;

use super::super::*;
use super::Nest;

/// Whatever a crash has left of the last write, what was promised before is there, and no message
/// can pass for another.
#[test]
fn a_write_that_was_broken_off_takes_nothing_along() {
    let mut nest = Nest::new();
    nest.append(&[b"first", b"second"]);
    let promised = fs::read(nest.path()).unwrap();
    let other = Nest::new();
    other.append(&[b"forged"]);
    let forged = fs::read(other.path()).unwrap()[4096..].to_vec();
    // The second block of this write has what would be a message of another bundle.
    let text = [vec![b'.'; 4096 - HEADER], forged].concat();
    let mut packed = [nest.pack(&text)];
    let written = nest.write(&mut packed);
    let all = fs::read(nest.path()).unwrap();
    drop((written, packed));
    nest.restart();
    for cut in (promised.len()..all.len() - 4096).step_by(97) {
        // The file has grown, and some of it is there; or it is of full length, with zeros.
        for zeros in [0, all.len() - cut] {
            let octets = [&all[..cut], &vec![0; zeros]].concat();
            fs::write(nest.path(), octets).unwrap();
            assert_eq!(nest.texts(), [&b"first"[..], b"second"], "{cut} {zeros}");
        }
    }
    let mut hole = all.clone();
    hole[promised.len()..promised.len() + 4096].fill(0);
    fs::write(nest.path(), &hole).unwrap();
    assert_eq!(nest.texts(), [&b"first"[..], b"second"]);
    for name in nest.names() {
        nest.bundles.done(&name).unwrap();
    }
    assert!(nest.bundles.discard(&nest.bundle()).unwrap());
    // Of a first write nothing was promised.
    for octets in [&b""[..], &all[..4000], &[0; 9000]] {
        fs::write(nest.folder.path().join("1.M2P3Q4R5"), octets).unwrap();
        assert_eq!(nest.texts(), [b""; 0]);
        assert!(nest.bundles.discard(&nest.bundle()).unwrap());
    }
}

/// The fault of a disk costs the messages that it hits, and what is left of them stays.
#[test]
fn what_is_damaged_stays_and_hides_no_other() {
    // The first two in their headers; or in what they say, and a crash has lost all marks.
    for (at, marks) in [
        (4101, true),
        (8197, true),
        (4096 + HEADER, false),
        (8192 + HEADER, false),
    ] {
        let mut nest = Nest::new();
        for text in [b"one", b"two", b"six"] {
            nest.append(&[text]);
        }
        let mut octets = fs::read(nest.path()).unwrap();
        octets[at] ^= 1;
        if !marks {
            octets[64..4096].fill(0);
        }
        fs::write(nest.path(), octets).unwrap();
        nest.restart();
        let texts = nest.texts();
        assert_eq!(
            (texts.len(), &texts[1][..]),
            (2, &b"six"[..]),
            "{at}: {texts:?}"
        );
        for name in nest.names() {
            nest.bundles.done(&name).unwrap();
        }
        // Without marks nobody can tell it from what was never promised.
        assert_eq!(
            nest.bundles.discard(&nest.bundle()).unwrap(),
            !marks,
            "{at}"
        );
    }
    let nest = Nest::new();
    nest.append(&[b"one"]);
    let mut octets = fs::read(nest.path()).unwrap();
    octets[3] ^= 1;
    fs::write(nest.path(), octets).unwrap();
    assert_eq!(nest.texts(), [b""; 0]);
    assert!(!nest.bundles.discard(&nest.bundle()).unwrap());
}
