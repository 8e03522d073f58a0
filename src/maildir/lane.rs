//! Commits on one file system, many at once.
//!
//! Every message needs its data on the device before its name, and its name before the promise.
//! Done one by one, that is four waits for the device and some twenty changes of context for each.
//! Here those who come while others are at it wait, and one of them then goes through the steps for
//! all: the data of all is begun and awaited, all are renamed, one sync makes all names durable.
//! Nobody waits for company: a lone message leads itself, at once.
//!
//! One sync for the names in many folders is enough only where [`Flush::WriteBack`] is the way: the
//! journal of ext4 commits in order, so the last name takes all earlier ones along.
//!
//! [`Flush::WriteBack`]: super::flush::Flush::WriteBack

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::Names;
use super::handle::sync_folder;
use super::staged::{Staged, State};
use super::threads::lock;

/// Those who lead at once: while the names of one batch are synced, the next one writes its data.
const LEADERS: usize = 2;
/// Messages in one batch, at most.
const BATCH: usize = 256;

/// The lanes of all file systems, by device.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<HashMap<u64, Arc<Lane>>>);

impl Lanes {
    pub(super) fn of(&self, device: u64) -> Arc<Lane> {
        Arc::clone(lock(&self.0).entry(device).or_default())
    }
}

/// The commits on one file system.
#[derive(Debug, Default)]
pub(super) struct Lane(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Arc<Ticket>>,
    leaders: usize,
}

/// The copies of one message, and where they are in their lane.
#[derive(Debug)]
struct Ticket {
    copies: Mutex<Vec<Staged>>,
    place: Mutex<Place>,
    called: Condvar,
}

#[derive(Debug)]
enum Place {
    Waits,
    Leads,
    Done(io::Result<()>),
}

impl Lane {
    /// Commits the copies of one message, all or none, together with what others commit meanwhile.
    /// After an error some can be linked.
    pub(super) fn commit(&self, staged: &mut Vec<Staged>, names: &Names) -> io::Result<()> {
        let ticket = Arc::new(Ticket::new(std::mem::take(staged)));
        let outcome = if self.may_lead(&ticket) {
            self.lead(&ticket, names)
        } else {
            match ticket.wait() {
                Some(outcome) => outcome,
                None => self.lead(&ticket, names),
            }
        };
        *staged = std::mem::take(&mut lock(&ticket.copies));
        outcome
    }

    /// Whether there are too few who lead. If not, the ticket waits.
    fn may_lead(&self, ticket: &Arc<Ticket>) -> bool {
        let mut queue = lock(&self.0);
        let may = queue.leaders < LEADERS;
        if may {
            queue.leaders += 1;
        } else {
            queue.waiting.push_back(Arc::clone(ticket));
        }
        may
    }

    /// Commits this ticket and all that wait.
    fn lead(&self, ticket: &Arc<Ticket>, names: &Names) -> io::Result<()> {
        let mut batch = Batch {
            lane: self,
            parcels: vec![Parcel::open(ticket)],
        };
        let mut queue = lock(&self.0);
        let others = queue.waiting.len().min(BATCH - 1);
        let others: Vec<_> = queue.waiting.drain(..others).collect();
        drop(queue);
        batch.parcels.extend(others.iter().map(Parcel::open));
        batch.commit(names);
        drop(batch);
        ticket
            .wait()
            .unwrap_or_else(|| Err(io::Error::other("a batch without its leader")))
    }

    /// Gives the lead to the one who has waited longest.
    fn leave(&self) {
        let mut queue = lock(&self.0);
        match queue.waiting.pop_front() {
            Some(next) => next.call(Place::Leads),
            None => queue.leaders -= 1,
        }
    }
}

impl Ticket {
    fn new(copies: Vec<Staged>) -> Self {
        Self {
            copies: Mutex::new(copies),
            place: Mutex::new(Place::Waits),
            called: Condvar::new(),
        }
    }

    fn call(&self, place: Place) {
        *lock(&self.place) = place;
        self.called.notify_one();
    }

