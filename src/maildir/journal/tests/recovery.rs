//! What a crash leaves, and what a start makes of it.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

use proptest::prelude::*;

use super::super::frame::BLOCK;
use super::{CRASHING, Nest, SMALL, deliver, stage};
use crate::maildir::Durability;

/// A nest whose store has crashed with these messages in the log, one frame each.
fn crashed(count: usize) -> (Nest, Vec<String>) {
    let nest = Nest::new();
    let store = nest.open(&CRASHING);
    let texts: Vec<String> = (0..count).map(|it| format!("message {it:03}")).collect();
    for text in &texts {
        deliver(&store, &nest.at("jane"), text);
    }
    drop(store);
    assert_eq!(nest.mail("jane").len(), 0);
    (nest, texts)
}

fn overwrite(nest: &Nest, segment: usize, offset: u64, octets: &[u8]) {
    let file = OpenOptions::new()
        .write(true)
        .open(nest.segment(segment))
        .unwrap();
    file.write_all_at(octets, offset).unwrap();
}

#[test]
fn what_was_promised_arrives_once() {
    let (nest, texts) = crashed(30);
    assert_eq!(nest.recover(&CRASHING), (30, 0, false));
    assert_eq!(nest.mail("jane"), texts);
    for _ in 0..3 {
        assert_eq!(nest.recover(&SMALL), (0, 0, false));
        assert_eq!(nest.mail("jane"), texts);
    }
}

#[test]
fn a_crash_during_the_recovery_changes_nothing() {
    let (nest, texts) = crashed(30);
    let tail = nest.path(".journal/tail");
    let before = fs::read(&tail).unwrap();
    nest.recover(&SMALL);
    // As if it had not come to its tail; some mail was read meanwhile, some is in tmp/.
    fs::write(&tail, &before).unwrap();
    let new: Vec<_> = fs::read_dir(nest.path("jane/new"))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let move_to = |index: usize, to: &str, flags: &str| {
        let name = new[index].file_name().into_string().unwrap();
        fs::rename(
            new[index].path(),
            nest.path(&format!("jane/{to}/{name}{flags}")),
        )
        .unwrap();
    };
    move_to(0, "cur", ":2,S");
    move_to(1, "cur", "");
    move_to(2, "tmp", "");
    assert_eq!(nest.recover(&SMALL), (30, 0, false));
    assert_eq!(nest.mail("jane").len(), 28);
    for part in ["cur", "tmp"] {
        let left = fs::read_dir(nest.path("jane").join(part)).unwrap().count();
        assert_eq!(left, if part == "cur" { 2 } else { 0 });
    }
    assert_eq!(texts.len(), 30);
}

#[test]
fn another_durability_delivers_what_is_left() {
    let (nest, texts) = crashed(3);
    let (store, recovery) = nest.open_as(Durability::Full, &SMALL).unwrap();
    assert!(recovery.is_some());
    assert_eq!(nest.mail("jane"), texts);
    drop(store);
    assert_eq!(nest.recover(&SMALL), (0, 0, false));
}

#[test]
fn the_log_goes_on_after_a_crash() {
    let nest = Nest::new();
    for round in 0..20 {
        let store = nest.open(if round % 2 == 0 { &CRASHING } else { &SMALL });
        for number in 0..7 {
            deliver(&store, &nest.at("jane"), &format!("{round} {number}"));
        }
    }
    nest.recover(&SMALL);
    assert_eq!(nest.mail("jane").len(), 140);
}

#[test]
fn copies_come_together() {
    let nest = Nest::new();
    let store = nest.open(&CRASHING);
    let names = ["a", "b", "c"];
    let mut staged = Vec::from(names.map(|name| stage(&store, &nest.at(name), "same text")));
    store.commit(&mut staged).unwrap();
    drop((staged, store));
    let segment = fs::read(nest.segment(0)).unwrap();
    assert_eq!(segment.windows(6).filter(|it| it == b"e text").count(), 1);
    assert_eq!(nest.recover(&SMALL), (3, 0, false));
    assert!(names.iter().all(|name| nest.mail(name) == ["same text"]));
}

