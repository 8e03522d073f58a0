use std::cell::Cell;
use std::future::pending;

use smol::block_on;
use smol::future::{poll_once, yield_now, zip};

use super::*;
use crate::smtp::reply;

const NEVER: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_hours(1);

fn cache(positive: Duration, negative: Duration, stale_if_error: Duration) -> Cache {
    Cache::new(Times {
        positive,
        negative,
        stale_if_error,
        entries: 2,
    })
}

fn refused() -> Verdict {
    Verdict::Refused {
        reply: reply::USER_UNKNOWN,
        why: "no".into(),
    }
}

fn unknown() -> Verdict {
    Verdict::Unknown {
        reply: reply::LOCAL_FAULT,
        why: "down".into(),
    }
}

/// Asks for each of the verdicts in turn; what came of it.
fn ask(cache: &Cache, name: &str, verdicts: &[Verdict]) -> Vec<Verdict> {
    let ask = |verdict: &Verdict| {
        let verdict = verdict.clone();
        block_on(cache.verdict(name.into(), async { verdict }))
    };
    verdicts.iter().map(ask).collect()
}

#[test]
fn answers_are_believed_for_their_time() {
    let passed = Verdict::Passed;
    let asked = [passed.clone(), refused(), unknown()];
    for (positive, negative, stale, answers) in [
        (NEVER, NEVER, NEVER, [passed.clone(), refused(), unknown()]),
        (
            LONG,
            NEVER,
            NEVER,
            [passed.clone(), passed.clone(), passed.clone()],
        ),
        (NEVER, LONG, NEVER, [passed.clone(), refused(), refused()]),
        (NEVER, NEVER, LONG, [passed, refused(), refused()]),
    ] {
        let cache = cache(positive, negative, stale);
        assert_eq!(ask(&cache, "a", &asked), answers);
    }
}

#[test]
fn what_php_could_not_say_is_asked_again() {
    let cache = cache(LONG, LONG, LONG);
    let answers = ask(&cache, "a", &[unknown(), Verdict::Passed, unknown()]);
    assert_eq!(answers, [unknown(), Verdict::Passed, Verdict::Passed]);
}

#[test]
fn who_asks_meanwhile_gets_the_same_answer() {
    for verdict in [Verdict::Passed, refused(), unknown()] {
        let cache = cache(LONG, LONG, NEVER);
        let asked = Cell::new(0);
        let one = || {
            cache.verdict("a".into(), async {
                asked.set(asked.get() + 1);
                yield_now().await;
                verdict.clone()
            })
        };
        let (first, second) = block_on(zip(one(), one()));
        assert_eq!((first, second), (verdict.clone(), verdict.clone()));
        assert_eq!(asked.get(), 1);
    }
}

/// Whoever asks may go away; the next one asks for itself.
#[test]
fn one_that_leaves_holds_up_nobody() {
    let cache = cache(LONG, LONG, LONG);
    let mut first = Box::pin(cache.verdict("a".into(), pending()));
    assert!(block_on(poll_once(&mut first)).is_none());
    drop(first);
    assert_eq!(ask(&cache, "a", &[Verdict::Passed]), [Verdict::Passed]);
}

#[test]
fn memory_is_bounded() {
    let cache = cache(LONG, LONG, LONG);
    for name in 0..100 {
        ask(&cache, &name.to_string(), &[Verdict::Passed]);
    }
    assert_eq!(cache.known.lock().unwrap().slots.len(), 2);
    assert_eq!(ask(&cache, "0", &[refused()]), [Verdict::Passed]);
    assert_eq!(ask(&cache, "99", &[refused()]), [refused()]);
    // What is of no use makes room.
    let cache = self::cache(NEVER, NEVER, NEVER);
    for name in 0..3 {
        ask(&cache, &name.to_string(), &[Verdict::Passed]);
    }
    assert_eq!(cache.known.lock().unwrap().slots.len(), 1);
}
