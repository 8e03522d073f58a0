use std::cell::Cell;
use std::future::pending;
use std::slice;

use smol::block_on;
use smol::future::{poll_once, yield_now, zip};

use super::*;

#[derive(Clone, Debug, PartialEq)]
struct Said(Kind, &'static str, Option<Duration>);

const PASSED: Said = Said(Kind::Yes, "yes", None);
const REFUSED: Said = Said(Kind::No, "no", None);
const UNKNOWN: Said = Said(Kind::Unknown, "down", None);
const NOT_YOU: Said = Said(Kind::No, "not you", Some(NEVER));
const YOU: Said = Said(Kind::Yes, "you", Some(NEVER));
const LASTS: Said = Said(Kind::No, "for long", Some(LONG));

impl Answer for Said {
    fn kind(&self) -> Kind {
        self.0
    }

    fn lifetime(&self) -> Option<Duration> {
        self.2
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
fn an_answer_may_say_how_long_it_holds() {
    let cache = cache(NEVER, NEVER, LONG);
    let asked = [
        NOT_YOU, YOU, UNKNOWN, PASSED, NOT_YOU, UNKNOWN, LASTS, PASSED,
    ];
    let heard = [
        NOT_YOU, YOU, UNKNOWN, PASSED, NOT_YOU, UNKNOWN, LASTS, LASTS,
    ];
    assert_eq!(ask(&cache, "a", &asked), heard);
}

/// Who asks meanwhile gets an answer of its own, and waits only where nobody knew that.
#[test]
fn an_answer_may_be_for_one_question_alone() {
    let cache = cache(LONG, LONG, LONG);
    let first = cache.answer("a".into(), async {
        yield_now().await;
        NOT_YOU
    });
    let second = cache.answer("a".into(), async { YOU });
    assert_eq!(block_on(zip(first, second)), (NOT_YOU, YOU));
    let mut slow = Box::pin(cache.answer("a".into(), pending()));
    assert!(block_on(poll_once(&mut slow)).is_none());
    assert_eq!(
        ask(&cache, "a", &[NOT_YOU, PASSED, REFUSED]),
        [NOT_YOU, PASSED, PASSED]
    );
}

/// As where the configuration gives an answer no time; the last one counts all the same while nobody
/// can say.
#[test]
fn nobody_waits_for_an_answer_that_is_not_remembered() {
    for answer in [PASSED, REFUSED] {
        let cache = cache(NEVER, NEVER, LONG);
        assert_eq!(ask(&cache, "a", slice::from_ref(&answer)), [answer]);
        let mut slow = Box::pin(cache.answer("a".into(), pending()));
        assert!(block_on(poll_once(&mut slow)).is_none());
        let mut next = Box::pin(cache.answer("a".into(), async { PASSED }));
        assert_eq!(block_on(poll_once(&mut next)), Some(PASSED));
        assert_eq!(ask(&cache, "a", &[UNKNOWN]), [PASSED]);
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
