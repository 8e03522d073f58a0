use std::cell::Cell;
use std::future::pending;

use smol::block_on;
use smol::future::{poll_once, yield_now, zip};

use super::*;

#[derive(Clone, Debug, PartialEq)]
struct Said(Kind, &'static str);

const PASSED: Said = Said(Kind::Yes, "yes");
const REFUSED: Said = Said(Kind::No, "no");
const UNKNOWN: Said = Said(Kind::Unknown, "down");

impl Answer for Said {
    fn kind(&self) -> Kind {
        self.0
    }
}

const NEVER: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_hours(1);

fn cache(positive: Duration, negative: Duration, stale_if_error: Duration) -> Answers<Said> {
    let times = Times {
        positive,
        negative,
        stale_if_error,
        entries: 2,
    };
    Answers::new("it", times)
}

/// Asks for each of the answers in turn; what came of them.
fn ask(cache: &Answers<Said>, name: &str, answers: &[Said]) -> Vec<Said> {
    let ask = |answer: &Said| {
        let answer = answer.clone();
        block_on(cache.answer(name.into(), async { answer }))
    };
    answers.iter().map(ask).collect()
}

#[test]
fn answers_are_believed_for_their_time() {
    let asked = [PASSED, REFUSED, UNKNOWN];
    for (positive, negative, stale, answers) in [
        (NEVER, NEVER, NEVER, [PASSED, REFUSED, UNKNOWN]),
        (LONG, NEVER, NEVER, [PASSED, PASSED, PASSED]),
        (NEVER, LONG, NEVER, [PASSED, REFUSED, REFUSED]),
        (NEVER, NEVER, LONG, [PASSED, REFUSED, UNKNOWN]),
    ] {
        let cache = cache(positive, negative, stale);
        assert_eq!(ask(&cache, "a", &asked), answers);
    }
}

#[test]
fn what_could_not_be_said_is_asked_again() {
    let cache = cache(LONG, LONG, LONG);
    let answers = ask(&cache, "a", &[UNKNOWN, PASSED, UNKNOWN]);
    assert_eq!(answers, [UNKNOWN, PASSED, PASSED]);
}

#[test]
fn who_asks_meanwhile_gets_the_same_answer() {
    for answer in [PASSED, REFUSED, UNKNOWN] {
        let cache = cache(LONG, LONG, NEVER);
        let asked = Cell::new(0);
        let one = || {
            cache.answer("a".into(), async {
                asked.set(asked.get() + 1);
                yield_now().await;
                answer.clone()
            })
        };
        let (first, second) = block_on(zip(one(), one()));
        assert_eq!((first, second), (answer.clone(), answer.clone()));
        assert_eq!(asked.get(), 1);
    }
}

/// Whoever asks may go away; the next one asks for itself.
#[test]
fn one_that_leaves_holds_up_nobody() {
    let cache = cache(LONG, LONG, LONG);
    let mut first = Box::pin(cache.answer("a".into(), pending()));
    assert!(block_on(poll_once(&mut first)).is_none());
    drop(first);
    assert_eq!(ask(&cache, "a", &[PASSED]), [PASSED]);
}

#[test]
fn memory_is_bounded() {
    let cache = cache(LONG, LONG, LONG);
    for name in 0..100 {
        ask(&cache, &name.to_string(), &[PASSED]);
    }
    assert_eq!(cache.known.lock().unwrap().slots.len(), 2);
    assert_eq!(ask(&cache, "0", &[REFUSED]), [PASSED]);
    assert_eq!(ask(&cache, "99", &[REFUSED]), [REFUSED]);
    // Refusals make room for others, whoever guesses.
    let cache = self::cache(LONG, LONG, LONG);
    ask(&cache, "good", &[PASSED]);
    ask(&cache, "guessed", &[REFUSED]);
    ask(&cache, "also good", &[PASSED]);
    assert_eq!(ask(&cache, "also good", &[UNKNOWN]), [PASSED]);
    assert_eq!(ask(&cache, "good", &[UNKNOWN]), [PASSED]);
    assert_eq!(ask(&cache, "guessed", &[UNKNOWN]), [UNKNOWN]);
    // What is of no use makes room.
    let cache = self::cache(NEVER, NEVER, NEVER);
    for name in 0..3 {
        ask(&cache, &name.to_string(), &[PASSED]);
    }
    assert_eq!(cache.known.lock().unwrap().slots.len(), 1);
}