    /// Waits for the outcome, or for the lead (none).
    fn wait(&self) -> Option<io::Result<()>> {
        let mut place = lock(&self.place);
        loop {
            match std::mem::replace(&mut *place, Place::Waits) {
                Place::Done(outcome) => return Some(outcome),
                Place::Leads => return None,
                Place::Waits => {}
            }
            place = self
                .called
                .wait(place)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What one leader commits.
struct Batch<'a> {
    lane: &'a Lane,
    parcels: Vec<Parcel>,
}

/// A ticket in a batch.
struct Parcel {
    ticket: Arc<Ticket>,
    copies: Vec<Staged>,
    outcome: io::Result<()>,
    /// Whether the batch came to its end.
    settled: bool,
}

impl Parcel {
    fn open(ticket: &Arc<Ticket>) -> Self {
        Self {
            copies: std::mem::take(&mut *lock(&ticket.copies)),
            ticket: Arc::clone(ticket),
            outcome: Ok(()),
            settled: false,
        }
    }

    /// Goes on with each copy, as long as all is well with all of them.
    fn go_on(&mut self, mut step: impl FnMut(&mut Staged) -> io::Result<()>) {
        if self.outcome.is_ok() {
            self.outcome = self.copies.iter_mut().try_for_each(&mut step);
        }
    }
}

impl Batch<'_> {
    /// Goes through the steps, each for all; what fails with one message is that one's failure
    /// only. No step begins for any message before the one before it is done for this message.
    fn commit(&mut self, names: &Names) {
        if self
            .parcels
            .iter()
            .map(|parcel| parcel.copies.len())
            .sum::<usize>()
            > 1
        {
            for parcel in &mut self.parcels {
                parcel.go_on(|copy| copy.begin());
            }
        }
        for parcel in &mut self.parcels {
            parcel.go_on(Staged::finish);
            parcel.go_on(|copy| copy.link(names));
        }
        self.sync();
        for parcel in &mut self.parcels {
            parcel.settled = true;
        }
    }

    /// Syncs the folder that was changed last, and with it all.
    fn sync(&mut self) {
        let well = self.parcels.iter().filter(|parcel| parcel.outcome.is_ok());
        let linked = |copy: &&Staged| copy.state == State::Linked;
        let Some(last) = well.flat_map(|parcel| &parcel.copies).rfind(linked) else {
            return;
        };
        if let Err(error) = sync_folder(&last.maildir.new) {
            for parcel in &mut self.parcels {
                parcel.go_on(|_| Err(error.into()));
            }
        }
    }
}

impl Drop for Batch<'_> {
    /// Tells everyone, even if the leader has panicked.
    fn drop(&mut self) {
        for parcel in self.parcels.drain(..) {
            *lock(&parcel.ticket.copies) = parcel.copies;
            let outcome = if parcel.settled {
                parcel.outcome
            } else {
                Err(io::Error::other(
                    "the thread that committed it has panicked",
                ))
            };
            parcel.ticket.call(Place::Done(outcome));
        }
        self.lane.leave();
    }
}

#[cfg(test)]
impl Lane {
    /// Has all `parcels` committed in one batch; the outcome of each, in their order.
    pub(super) fn commit_together(
        &self,
        parcels: Vec<Vec<Staged>>,
        names: &Names,
    ) -> Vec<(Vec<Staged>, io::Result<()>)> {
        lock(&self.0).leaders = LEADERS;
        let count = parcels.len();
        std::thread::scope(|scope| {
            let commit = |mut staged| {
                let outcome = self.commit(&mut staged, names);
                (staged, outcome)
            };
            let threads: Vec<_> = parcels
                .into_iter()
                .map(|staged| scope.spawn(move || commit(staged)))
                .collect();
            while lock(&self.0).waiting.len() < count {
                std::thread::yield_now();
            }
            self.leave();
            let outcomes = threads.into_iter().map(|it| it.join().unwrap()).collect();
            lock(&self.0).leaders -= LEADERS - 1;
            outcomes
        })
    }

    /// Has a leader break off before its first step.
    pub(super) fn break_off(&self, staged: Vec<Staged>) -> (Vec<Staged>, io::Result<()>) {
        let ticket = Arc::new(Ticket::new(staged));
        assert!(self.may_lead(&ticket));
        drop(Batch {
            lane: self,
            parcels: vec![Parcel::open(&ticket)],
        });
        let outcome = ticket.wait().expect("the one who leads is not asked to");
        let staged = std::mem::take(&mut *lock(&ticket.copies));
        (staged, outcome)
    }

    pub(super) fn is_idle(&self) -> bool {
        let queue = lock(&self.0);
        queue.waiting.is_empty() && queue.leaders == 0
    }
}
