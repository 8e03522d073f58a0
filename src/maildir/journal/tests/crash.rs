//! A log on a disk that keeps what was not synced as it likes, through any number of crashes.

mod image;
mod world;

use std::rc::Rc;

use proptest::prelude::*;

use super::super::disk::witness::WITNESS;
use world::World;

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    /// Entries, with so many octets, come; and something happens while they are written.
    Put(usize, usize, Option<Box<Step>>),
    /// So many are delivered, but for each third if that is so; then the tail is written.
    Deliver(usize, bool, bool),
    /// One is withdrawn.
    Cancel(prop::sample::Index),
    /// A write or sync fails, after so many that do not.
    Fail(u32),
    /// A crash, after so many calls; and whether it takes the power.
    Crash(u32, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let deliver = (
        prop_oneof![1..9_usize, Just(500)],
        any::<bool>(),
        any::<bool>(),
    );
    let deliver = deliver.prop_map(|(count, all, at_rest)| Step::Deliver(count, all, at_rest));
    let crash = (0..9_u32, any::<bool>()).prop_map(|(after, power)| Step::Crash(after, power));
    let meanwhile =
        prop::option::of(prop_oneof![deliver.clone(), crash.clone()].prop_map(Box::new));
    let count = prop_oneof![Just(1), Just(2), Just(130)];
    let octets = prop_oneof![Just(10), Just(5_000), Just(9_000)];
    let put = (count, octets, meanwhile);
    prop_oneof![
        6 => put.prop_map(|(count, octets, meanwhile)| Step::Put(count, octets, meanwhile)),
        4 => deliver,
        1 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        1 => (0..4_u32).prop_map(Step::Fail),
        2 => crash,
    ]
}

/// Goes through all that, and then on.
fn run(steps: &[Step], seed: u64) {
    let world = World::new(seed);
    world.open();
    let witness = Rc::clone(&world);
    WITNESS.set(Some(Rc::new(move |file, write| witness.call(file, write))));
    world.deliver(0, true, true);
    for step in steps {
        if world.is_over.get() {
            world.restart();
        }
        world.go(step);
    }
    world.crash.set(None);
    world.is_over.set(true);
    world.restart();
    world.crash.set(None);
    world.deliver(usize::MAX, true, true);
    assert!(world.put(1, 10), "the log cannot be used");
    WITNESS.set(None);
}

/// Faults that were there once. What the disk makes of each is another thing every time.
#[test]
fn crashes_that_went_wrong() {
    use Step::{Crash, Deliver, Put};
    let one = || Put(1, 10, None);
    // With so many a tail has no room for all.
    let many = || Put(130, 10, None);
    let histories = [
        // The tail counted on a frame that was being written.
        vec![
            one(),
            Crash(3, true),
            Put(1, 10, Some(Box::new(Deliver(1, true, true)))),
        ],
        // It counted on one that a process had left in memory when it was killed.
        vec![Crash(1, false), one(), Crash(0, true), one()],
        // It was itself left there, and the one before it was overwritten.
        vec![
            one(),
            Deliver(1, true, false),
            Crash(0, false),
            one(),
            Crash(0, true),
            one(),
        ],
        // It began before the number that a start leaves out.
        vec![
            many(),
            many(),
            many(),
            Crash(0, false),
            one(),
            Deliver(1, true, true),
            one(),
            one(),
        ],
    ];
    for (history, seed) in histories
        .iter()
        .flat_map(|it| (0..60).map(move |seed| (it, seed)))
    {
        run(history, seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    /// Whatever happens, and whatever of it reaches the disk: no start is refused, what was promised is
    /// found or was delivered, what was withdrawn stays away, and the log can be used.
    #[test]
    fn any_crash_leaves_what_was_promised(steps in prop::collection::vec(step(), 1..40), seed in any::<u64>()) {
        run(&steps, seed);
    }
}
