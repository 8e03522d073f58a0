//! The file systems that Maildirs are on: who may work on which, and which takes no mail.
//!
//! A disk that does not answer keeps every thread that works on it. So each file system has turns
//! of its own, and when all of one are taken, others go on. Mail for Maildirs on several file
//! systems at once has turns of its own as well: it waits for the slowest of them, and must not
//! take the turns of the others with it.

mod turns;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

pub use turns::Turn;

use crate::envelope::{Destination, Recipient};
use crate::maildir;
use turns::Turns;

/// File systems with turns of their own, at most: turns are threads. The last one stands for all
/// others.
const MOST: usize = 8;

/// All file systems that the roots of the configuration are on, as they were when it was loaded.
#[derive(Debug)]
pub struct Disks {
    systems: Vec<Disk>,
    by_root: HashMap<Arc<Path>, usize>,
    /// For mail that goes to several file systems; the only one where there is one.
    several: Turns,
}

/// One file system.
#[derive(Debug)]
struct Disk {
    turns: Turns,
    roots: Vec<Arc<Path>>,
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
    /// messages are delivered at once to each of them.
    pub fn new(roots: &[Arc<Path>], deliveries: usize) -> Self {
        let mut numbers = HashMap::new();
        let mut by_root = HashMap::new();
        let mut grouped: Vec<Vec<Arc<Path>>> = Vec::new();
        for root in roots {
            // Where that cannot be told, the delivery will say what is wrong.
            let device = maildir::device(root).ok();
            let next = grouped.len().min(MOST - 1);
            let number = *numbers.entry(device).or_insert(next);
            if number == grouped.len() {
                grouped.push(Vec::new());
            }
            grouped[number].push(Arc::clone(root));
            by_root.insert(Arc::clone(root), number);
        }
        let shares = grouped.len() + 1;
        let disk = |roots| Disk {
            turns: Turns::new(deliveries, shares),
            roots,
        };
        Self {
            systems: grouped.into_iter().map(disk).collect(),
            by_root,
            several: Turns::new(deliveries, shares),
        }
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

    /// How many deliveries there may be at once, on all file systems together.
    pub fn deliveries(&self, each: usize) -> usize {
        match self.systems.len() {
            0 | 1 => each,
            several => each * (several + 1),
        }
    }

    /// The roots, those on one file system together.
    pub fn roots(&self) -> impl Iterator<Item = &[Arc<Path>]> {
        self.systems.iter().map(|disk| disk.roots.as_slice())
    }

    fn turns(&self, recipients: &[Recipient]) -> &Turns {
        // The common case is one file system, and costs nothing.
        if let [disk] = self.systems.as_slice() {
            return &disk.turns;
        }
        match self.need(recipients) {
            Need::One(number) => &self.systems[number].turns,
            _ => &self.several,
        }
    }

    /// Where mail for these recipients may go.
    fn need(&self, recipients: &[Recipient]) -> Need {
        let destinations = recipients
            .iter()
            .flat_map(|recipient| &recipient.destinations);
        destinations
            .flat_map(with_stand_ins)
            .map(|destination| self.by_root.get(&destination.location.root))
            .fold(Need::Nothing, |need, number| match (need, number) {
                (Need::Nothing, Some(&number)) => Need::One(number),
                (Need::One(one), Some(&number)) if one == number => need,
                _ => Need::Several,
            })
    }
}

/// A destination and its stand-ins.
fn with_stand_ins(destination: &Destination) -> impl Iterator<Item = &Destination> {
    std::iter::successors(Some(destination), |it| it.otherwise.as_deref())
}

#[cfg(test)]
mod tests;
