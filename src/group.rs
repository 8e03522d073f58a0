//! Group commit: whoever comes while others are at work waits, and one of those who wait then does the
//! work for all of them. Nobody waits for company, or for a timer: who comes alone begins at once.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
#[cfg(test)]
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use crate::locks::{lock, woken};

/// Those who have the same work to be done, each with a thing of its own.
#[derive(Debug)]
pub(crate) struct Group<T> {
    line: Mutex<Line<T>>,
    /// Who may be at work at once, each for a batch of things.
    leaders: usize,
}

#[derive(Debug)]
struct Line<T> {
    waiting: VecDeque<(T, Arc<Seat<T>>)>,
    leaders: usize,
}

/// Where one waits.
#[derive(Debug)]
struct Seat<T> {
    call: Mutex<Option<Call<T>>>,
    called: Condvar,
}

/// What one who waits is told, and the thing that comes with it.
#[derive(Debug)]
enum Call<T> {
    Lead(T),
    Done(T),
    Gone(T),
}

/// How long one waits in the line before it asks itself whether to go on.
struct Patience<F>(Option<Duration>, F);

impl<T> Group<T> {
    pub(crate) fn new(leaders: usize) -> Self {
        let waiting = VecDeque::new();
        Self {
            line: Mutex::new(Line {
                waiting,
                leaders: 0,
            }),
            leaders,
        }
    }

    /// Has `work` done with a thing, by this thread or by another, and gives the thing back: should
    /// the thread that does it panic, as it is then. `fits` is asked about each thing that might go
    /// along, this one first, which goes whatever it says; the first that does not fit ends a batch.
    pub(crate) fn join(
        &self,
        thing: T,
        fits: impl FnMut(&T) -> bool,
        work: impl FnOnce(&mut [T]),
    ) -> T {
        self.go_along(thing, Patience(None, || false), fits, work)
            .unwrap_or_else(|thing| thing)
    }

    /// The same for one who may be asked too much: after each `pause` in which nobody has begun with
    /// its thing it goes, with the thing as it is, if that is what `is_enough` says.
    #[cfg_attr(
        not(any(feature = "redis", test)),
        expect(dead_code, reason = "only Redis is asked too much")
    )]
    pub(crate) fn join_unless(
        &self,
        thing: T,
        pause: Duration,
        is_enough: impl FnMut() -> bool,
        fits: impl FnMut(&T) -> bool,
        work: impl FnOnce(&mut [T]),
    ) -> Result<T, T> {
        self.go_along(thing, Patience(Some(pause), is_enough), fits, work)
    }

    fn go_along(
        &self,
        thing: T,
        patience: Patience<impl FnMut() -> bool>,
        mut fits: impl FnMut(&T) -> bool,
        work: impl FnOnce(&mut [T]),
    ) -> Result<T, T> {
        let thing = match self.line_up(thing, patience) {
            Call::Done(thing) => return Ok(thing),
            Call::Gone(thing) => return Err(thing),
            Call::Lead(thing) => thing,
        };
        fits(&thing);
        let mut batch = Batch {
            group: self,
            things: vec![thing],
            seats: Vec::new(),
        };
        batch.gather(fits);
        work(&mut batch.things);
        Ok(batch.things.remove(0))
    }

    /// Leads, if there are too few who do. If not, one waits to be called.
    fn line_up(&self, thing: T, mut patience: Patience<impl FnMut() -> bool>) -> Call<T> {
        let mut line = lock(&self.line);
        if line.leaders < self.leaders {
            line.leaders += 1;
            return Call::Lead(thing);
        }
        let seat = Arc::new(Seat {
            call: Mutex::default(),
            called: Condvar::new(),
        });
        line.waiting.push_back((thing, Arc::clone(&seat)));
        drop(line);
        loop {
            if let Some(call) = seat.wait(patience.0) {
                return call;
            }
            if let Some(thing) = self.give_up(&seat, &mut patience.1) {
                return Call::Gone(thing);
            }
        }
    }

    /// Out of the line, unless it is called by now, or that is not enough.
    fn give_up(&self, seat: &Arc<Seat<T>>, is_enough: &mut impl FnMut() -> bool) -> Option<T> {
        let mut line = lock(&self.line);
        let same = |(_, other): &(T, Arc<Seat<T>>)| Arc::ptr_eq(other, seat);
        let index = line.waiting.iter().position(same)?;
        if !is_enough() {
            return None;
        }
        line.waiting.remove(index).map(|(thing, _)| thing)
    }

    /// Gives the lead to the one who has waited longest.
    fn leave(&self) {
        let mut line = lock(&self.line);
        match line.waiting.pop_front() {
            Some((thing, seat)) => seat.call(Call::Lead(thing)),
            None => line.leaders -= 1,
        }
    }
}

impl<T> Seat<T> {
    fn call(&self, call: Call<T>) {
        *lock(&self.call) = Some(call);
        self.called.notify_one();
    }

