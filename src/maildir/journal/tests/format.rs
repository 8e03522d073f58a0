//! The format, there and back.

use std::path::Path;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::frame::{self, BLOCK};
use super::super::record::{Body, Encoded, Entry, Record, decode};
use super::super::tail::{Number, Place, ROOM, Tail};
use super::shared;
use crate::maildir::{Location, Owner};

const KEY: frame::Key = [7; 32];

fn entry() -> impl Strategy<Value = Entry> {
    let location = (
        vec("[a-z@é]{1,9}", 1..4),
        option::of("[a-z.]{1,9}"),
        option::of(any::<(u32, u32)>()),
        any::<bool>(),
    );
    let location = location.prop_map(|(components, folder, owner, create)| Location {
        root: shared(Path::new("/r")),
        components,
        folder,
        owner: owner.map(|(uid, gid)| Owner { uid, gid }),
        create,
        quota: None,
    });
    let rest = (any::<u32>(), "[!-~]{0,200}", vec(any::<u8>(), 0..99));
    (location, rest).prop_map(|(location, (mode, name, head))| Entry {
        location,
        mode,
        name,
        head,
        body: Arc::default(),
    })
}

/// Messages with copies.
fn record() -> impl Strategy<Value = Record> {
    let message = (vec(entry(), 1..4), vec(any::<u8>(), 0..5000));
    let deliver = vec(message, 1..3).prop_map(|messages| {
        let copies = messages.into_iter().flat_map(|(entries, octets)| {
            let body = Arc::new(Body::new(octets, &Arc::default()));
            entries.into_iter().map(move |entry| {
                let body = Arc::clone(&body);
                Arc::new(Entry { body, ..entry })
            })
        });
        Record::Deliver(copies.collect())
    });
    let cancel = vec("[!-~]{0,200}", 0..3).prop_map(Record::Cancel);
    prop_oneof![deliver, cancel]
}

/// What distinguishes records.
fn shown(records: &[Record]) -> Vec<String> {
    let entry = |it: &Arc<Entry>| {
        let (place, name) = (&it.location, &it.name);
        format!(
            "{place:?} {} {name} {:?} {:?}",
            it.mode, it.head, it.body.octets
        )
    };
    let record = |record: &Record| match record {
        Record::Deliver(entries) => entries.iter().map(entry).collect(),
        Record::Cancel(names) => format!("{names:?}"),
    };
    records.iter().map(record).collect()
}

/// A segment with these records as its only frame.
fn segment(sequence: u64, records: &[Record]) -> Vec<u8> {
    let encoded: Vec<_> = records.iter().map(Record::encode).collect();
    let slices: Vec<&[u8]> = encoded.iter().flat_map(Encoded::slices).collect();
    let length = encoded.iter().map(|it| it.len() as u64).sum();
    let mut segment = frame::header(sequence, &slices, &KEY).to_vec();
    segment.extend(slices.concat());
    segment.extend(frame::padding(length));
    assert_eq!(segment.len() as u64, frame::size(length));
    segment
}

proptest! {
    #[test]
    fn records_come_back(records in vec(record(), 0..4), sequence in 0..1_u64 << 48) {
        let segment = segment(sequence, &records);
        prop_assert_eq!(segment.len() as u64 % BLOCK, 0);
        let frame = frame::parse(&segment, 0, &KEY).unwrap();
        prop_assert_eq!(frame.sequence, sequence);
        let decoded = decode(&segment[frame.records], &shared(Path::new("/r"))).unwrap();
        prop_assert_eq!(shown(&decoded), shown(&records));
    }

    #[test]
    fn a_changed_octet_is_seen(records in vec(record(), 1..3), at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut segment = segment(1, &records);
        let frame = frame::parse(&segment, 0, &KEY).unwrap();
        let at = at.index(frame.records.end);
        segment[at] ^= 1_u8 << bit;
        prop_assert_eq!(frame::parse(&segment, 0, &KEY), None);
    }

    #[test]
    fn any_octets_are_safe_to_read(octets in vec(any::<u8>(), 0..300)) {
        let _ = decode(&octets, &shared(Path::new("/r")));
        let _ = frame::parse(&octets, 0, &KEY);
        let _ = Tail::decode(&octets, &KEY);
    }

    #[test]
    fn tails_come_back(
        sequence in any::<u64>(),
        segment in 0..9_usize,
        waiting in vec((any::<u64>(), 0..9_usize, 0..99_u64), 0..=ROOM),
        generation in any::<u64>(),
    ) {
        let here = Place { segment, offset: 5 * BLOCK };
        let waiting = waiting.into_iter().map(|(number, segment, block)| {
            (Number(number), Place { segment, offset: block * BLOCK })
        });
        let tail = Tail { sequence, place: here, waiting: waiting.collect() };
        let block = tail.encode(generation, &KEY);
        prop_assert_eq!(block.len() as u64, BLOCK);
        prop_assert_eq!(Tail::decode(&block, &KEY), Some((generation, tail)));
        prop_assert_eq!(Tail::decode(&block, &[8; 32]), None);
    }
}

#[test]
fn another_key_is_another_log() {
    let segment = segment(1, &[Record::Cancel(Vec::new())]);
    assert!(frame::parse(&segment, 0, &KEY).is_some());
    assert_eq!(frame::parse(&segment, 0, &[8; 32]), None);
}

#[test]
fn copies_share_their_body() {
    let body = Arc::new(Body::new(vec![b'x'; 10_000], &Arc::default()));
    let copy = |name: &str| {
        Arc::new(Entry {
            location: Location {
                root: shared(Path::new("/r")),
                components: vec!["a".to_string()],
                folder: None,
                owner: None,
                create: true,
                quota: None,
            },
            mode: 0o600,
            name: name.to_string(),
            head: Vec::new(),
            body: Arc::clone(&body),
        })
    };
    let record = Record::Deliver(vec![copy("1"), copy("2"), copy("3")]);
    assert!(record.encode().len() < 11_000);
}
