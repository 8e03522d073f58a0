use std::fs;
use std::sync::Arc;
use std::thread;

use super::*;
use crate::maildir::Bundles;
use crate::maildir::Names;
use crate::maildir::handle::{Maildir, STAND, open_root};
use crate::maildir::lane::Lane;

fn names() -> Names {
    Names::new("host")
}

/// One message for each list of Maildirs.
fn parcels(nest: &Nest, lists: &[&[&str]]) -> Vec<Vec<Staged>> {
    let parcel = |boxes: &&[&str]| {
        let stage = |name: &&str| nest.stage(&nest.at(name), &boxes.join("+")).unwrap();
        boxes.iter().map(stage).collect()
    };
    lists.iter().map(parcel).collect()
}

#[test]
fn a_lone_message_leads_itself() {
    let (nest, lane) = (Nest::new(), Lane::default());
    let mut staged = vec![nest.stage(&nest.at("a"), "x").unwrap()];
    lane.commit(&mut staged, &names()).unwrap();
    assert_eq!((staged.len(), nest.counts("a")), (1, (1, 0)));
    assert!(lane.is_idle());
}

#[test]
fn those_who_wait_are_committed_together() {
    let (nest, lane) = (Nest::new(), Lane::default());
    let parcels = parcels(&nest, &[&["a"], &["b", "c"], &["a"], &["a", "b"]]);
    let outcomes = lane.commit_together(parcels, &names());
    assert!(outcomes.iter().all(|(_, outcome)| outcome.is_ok()));
    let counts = ["a", "b", "c"].map(|name| nest.counts(name));
    assert_eq!(counts, [(3, 0), (2, 0), (1, 0)]);
    assert!(lane.is_idle());
}

#[test]
fn the_failure_of_one_is_not_that_of_the_others() {
    let (nest, lane) = (Nest::new(), Lane::default());
    let parcels = parcels(&nest, &[&["a"], &["b", "gone"], &["gone"], &["c"]]);
    fs::remove_dir(nest.path("gone/new")).unwrap();
    let outcomes = lane.commit_together(parcels, &names());
    let codes = outcomes.iter().map(|(_, outcome)| match outcome {
        Ok(()) => 0,
        Err(error) => error.raw_os_error().unwrap_or(-1),
    });
    assert_eq!(codes.collect::<Vec<_>>(), [0, 2, 2, 0]);
    // What was linked of a message that failed is taken back by its owner.
    let (good, bad): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|(_, it)| it.is_ok());
    drop(bad);
    let counts = ["a", "b", "c"].map(|name| nest.counts(name));
    assert_eq!(counts, [(1, 0), (0, 0), (1, 0)]);
    assert_eq!(good.len(), 2);
    assert!(lane.is_idle());
}

#[test]
fn a_leader_who_breaks_off_tells_so() {
    let (nest, lane) = (Nest::new(), Lane::default());
    let mut outcomes = lane.break_off(parcels(&nest, &[&["a"], &["a"]]));
    let (staged, outcome) = outcomes.pop().unwrap();
    assert_eq!(
        (staged.len(), outcomes.len()),
        (1, 0),
        "the leader has panicked"
    );
    outcome.unwrap_err();
    drop(staged);
    assert_eq!(nest.counts("a"), (0, 0));
    // The lane goes on.
    let mut staged = vec![nest.stage(&nest.at("a"), "y").unwrap()];
    lane.commit(&mut staged, &names()).unwrap();
    assert_eq!(nest.counts("a"), (1, 0));
}

#[test]
fn many_threads_share_one_lane() {
    let (nest, lane, names) = (Nest::new(), Lane::default(), names());
    let deliver = |thread: usize| {
        let location = nest.at(&format!("box{}", thread % 3));
        let one = |_| {
            let mut staged = vec![nest.stage(&location, "x").unwrap()];
            lane.commit(&mut staged, &names).unwrap();
            staged
        };
        (0..20).flat_map(one).collect::<Vec<_>>()
    };
    let staged: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|thread| scope.spawn(move || deliver(thread)))
            .collect();
        let staged = threads.into_iter().flat_map(|it| it.join().unwrap());
        staged.collect()
    });
    let delivered = (0..3).map(|number| nest.counts(&format!("box{number}")).0);
    assert_eq!((staged.len(), delivered.sum()), (16 * 20, 16 * 20));
    assert!(lane.is_idle());
}