    /// Until it is called, or for so long.
    fn wait(&self, time: Option<Duration>) -> Option<Call<T>> {
        let mut call = lock(&self.call);
        let Some(time) = time else {
            while call.is_none() {
                call = woken(self.called.wait(call));
            }
            return call.take();
        };
        let waits = |call: &mut Option<Call<T>>| call.is_none();
        let (mut call, _) = woken(self.called.wait_timeout_while(call, time, waits));
        call.take()
    }
}

/// What one leader works on: its own thing, and those of the seats in their order.
struct Batch<'a, T> {
    group: &'a Group<T>,
    things: Vec<T>,
    seats: Vec<Arc<Seat<T>>>,
}

impl<T> Batch<'_, T> {
    fn gather(&mut self, mut fits: impl FnMut(&T) -> bool) {
        let mut line = lock(&self.group.line);
        let fitting = line.waiting.iter().take_while(|(thing, _)| fits(thing));
        let count = fitting.count();
        for (thing, seat) in line.waiting.drain(..count) {
            self.things.push(thing);
            self.seats.push(seat);
        }
    }
}

impl<T> Drop for Batch<'_, T> {
    /// Gives all their things back, even if the leader has panicked: then its own is still here.
    fn drop(&mut self) {
        let own = self.things.len() - self.seats.len();
        for (thing, seat) in self.things.drain(own..).zip(&self.seats) {
            seat.call(Call::Done(thing));
        }
        self.group.leave();
    }
}

#[cfg(test)]
impl<T: Send> Group<T> {
    /// Has all `things` brought while others are at work: the first one then leads.
    pub(crate) fn together<A: Send, B: Send>(
        &self,
        things: Vec<A>,
        join: impl Fn(A) -> B + Sync,
    ) -> Vec<B> {
        lock(&self.line).leaders = self.leaders;
        let count = things.len();
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for (number, thing) in things.into_iter().enumerate() {
                let join = &join;
                threads.push(scope.spawn(move || join(thing)));
                while lock(&self.line).waiting.len() <= number {
                    thread::yield_now();
                }
            }
            assert_eq!(lock(&self.line).waiting.len(), count);
            self.leave();
            let outcomes: Vec<_> = threads.into_iter().map(ScopedJoinHandle::join).collect();
            lock(&self.line).leaders -= self.leaders - 1;
            outcomes.into_iter().filter_map(Result::ok).collect()
        })
    }

    pub(crate) fn is_idle(&self) -> bool {
        let line = lock(&self.line);
        line.waiting.is_empty() && line.leaders == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Things that add up to no more than 10, each with the sum of its batch.
    fn join(group: &Group<(u32, u32)>, thing: (u32, u32)) -> (u32, u32) {
        let mut sum = 0;
        let fits = |thing: &(u32, u32)| {
            sum += thing.0;
            sum <= 10
        };
        group.join(thing, fits, |things| {
            let sum = things.iter().map(|thing| thing.0).sum();
            assert_ne!(sum, 9, "a sum that nobody can work with");
            for thing in things {
                thing.1 = sum;
            }
        })
    }

    #[test]
    fn one_works_for_all_who_fit() {
        for leaders in 1..3 {
            let group = Group::new(leaders);
            assert_eq!(join(&group, (20, 0)), (20, 20), "a lone one goes whatever");
            let things = [5, 3, 2, 1, 30, 4].map(|number| (number, 0)).to_vec();
            let done = group.together(things, |thing| join(&group, thing));
            let expected = [(5, 10), (3, 10), (2, 10), (1, 1), (30, 30), (4, 4)];
            assert_eq!(done, expected);
            assert!(group.is_idle());
        }
    }

    #[test]
    fn who_has_waited_enough_goes_with_its_thing() {
        let group = Group::new(1);
        group.join(
            1,
            |_| true,
            |_| {
                // Nobody begins while we are here.
                thread::scope(|scope| {
                    let wait = |patience: usize| {
                        let mut asked = 0;
                        let is_enough = move || {
                            asked += 1;
                            asked > patience
                        };
                        let time = Duration::from_millis(1);
                        group.join_unless(2, time, is_enough, |_| true, |_| ())
                    };
                    let threads = [0, 3].map(|patience| scope.spawn(move || wait(patience)));
                    for thread in threads {
                        assert_eq!(thread.join().expect("no panic"), Err(2));
                    }
                });
            },
        );
        assert!(group.is_idle());
        assert_eq!(
            group.join_unless(3, Duration::ZERO, || true, |_| true, |_| ()),
            Ok(3)
        );
    }

    #[test]
    fn a_panic_is_that_of_the_leader_only() {
        let group = Group::new(1);
        let things = [4, 5, 8, 2].map(|number| (number, 0)).to_vec();
        let done = group.together(things, |thing| join(&group, thing));
        assert_eq!(done, [(5, 0), (8, 10), (2, 10)]);
        assert!(group.is_idle());
    }
}