#[test]
fn every_truncation_of_the_last_write_is_ignored() {
    let (nest, texts) = crashed(3);
    let [tail, segment] = ["tail", "segment-0"].map(|it| nest.path(".journal").join(it));
    let (tail_before, before) = (fs::read(&tail).unwrap(), fs::read(&segment).unwrap());
    let last = 2 * usize::try_from(BLOCK).unwrap();
    let end = last
        + before[last..]
            .iter()
            .rposition(|&octet| octet != 0)
            .unwrap();
    for cut in last..=end {
        let mut torn = before.clone();
        torn[cut..].fill(0);
        fs::write(&segment, &torn).unwrap();
        fs::write(&tail, &tail_before).unwrap();
        let _ = fs::remove_dir_all(nest.path("jane"));
        let (found, waiting, _) = nest.recover(&CRASHING);
        assert_eq!((found, waiting), (2, 0), "{cut}");
        assert_eq!(nest.mail("jane"), texts[..2], "{cut}");
    }
    // The same for what is written after that.
    drop(nest.open(&CRASHING));
    deliver(&nest.open(&CRASHING), &nest.at("jane"), "next");
    assert_eq!(nest.recover(&SMALL), (1, 0, false));
}

#[test]
fn a_torn_write_is_told() {
    let (nest, _) = crashed(3);
    overwrite(&nest, 0, 2 * BLOCK + 100, b"?????");
    assert_eq!(nest.recover(&SMALL), (2, 0, true));
}

#[test]
fn damage_in_the_middle_stops_the_start() {
    let (nest, _) = crashed(5);
    let octets = fs::read(nest.segment(0)).unwrap();
    let block = usize::try_from(BLOCK).unwrap();
    for at in [0, 8, 16, 24, 32, 63, 64, 100, block, 3 * block + 70] {
        overwrite(&nest, 0, at as u64, &[octets[at] ^ 4]);
        let error = nest.try_open(&SMALL).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        let place = format!("segment-0: damaged at octet {};", at / block * block);
        assert!(error.to_string().contains(&place), "{error}");
        let advice = "or move it away, which loses the messages that are only in it";
        assert!(error.to_string().ends_with(advice), "{error}");
        assert_eq!(nest.mail("jane").len(), 0);
        overwrite(&nest, 0, at as u64, &[octets[at]]);
    }
    assert_eq!(nest.recover(&SMALL), (5, 0, false));
}

#[test]
fn damage_to_the_first_frame_of_a_segment_stops_the_start() {
    let nest = Nest::new();
    let store = nest.open(&CRASHING);
    for _ in 0..20 {
        deliver(&store, &nest.at("jane"), "x");
    }
    drop(store);
    overwrite(&nest, 1, 70, b"?");
    let error = nest.try_open(&SMALL).unwrap_err();
    assert!(
        error.to_string().contains("segment-1: damaged at octet 0;"),
        "{error}"
    );
}

#[test]
fn one_of_two_tails_is_enough() {
    let (nest, texts) = crashed(3);
    nest.recover(&SMALL);
    let path = nest.path(".journal/tail");
    let octets = fs::read(&path).unwrap();
    let block = usize::try_from(BLOCK).unwrap();
    for slot in [1, 2] {
        let mut damaged = octets.clone();
        damaged[slot * block + 20] ^= 1;
        fs::write(&path, &damaged).unwrap();
        nest.recover(&SMALL);
        assert_eq!(nest.mail("jane"), texts);
    }
    let mut damaged = octets;
    damaged[block..].fill(0);
    fs::write(&path, &damaged).unwrap();
    let error = nest.try_open(&SMALL).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
}

#[test]
fn a_log_that_was_not_finished_is_made_anew() {
    let (nest, _) = crashed(0);
    fs::remove_file(nest.path(".journal/tail")).unwrap();
    fs::write(nest.segment(2), "half").unwrap();
    assert_eq!(nest.recover(&SMALL), (0, 0, false));
    deliver(&nest.open(&CRASHING), &nest.at("jane"), "x");
    assert_eq!(nest.recover(&SMALL), (1, 0, false));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever is delivered, withdrawn and cut off: what was promised is there, once.
    #[test]
    fn any_history_is_kept(steps in proptest::collection::vec((0..8_u8, 0..3_u8, 0..9000_usize), 1..40)) {
        let nest = Nest::new();
        let mut store = Some(nest.open(&CRASHING));
        let mut expected = Vec::new();
        for (number, (step, place, length)) in steps.into_iter().enumerate() {
            let open = store.take().unwrap_or_else(|| nest.open(&CRASHING));
            let text = format!("{number:02} {place} {}", "x".repeat(length));
            let mut staged = vec![stage(&open, &nest.at(&format!("box{place}")), &text)];
            open.commit(&mut staged).unwrap();
            match step {
                0 => staged[0].revoke().unwrap(),
                _ => expected.push(text),
            }
            // Step 1 is a crash.
            store = (step != 1).then_some(open);
        }
        drop(store);
        nest.recover(&SMALL);
        let mut mail: Vec<String> = (0..3).flat_map(|it| nest.mail(&format!("box{it}"))).collect();
        mail.sort();
        prop_assert!(mail == expected);
    }
}
