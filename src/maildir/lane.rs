//! Commits on one file system, many at once.
//!
//! Every message needs its data on the device before its name, and its name before the promise.
//! Done one by one, that is four waits for the device and some twenty changes of context for each.
//! Here they go in company ([`Group`]): the data of all is begun and awaited, all are renamed, one
//! sync makes all names durable.
//!
//! One sync for the names in many folders is enough only where [`Flush::WriteBack`] is the way: the
//! journal of ext4 commits in order, so the last name takes all earlier ones along.
//!
//! [`Flush::WriteBack`]: super::flush::Flush::WriteBack

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use super::Names;
use super::bundle::{Bundles, Packed, Written};
use super::handle::sync_folder;
use super::staged::{Staged, State};
use crate::group::Group;
use crate::locks::lock;

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
#[derive(Debug)]
pub(super) struct Lane(Group<Parcel>);

impl Default for Lane {
    fn default() -> Self {
        Self(Group::new(LEADERS))
    }
}

/// The copies of one message.
#[derive(Debug)]
struct Parcel {
    copies: Vec<Staged>,
    outcome: io::Result<()>,
    /// Whether its batch came to its end.
    settled: bool,
}

impl Lane {
    /// Commits the copies of one message, all or none, together with what others commit meanwhile.
    /// After an error some can be linked.
    pub(super) fn commit(&self, staged: &mut Vec<Staged>, names: &Names) -> io::Result<()> {
        let (copies, outcome) = self.pass(std::mem::take(staged), |batch| commit(batch, names));
        *staged = copies;
        outcome
    }

    fn pass(
        &self,
        copies: Vec<Staged>,
        work: impl FnOnce(&mut [Parcel]),
    ) -> (Vec<Staged>, io::Result<()>) {
        let parcel = Parcel {
            copies,
            outcome: Ok(()),
            settled: false,
        };
        let mut room = BATCH;
        let fits = |_: &Parcel| {
            let fits = room > 0;
            room = room.saturating_sub(1);
            fits
        };
        let parcel = self.0.join(parcel, fits, work);
        let outcome = if parcel.settled {
            parcel.outcome
        } else {
            Err(io::Error::other(
                "the thread that committed it has panicked",
            ))
        };
        (parcel.copies, outcome)
    }
}

impl Parcel {
    /// Goes on with each copy, as long as all is well with all of them.
    fn go_on(&mut self, mut step: impl FnMut(&mut Staged) -> io::Result<()>) {
        if self.outcome.is_ok() {
            self.outcome = self.copies.iter_mut().try_for_each(&mut step);
        }
    }
}

impl Parcel {
    /// Bundles that some of it is on its way into.
    fn bundles(&self) -> Option<&Arc<Bundles>> {
        let copies = self.outcome.is_ok().then_some(&self.copies)?;
        copies.iter().find_map(Staged::bundles)
    }

    fn packed_for(&mut self, bundles: &Arc<Bundles>) -> impl Iterator<Item = &mut Packed> {
        let copies = if self.outcome.is_ok() {
            &mut self.copies[..]
        } else {
            &mut []
        };
        copies
            .iter_mut()
            .filter_map(|copy| copy.packed_for(bundles))
    }
}

/// Goes through the steps, each for all; what fails with one message is that one's failure only. No
/// step begins for any message before the one before it is done for this message.
fn commit(batch: &mut [Parcel], names: &Names) {
    if batch
        .iter()
        .map(|parcel| parcel.copies.len())
        .sum::<usize>()
        > 1
    {
        for parcel in &mut *batch {
            parcel.go_on(|copy| copy.begin());
        }
    }
    let mut bundles = write(batch);
    step(batch, &mut bundles, Written::begin);
    step(batch, &mut bundles, Written::finish);
    for parcel in &mut *batch {
        parcel.go_on(Staged::finish);
        parcel.go_on(|copy| copy.link(names));
    }
    sync(batch, &mut bundles);
    show(batch, bundles);
    for parcel in batch {
        parcel.settled = true;
    }
}

