//! A worker that finds letters, hands them over, and tries again.

use std::collections::HashSet;
use std::fs;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::*;

#[test]
fn letters_are_handed_over_whenever_they_come() {
    let nest = Nest::new();
    nest.put("before");
    let work = nest.work(quick(), |letter, _| {
        assert_eq!(letter.content().unwrap(), MAIL);
        Answer::Delivered
    });
    assert_eq!(work.next(), ("before".into(), "key of before".into(), 1));
    for id in ["1", "2", "3"] {
        nest.put(id);
        assert_eq!(work.next().0, id);
    }
    eventually("they are gone", || nest.queue.letters().unwrap().is_empty());
}

#[test]
fn whoever_fails_is_asked_again_with_the_same_key() {
    let nest = Nest::new();
    let mut work = nest.work(quick(), |_, attempt| match attempt {
        1 => later(),
        2 => panic!("as it was asked"),
        _ => Answer::Delivered,
    });
    nest.put("1");
    for attempt in 1..=3 {
        assert_eq!(work.next(), ("1".into(), "key of 1".into(), attempt));
    }
    work.stop();
    assert_eq!(nest.queue.letters().unwrap(), [""; 0]);
    assert_eq!(fs::read_dir(nest.path("app/state")).unwrap().count(), 0);
}

struct Hangs(AtomicU32);

impl Consumer for Hangs {
    fn hand(&self, _: Arc<Letter>, _: u32) -> Pending<'_, Answer> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::pending())
    }
}

/// Neither a consumer that hangs nor a stop while it does loses the letter.
#[test]
fn whoever_takes_too_long_is_asked_again() {
    let nest = Nest::new();
    nest.put("1");
    let hangs = Arc::new(Hangs(AtomicU32::new(0)));
    let settings = Settings {
        timeout: Duration::from_millis(5),
        ..quick()
    };
    let (queue, dead) = (nest.queue.clone(), nest.dead.clone());
    let worker = Worker::new(queue, dead, Arc::clone(&hangs) as _, settings);
    let several = async {
        while hangs.0.load(Ordering::SeqCst) < 3 {
            smol::Timer::after(Duration::from_millis(1)).await;
        }
    };
    smol::block_on(worker.run(several));
    let state = nest.queue.state(&nest.name()).unwrap();
    assert!(state.attempts >= 2, "{state:?}");
    assert!(state.error.contains("no answer within 5ms"), "{state:?}");
}

/// A worker that is dropped half-way is what a crash leaves: the consumer may have the letter.
#[test]
fn what_was_under_way_is_handed_over_again() {
    let nest = Nest::new();
    nest.put("1");
    let hangs = Arc::new(Hangs(AtomicU32::new(0)));
    let (queue, dead) = (nest.queue.clone(), nest.dead.clone());
    let worker = Worker::new(queue, dead, Arc::clone(&hangs) as _, quick());
    let handed = async {
        while hangs.0.load(Ordering::SeqCst) == 0 {
            smol::Timer::after(Duration::from_millis(1)).await;
        }
    };
    smol::block_on(smol::future::or(worker.run(std::future::pending()), handed));
    let work = nest.work(quick(), |_, _| Answer::Delivered);
    assert_eq!(work.next(), ("1".into(), "key of 1".into(), 1));
}

/// A second worker would hand over what the first has under way.
#[test]
fn one_worker_at_a_time() {
    let nest = Nest::new();
    let settings = Settings {
        schedule: Schedule::default(),
        ..quick()
    };
    let mut first = nest.work(settings.clone(), |_, _| later());
    nest.put("1");
    first.next();
    let second = nest.work(settings, |_, _| Answer::Delivered);
    nest.put("2");
    assert_eq!(first.next().0, "2");
    assert!(second.asks.try_recv().is_err());
    first.stop();
    nest.put("3");
    assert_eq!(second.next().0, "3");
}

#[test]
fn attempts_are_remembered() {
    let nest = Nest::new();
    nest.put("1");
    let settings = Settings {
        schedule: Schedule::default(),
        ..quick()
    };
    let work = nest.work(settings.clone(), |_, _| later());
    work.next();
    eventually("it is noted", || nest.queue.state(&nest.name()).is_some());
    drop(work);
    let state = nest.queue.state(&nest.name()).unwrap();
    assert_eq!((state.attempts, state.error.as_str()), (1, "not now"));
    assert!(state.next >= state.last + 9_000, "{state:?}");
    let work = nest.work(settings, |_, _| later());
    // Somebody wants it now.
    let now = State {
        next: State::NOW,
        ..state
    };
    nest.queue.note(&nest.name(), &now).unwrap();
    assert_eq!(work.next().2, 2);
}