/// A message that is to lie in a bundle of the queue `q`, too.
fn with_letter(nest: &Nest, name: &str, text: &str, bundles: &Arc<Bundles>) -> Vec<Staged> {
    let letter = Message {
        parts: &[text.as_bytes()],
        stream: None,
        crlf_size: 0,
    };
    let letter = nest.store.stage_bundled(&nest.at("q"), &letter, bundles);
    vec![nest.stage(&nest.at(name), text).unwrap(), letter.unwrap()]
}

fn letters(bundles: &Bundles) -> usize {
    let look = |bundle: &String| bundles.look(bundle, 0).unwrap().names.len();
    bundles.all().unwrap().iter().map(look).sum()
}

#[test]
fn letters_and_copies_are_there_together_or_not_at_all() {
    let (nest, lane) = (Nest::new(), Lane::default());
    fs::create_dir_all(nest.path("q/bundles")).unwrap();
    let bundles = Arc::new(Bundles::new(&nest.path("q/bundles")));
    let parcels = ["a", "gone", "b", "c"]
        .map(|name| with_letter(&nest, name, name, &bundles))
        .into();
    fs::remove_dir(nest.path("gone/new")).unwrap();
    let outcomes = lane.commit_together(parcels, &names());
    let well = outcomes.iter().map(|(_, outcome)| outcome.is_ok());
    assert_eq!(well.collect::<Vec<_>>(), [true, false, true, true]);
    assert_eq!((bundles.all().unwrap().len(), letters(&bundles)), (1, 3));
    // What has failed is taken back by its owner.
    let (good, bad): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|(_, it)| it.is_ok());
    drop(bad);
    let counts = ["a", "b", "c", "q"].map(|name| nest.counts(name));
    assert_eq!(counts, [(1, 0), (1, 0), (1, 0), (0, 0)]);
    // One that is taken back.
    let mut staged = with_letter(&nest, "a", "x", &bundles);
    lane.commit(&mut staged, &names()).unwrap();
    assert_eq!(letters(&bundles), 4);
    for mut one in staged {
        one.revoke().unwrap();
    }
    assert_eq!((letters(&bundles), nest.counts("a")), (3, (1, 0)));
    // One that is never committed.
    drop(with_letter(&nest, "a", "x", &bundles));
    assert_eq!((letters(&bundles), nest.counts("a")), (3, (1, 0)));
    assert_eq!(good.len(), 3);
}

/// Whether it is on the disk nobody knows, and what is behind it could not be found without it.
#[test]
fn nothing_is_written_behind_what_could_not_be_synced() {
    let (nest, lane) = (Nest::new(), Lane::default());
    fs::create_dir_all(nest.path("q/bundles")).unwrap();
    let bundles = Arc::new(Bundles::new(&nest.path("q/bundles")));
    let mut staged = with_letter(&nest, "a", "x", &bundles);
    let other = nest.store.maildirs.get(&nest.at("b")).unwrap();
    // With such a descriptor one can rename, but not sync.
    staged[0].maildir = Arc::new(Maildir {
        tmp: open_root(&nest.path("a/tmp"), STAND).unwrap(),
        new: open_root(&nest.path("a/new"), STAND).unwrap(),
        top: None,
        identity: other.identity,
        flush: other.flush,
    });
    assert!(lane.commit(&mut staged, &names()).is_err());
    drop(staged);
    assert_eq!((letters(&bundles), nest.counts("a")), (0, (0, 0)));
    lane.commit(&mut with_letter(&nest, "a", "y", &bundles), &names())
        .unwrap();
    assert_eq!((bundles.all().unwrap().len(), letters(&bundles)), (2, 1));
}

#[test]
fn where_there_can_be_no_bundle_there_is_no_copy() {
    let (nest, lane) = (Nest::new(), Lane::default());
    fs::create_dir_all(nest.path("q/bundles")).unwrap();
    let bundles = Arc::new(Bundles::new(&nest.path("q/bundles")));
    let mut parcels = vec![with_letter(&nest, "a", "x", &bundles)];
    parcels.push(vec![nest.stage(&nest.at("b"), "y").unwrap()]);
    fs::remove_dir_all(nest.path("q/bundles")).unwrap();
    let outcomes = lane.commit_together(parcels, &names());
    let well = outcomes.iter().map(|(_, outcome)| outcome.is_ok());
    assert_eq!(well.collect::<Vec<_>>(), [false, true]);
    let (good, bad): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|(_, it)| it.is_ok());
    drop(bad);
    assert_eq!([nest.counts("a"), nest.counts("b")], [(0, 0), (1, 0)]);
    assert_eq!(good.len(), 1);
}
