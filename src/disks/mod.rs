//! The file systems that Maildirs are on: who may work on which, and which takes no mail.
//!
//! A disk that does not answer keeps every thread that works on it. So each file system has turns
//! of its own, and when all of one are taken, others go on. Mail for Maildirs on several file
//! systems at once has turns of its own as well: it waits for the slowest of them, and must not
//! take the turns of the others with it.

mod health;
mod known;
mod turns;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

pub use known::Known;
use rustix::io::Errno;
pub use turns::Turn;

use crate::envelope::{Destination, Recipient};
use crate::failure::Failure;
use crate::health::{Health as Board, Part};
use crate::maildir::{self, ProbeError};
use crate::smtp::reply;
use health::{Advice, Health};
use turns::Turns;

/// File systems with turns of their own, at most: turns are threads. The last one stands for all
/// others.
const MOST: usize = 8;
/// Roots that are named in the log, at most.
const SHOWN: usize = 3;

/// All file systems that the roots of the configuration are on, as they were when it was loaded.
#[derive(Debug)]
pub struct Disks {
    systems: Vec<Disk>,
    by_root: HashMap<Arc<Path>, usize>,
    /// For mail that goes to several file systems.
    several: Arc<Turns>,
    /// Where all mail goes, whoever it is for.
    always: Option<Arc<Path>>,
    limits: Limits,
}

/// What a configuration allows.
#[derive(Clone, Copy, Debug)]
struct Limits {
    deliveries: usize,
    errors: usize,
}

/// One file system.
#[derive(Debug)]
struct Disk {
    system: Arc<System>,
    roots: Vec<Arc<Path>>,
    /// Where it is mounted.
    name: String,
    /// Where it is written down whether it is fit for mail.
    part: Option<Part>,
}

/// The deliveries to a file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Where it is mounted; `several` for mail that goes to more than one file system.
    pub disk: String,
    /// Those that have their turn.
    pub under_way: usize,
    /// How many there may be.
    pub most: usize,
}

/// What all configurations know of one.
#[derive(Debug)]
struct System {
    turns: Turns,
    health: Health,
}

/// What mail needs to be where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Nothing,
    One(usize),
    Several,
}

impl Disks {
    /// The file systems that `roots` are on, or would be on if they were made. At most `deliveries`
    /// messages are delivered at once to each of them. One that has had so many `errors` within a
    /// minute takes no mail until it works again; with 0 it goes on.
    pub fn new(roots: &[Arc<Path>], deliveries: usize, errors: usize) -> Self {
        Self::among(&Known::default(), roots, deliveries, errors)
    }

    /// The same, where some of them are `known` already: who works on those counts, and what was
    /// wrong with them still is. What is allowed there is changed by [`settle`](Self::settle) only.
    pub fn among(known: &Known, roots: &[Arc<Path>], deliveries: usize, errors: usize) -> Self {
        let mut numbers = HashMap::new();
        let mut by_root = HashMap::new();
        let mut grouped: Vec<(Option<u64>, Vec<Arc<Path>>)> = Vec::new();
        for root in roots {
            // Where that cannot be told, the delivery will say what is wrong.
            let device = maildir::device(root).ok();
            let next = grouped.len().min(MOST - 1);
            let number = *numbers.entry(device).or_insert(next);
            if number == grouped.len() {
                grouped.push((device, Vec::new()));
            }
            grouped[number].1.push(Arc::clone(root));
            by_root.insert(Arc::clone(root), number);
        }
        let limits = Limits { deliveries, errors };
        let shares = shares(grouped.len());
        let disk = |(device, roots): (_, Vec<_>)| Disk {
            system: known.system(device, limits, shares),
            name: name(&roots),
            roots,
            part: None,
        };
        Self {
            systems: grouped.into_iter().map(disk).collect(),
            by_root,
            several: known.several(limits, shares),
            always: None,
            limits,
        }
    }

    /// From now on the limits of this configuration hold, also for who began under another.
    pub fn settle(&self) {
        let Limits { deliveries, errors } = self.limits;
        let shares = shares(self.systems.len());
        for Disk { system, .. } in &self.systems {
            system.turns.resize(deliveries, shares);
            system.health.allow(errors);
        }
        self.several.resize(deliveries, shares);
    }

    /// The same, where all mail goes below `root`, too, which is one of the roots: the spool's, say.
    #[must_use]
    pub fn always(self, root: Option<Arc<Path>>) -> Self {
        Self {
            always: root,
            ..self
        }
    }

    /// The same, where it is written down which of them are fit for mail.
    #[must_use]
    pub fn reporting(mut self, health: &Board) -> Self {
        for disk in &mut self.systems {
            disk.part = Some(health.part(&format!("disk {}", disk.name)));
        }
        self
    }

    /// The deliveries to each of them.
    pub fn traffic(&self) -> Vec<Traffic> {
        let traffic = |disk: String, turns: &Turns| {
            let (under_way, most) = turns.deliveries();
            Traffic {
                disk,
                under_way,
                most,
            }
        };
        let disks = self.systems.iter();
        let mut all: Vec<_> = disks
            .map(|disk| traffic(disk.name.clone(), &disk.system.turns))
            .collect();
        if all.len() > 1 {
            all.push(traffic("several".to_owned(), &self.several));
        }
        all
    }

    /// Waits until a message for all these recipients may be delivered.
    pub async fn turn(&self, recipients: &[Recipient]) -> Turn {
        self.turns(recipients).delivery().await
    }