#[test]
fn a_letter_that_is_refused_is_dead_at_once() {
    let nest = Nest::new();
    nest.put("1");
    let why = || "550 5.7.1 no".to_owned();
    let work = nest.work(quick(), move |_, _| Answer::Never { why: why() });
    assert_eq!(work.next().2, 1);
    eventually("it is dead", || nest.dead.files().unwrap().len() == 1);
    eventually("it is gone", || nest.queue.letters().unwrap().is_empty());
    let file = nest.dead.files().unwrap().remove(0);
    let reason = Reason {
        why: why(),
        attempts: 1,
    };
    assert_eq!(DeadLetters::reason(&file).unwrap(), reason);
    // Whoever brings it back has it tried again.
    nest.dead.replay(&file).unwrap();
    assert_eq!(work.next(), ("1".into(), "key of 1".into(), 1));
}

#[test]
fn a_letter_that_nobody_takes_is_given_up() {
    let nest = Nest::new();
    nest.put("1");
    let mut settings = quick();
    settings.schedule.give_up_after = Duration::ZERO;
    let _work = nest.work(settings, |_, _| later());
    eventually("it is dead", || nest.dead.files().unwrap().len() == 1);
    eventually("it is gone", || nest.queue.letters().unwrap().is_empty());
}

/// One probe at a time while the consumer is down, and all the rest when it answers.
#[test]
fn a_consumer_that_is_down_is_probed() {
    let nest = Nest::new();
    for id in 0..20 {
        nest.put(&id.to_string());
    }
    let is_up = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&is_up);
    let settings = Settings {
        failures: 2,
        at_once: 1,
        ..quick()
    };
    // It is up after two failures and one probe.
    let work = nest.work(settings, move |_, _| {
        if asked.fetch_add(1, Ordering::SeqCst) < 3 {
            later()
        } else {
            Answer::Delivered
        }
    });
    let begin = Instant::now();
    for _ in 0..23 {
        work.next();
    }
    assert!(
        begin.elapsed() >= Duration::from_secs(3),
        "pauses of 1 and 2 s"
    );
    eventually("all are gone", || nest.queue.letters().unwrap().is_empty());
}

#[test]
fn what_is_asked_for_is_tried_although_the_consumer_is_down() {
    let nest = Nest::new();
    nest.put("1");
    let settings = Settings {
        failures: 1,
        schedule: Schedule::default(),
        ..quick()
    };
    let work = nest.work(settings, |_, _| later());
    for attempt in 1..=5 {
        assert_eq!(work.next().2, attempt);
        let is_noted = |state: State| state.attempts == attempt;
        let state = || nest.queue.state(&nest.name());
        eventually("it is noted", || state().is_some_and(is_noted));
        let now = State {
            next: State::NOW,
            ..state().unwrap()
        };
        nest.queue.note(&nest.name(), &now).unwrap();
    }
}

/// Counts how many are handed over at once.
#[derive(Default)]
struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
    ids: Mutex<HashSet<String>>,
}

impl Consumer for Counts {
    fn hand(&self, letter: Arc<Letter>, _: u32) -> Pending<'_, Answer> {
        Box::pin(async move {
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            // The first ones wait for each other, for a while.
            let begin = Instant::now();
            while self.most.load(Ordering::SeqCst) < 3 && begin.elapsed() < PATIENCE {
                smol::Timer::after(Duration::from_millis(1)).await;
            }
            self.now.fetch_sub(1, Ordering::SeqCst);
            self.ids.lock().unwrap().insert(letter.slip.id.clone());
            Answer::Delivered
        })
    }
}

#[test]
fn ten_thousand_letters_are_handed_over_a_few_at_once() {
    const LETTERS: usize = 10_000;
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::new(maildir::Settings {
        durability: maildir::Durability::None,
        ..maildir::Settings::default()
    }));
    let place = Place::at(folder.path(), true);
    let queue = Queue::new(Arc::clone(&store), place.clone(), "app").unwrap();
    for id in 0..LETTERS / 2 {
        queue.put(slip(&id.to_string()), &[MAIL]).unwrap();
    }
    let counts = Arc::new(Counts::default());
    let settings = Settings {
        at_once: 3,
        timeout: PATIENCE * 2,
        ..Settings::default()
    };
    let dead = DeadLetters::new(store, place);
    let worker = Worker::new(queue.clone(), dead, Arc::clone(&counts) as _, settings);
    let more = queue.clone();
    let comes = thread::spawn(move || {
        for id in LETTERS / 2..LETTERS {
            more.put(slip(&id.to_string()), &[MAIL]).unwrap();
        }
    });
    let deadline = Instant::now() + PATIENCE * 3;
    smol::block_on(worker.run(async {
        while counts.ids.lock().unwrap().len() < LETTERS && Instant::now() < deadline {
            smol::Timer::after(Duration::from_millis(5)).await;
        }
    }));
    comes.join().unwrap();
    assert_eq!(counts.ids.lock().unwrap().len(), LETTERS);
    assert_eq!(counts.most.load(Ordering::SeqCst), 3);
    assert_eq!(queue.letters().unwrap(), [""; 0]);
}
