//! What a crash leaves of a write that was not promised.

use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::form::{self, BLOCK, HEADER};
use super::Nest;

/// Parts of what was written at once may have come to the disk without others.
#[test]
fn what_was_never_promised_is_no_damage() {
    let mut nest = Nest::new();
    nest.append(&[b"promised"]);
    let large = vec![b'x'; 9000];
    let mut packed = [nest.pack(&large), nest.pack(b"whole")];
    let written = nest.write(&mut packed);
    let mut octets = fs::read(nest.path()).unwrap();
    octets[3 * 4096..4 * 4096].fill(0);
    drop((written, packed));
    fs::write(nest.path(), octets).unwrap();
    nest.restart();
    assert_eq!(nest.texts(), [&b"promised"[..], b"whole"]);
    for name in nest.names() {
        assert!(!nest.bundles.discard(&nest.bundle()).unwrap());
        nest.bundles.done(&name).unwrap();
    }
    assert!(nest.bundles.discard(&nest.bundle()).unwrap());
}

/// The first block of a write that was never promised need not be there where the others are.
#[test]
fn what_follows_what_is_missing_is_no_damage() {
    let nest = Nest::new();
    nest.append(&[b"promised"]);
    // What is behind it begins where a block does.
    let large = vec![b'x'; BLOCK - HEADER];
    let mut nest = with_half(nest, &[&large, b"whole"], |sector| sector >= 8);
    assert_eq!(nest.texts(), [&b"promised"[..], b"whole"]);
    nest.empty();
    nest.restart();
    assert_eq!(nest.bundles.all().unwrap(), [""; 0]);
}

/// Octets of a message; with some of these sizes the next one begins where a block does.
fn octets() -> impl Strategy<Value = usize> {
    prop_oneof![0..9000_usize, Just(BLOCK - HEADER)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    /// Whatever of a last write and of the marks is on the disk after a crash: what was promised is there,
    /// nothing else than what was written, and nothing is left when all of it is done.
    #[test]
    fn any_crash_leaves_what_was_promised(
        promised in vec(vec(octets(), 1..4), 1..4),
        last in vec(octets(), 1..5),
        sectors in vec(any::<bool>(), 128),
        marks in vec(any::<bool>(), 8),
        gives_up in any::<bool>(),
    ) {
        let mut nest = Nest::new();
        let mut number = 0;
        let mut text = |octets: usize| {
            number += 1;
            let mut text = format!("{number} ").into_bytes();
            text.resize(octets.max(text.len()), b'x');
            text
        };
        let mut texts = |sizes: &[usize]| sizes.iter().map(|size| text(*size)).collect::<Vec<_>>();
        let mut before = Vec::new();
        for sizes in &promised {
            let texts = texts(sizes);
            nest.append(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>());
            before.extend(texts);
        }
        let last = texts(&last);
        let refs: Vec<&[u8]> = last.iter().map(Vec::as_slice).collect();
        nest = with_half(nest, &refs, |sector| sectors[sector % 128]);
        let mut octets = fs::read(nest.path()).unwrap();
        for (sector, is_there) in (0..8).zip(marks) {
            // The one with the key was synced with the first write.
            let from = if sector == 0 { 64 } else { sector * 512 };
            if !is_there {
                octets[from..(sector + 1) * 512].fill(0);
            }
        }
        if gives_up {
            octets[64 + before.len()..][..last.len()].fill(form::VOID);
        }
        fs::write(nest.path(), octets).unwrap();
        for _ in 0..2 {
            let there = nest.texts();
            for text in &before {
                prop_assert_eq!(there.iter().filter(|it| *it == text).count(), 1);
            }
            let others = there.iter().filter(|it| !before.contains(it));
            prop_assert!(others.clone().all(|it| last.contains(it)));
            prop_assert!(!gives_up || others.count() == 0);
            nest.restart();
        }
        nest.empty();
        prop_assert_eq!(nest.bundles.all().unwrap(), [""; 0]);
    }
}

/// A crash in a last write, of which only some sectors are on the disk.
fn with_half(mut nest: Nest, texts: &[&[u8]], is_there: impl Fn(usize) -> bool) -> Nest {
    let before = fs::metadata(nest.path()).unwrap().len();
    let mut packed: Vec<_> = texts.iter().map(|text| nest.pack(text)).collect();
    let written = nest.write(&mut packed);
    let mut octets = fs::read(nest.path()).unwrap();
    drop((written, packed));
    let last = octets[usize::try_from(before).unwrap()..].chunks_mut(512);
    for (sector, octets) in last.enumerate() {
        if !is_there(sector) {
            octets.fill(0);
        }
    }
    fs::write(nest.path(), octets).unwrap();
    nest.restart();
    nest
}