    /// Waits until one of the threads that are there for work that blocks may work for all these
    /// recipients. The turn is to be kept until that work is done, however it ends.
    pub async fn turn_aside(&self, recipients: &[Recipient]) -> Turn {
        self.turns(recipients).aside().await
    }

    /// The number of the file system that mail for these recipients goes to; none where there are
    /// several.
    pub fn number(&self, recipients: &[Recipient]) -> Option<usize> {
        match self.need_of(recipients) {
            Need::One(number) => Some(number),
            _ => None,
        }
    }

    /// How many deliveries there may be at once, on all file systems together.
    pub fn deliveries(&self, each: usize) -> usize {
        each * shares(self.systems.len())
    }

    /// The roots, those on one file system together.
    pub fn roots(&self) -> impl Iterator<Item = &[Arc<Path>]> {
        self.systems.iter().map(|disk| disk.roots.as_slice())
    }

    /// Refuses mail, at once, for a file system that had too many errors. When it was left alone
    /// for a while it is tried with `probe`.
    pub fn admit(
        &self,
        root: &Arc<Path>,
        probe: impl FnOnce(&Path) -> Result<(), ProbeError>,
    ) -> Result<(), Failure> {
        let Some(disk) = self.disk(root) else {
            return Ok(());
        };
        let outcome = match disk.system.health.advice(Instant::now()) {
            Advice::Use => {
                disk.part.as_ref().map(Part::well);
                return Ok(());
            }
            Advice::Leave => return Err(disk.ill()),
            Advice::Try => probe(root),
        };
        if let Err(error) = outcome {
            log::debug!(root:% = root.display(), error:% = error; "the disk does not work yet");
            return Err(disk.ill());
        }
        disk.system.health.recovered();
        disk.part.as_ref().map(Part::well);
        log::warn!(root:% = root.display(); "the disk works again, mail for it is taken");
        Ok(())
    }

    /// Refuses a recipient whose mail would be refused now.
    pub fn check(&self, recipient: &Recipient) -> Result<(), Failure> {
        let destinations = recipient.destinations.iter();
        let roots = destinations.map(|destination| &destination.location.root);
        let mut disks = roots.chain(&self.always).filter_map(|root| self.disk(root));
        let now = Instant::now();
        match disks.find(|disk| disk.system.health.rests(now)) {
            Some(disk) => Err(disk.ill()),
            None => Ok(()),
        }
    }

    /// Counts an error of a delivery below all these roots, if it comes from a disk and it is clear
    /// from which.
    pub fn failed<'a>(&self, roots: impl IntoIterator<Item = &'a Arc<Path>>, error: &io::Error) {
        if Errno::from_io_error(error) != Some(Errno::IO) {
            return;
        }
        let need = self.need(roots);
        if let Need::One(number) = need
            && self.systems[number].system.health.failed(Instant::now())
        {
            let disk = &self.systems[number];
            disk.ill();
            let roots: Vec<_> = disk.roots.iter().take(SHOWN).collect();
            log::error!(roots:? = roots, retry = health::REST.as_secs(); "a disk fails again and again: no mail for it is taken until it works");
        }
    }

    fn disk(&self, root: &Arc<Path>) -> Option<&Disk> {
        match self.systems.as_slice() {
            // As everywhere here: the common case costs nothing.
            [disk] => Some(disk),
            disks => disks.get(*self.by_root.get(root)?),
        }
    }

    fn turns(&self, recipients: &[Recipient]) -> &Turns {
        match self.need_of(recipients) {
            Need::One(number) => &self.systems[number].system.turns,
            _ => &self.several,
        }
    }

    fn need_of(&self, recipients: &[Recipient]) -> Need {
        // The common case is one file system, and costs nothing.
        if self.systems.len() == 1 {
            return Need::One(0);
        }
        let destinations = recipients
            .iter()
            .flat_map(|recipient| &recipient.destinations);
        let roots = destinations
            .flat_map(with_stand_ins)
            .map(|destination| &destination.location.root);
        self.need(roots.chain(&self.always))
    }

    /// On which file systems these roots are.
    fn need<'a>(&self, roots: impl IntoIterator<Item = &'a Arc<Path>>) -> Need {
        let numbers = roots.into_iter().map(|root| self.by_root.get(root));
        numbers.fold(Need::Nothing, |need, number| match (need, number) {
            (Need::Nothing, Some(&number)) => Need::One(number),
            (Need::One(one), Some(&number)) if one == number => need,
            _ => Need::Several,
        })
    }
}

/// How many kinds of turns there are: one for each file system, and where there are several, that
/// for several at once.
fn shares(systems: usize) -> usize {
    match systems {
        0 | 1 => 1,
        several => several + 1,
    }
}

/// No root is told: it may be a single mailbox.
fn name(roots: &[Arc<Path>]) -> String {
    let mounted = roots.first().map(|root| maildir::mount_point(root));
    let mounted = mounted.and_then(Result::ok);
    mounted.map_or_else(|| "unknown".to_owned(), |path| path.display().to_string())
}

impl Disk {
    /// Writes it down; what the client hears is as for any other fault of ours. Another
    /// configuration with the same disk may have found it out.
    fn ill(&self) -> Failure {
        let cause = "its disk had too many errors";
        self.part.as_ref().map(|part| part.ill(cause));
        Failure::new(reply::LOCAL_FAULT, cause)
    }
}

/// A destination and its stand-ins.
fn with_stand_ins(destination: &Destination) -> impl Iterator<Item = &Destination> {
    std::iter::successors(Some(destination), |it| it.otherwise.as_deref())
}

#[cfg(test)]
mod tests;