/// Writes what goes into bundles.
fn write(batch: &mut [Parcel]) -> Vec<Written> {
    let mut all = Vec::new();
    while let Some(bundles) = batch.iter().find_map(Parcel::bundles).cloned() {
        let packed = batch
            .iter_mut()
            .flat_map(|parcel| parcel.packed_for(&bundles));
        match bundles.write(&mut packed.collect::<Vec<_>>()) {
            Ok(written) => all.extend(written),
            Err(error) => fail(batch, &error, |copy| copy.is_packed_for(&bundles)),
        }
    }
    all
}

/// Goes on with each bundle. One with which that fails is given up, and those messages with it.
fn step(
    batch: &mut [Parcel],
    bundles: &mut Vec<Written>,
    step: impl Fn(&Written) -> io::Result<()>,
) {
    bundles.retain(|bundle| match step(bundle) {
        Ok(()) => true,
        Err(error) => {
            fail(batch, &error, |copy| copy.is_in(bundle));
            false
        }
    });
}

/// Syncs the folder that was changed last, and with it all. What is in bundles came before; where there is
/// nothing else it is synced by itself. After an error nobody knows what of them is there: nothing is ever
/// written behind it.
fn sync(batch: &mut [Parcel], bundles: &mut Vec<Written>) {
    let well = batch.iter().filter(|parcel| parcel.outcome.is_ok());
    let linked = |copy: &&Staged| copy.state == State::Linked;
    let synced = match well.flat_map(|parcel| &parcel.copies).rfind(linked) {
        Some(last) => sync_folder(&last.maildir.new).map_err(io::Error::from),
        None => bundles.iter().try_for_each(Written::sync),
    };
    if let Err(error) = synced {
        fail(batch, &error, |_| true);
        bundles.clear();
    }
}

/// Lets what is in bundles be taken, but for what belongs to a message that has failed.
fn show(batch: &mut [Parcel], bundles: Vec<Written>) {
    for mut bundle in bundles {
        for parcel in batch.iter().filter(|parcel| parcel.outcome.is_err()) {
            let packed = parcel.copies.iter().filter_map(|copy| copy.packed.as_ref());
            packed.for_each(|packed| bundle.strike(packed));
        }
        match bundle.show() {
            Ok(()) => bundle.close(),
            Err(error) => fail(batch, &error, |copy| copy.is_in(&bundle)),
        }
    }
    for parcel in batch.iter_mut().filter(|parcel| parcel.outcome.is_ok()) {
        parcel.copies.iter_mut().for_each(Staged::shown);
    }
}

/// What has one of these copies fails.
fn fail(batch: &mut [Parcel], error: &io::Error, is_hit: impl Fn(&Staged) -> bool) {
    for parcel in batch {
        parcel.go_on(|copy| {
            if is_hit(copy) {
                Err(again(error))
            } else {
                Ok(())
            }
        });
    }
}

/// The same error, for another message.
fn again(error: &io::Error) -> io::Error {
    let code = error.raw_os_error();
    code.map_or_else(
        || io::Error::new(error.kind(), error.to_string()),
        io::Error::from_raw_os_error,
    )
}

#[cfg(test)]
impl Lane {
    /// Has all `parcels` committed in one batch; the outcome of each, in their order.
    pub(super) fn commit_together(
        &self,
        parcels: Vec<Vec<Staged>>,
        names: &Names,
    ) -> Vec<(Vec<Staged>, io::Result<()>)> {
        self.all_together(parcels, |batch| commit(batch, names))
    }

    /// The same, with a leader that breaks off before its first step, and has no outcome.
    pub(super) fn break_off(
        &self,
        parcels: Vec<Vec<Staged>>,
    ) -> Vec<(Vec<Staged>, io::Result<()>)> {
        self.all_together(parcels, |_| panic!("broken off"))
    }

    fn all_together(
        &self,
        parcels: Vec<Vec<Staged>>,
        work: impl Fn(&mut [Parcel]) + Sync,
    ) -> Vec<(Vec<Staged>, io::Result<()>)> {
        let bring = |copies| self.pass(copies, &work);
        self.0.together(parcels, bring)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.0.is_idle()
    }
}
