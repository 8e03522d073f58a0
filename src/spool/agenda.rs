//! Which letter is next: all letters of a queue, in memory, by the time they are due.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use crate::maildir::bundle_of;

/// The letters that wait and those under way. Each takes about 250 octets, however large it
/// is.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    slots: HashMap<Arc<str>, Slot>,
    /// How many of them are in a bundle.
    bundles: HashMap<String, usize>,
    /// A letter may be here several times; only the one at the time that its slot says counts.
    order: BinaryHeap<Reverse<(u64, Arc<str>)>>,
}

#[derive(Debug)]
struct Slot {
    due: u64,
    attempts: u32,
    is_under_way: bool,
}

impl Agenda {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.slots.contains_key(name)
    }

    /// Whether there is a letter of this bundle.
    pub(super) fn has_of(&self, bundle: &str) -> bool {
        self.bundles.contains_key(bundle)
    }

    /// Enters a letter, or what is new about one. One that is under way is left alone: its end
    /// tells more.
    pub(super) fn enter(&mut self, name: Arc<str>, due: u64, attempts: u32) {
        let bundles = &mut self.bundles;
        let slot = self.slots.entry(Arc::clone(&name)).or_insert_with(|| {
            if let Some(bundle) = bundle_of(&name) {
                match bundles.get_mut(bundle) {
                    Some(letters) => *letters += 1,
                    None => drop(bundles.insert(bundle.to_owned(), 1)),
                }
            }
            Slot {
                due: u64::MAX,
                attempts,
                is_under_way: false,
            }
        });
        if slot.is_under_way || slot.due == due {
            return;
        }
        (slot.due, slot.attempts) = (due, attempts);
        self.order.push(Reverse((due, name)));
    }

    /// Forgets a letter that is not there any more.
    pub(super) fn forget(&mut self, name: &str) {
        if self.slots.remove(name).is_some() {
            forget_one(&mut self.bundles, name);
        }
    }

    /// The same, unless it is under way: its end tells more.
    pub(super) fn forget_idle(&mut self, name: &str) {
        if self.slots.get(name).is_some_and(|slot| !slot.is_under_way) {
            self.forget(name);
        }
    }

    /// Forgets all that are not under way and not in `names`.
    pub(super) fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.slots.retain(|name, slot| {
            let stays = slot.is_under_way || is_there(name);
            if !stays {
                forget_one(&mut self.bundles, name);
            }
            stays
        });
    }

    /// The next letter that is due `now`, and how often it was tried; from now on it is under way.
    pub(super) fn next(&mut self, now: u64) -> Option<(Arc<str>, u32)> {
        if self.due()? > now {
            return None;
        }
        let Reverse((_, name)) = self.order.pop()?;
        let slot = self.slots.get_mut(&name)?;
        slot.is_under_way = true;
        Some((name, slot.attempts))
    }

    /// When the first letter is due.
    pub(super) fn due(&mut self) -> Option<u64> {
        while let Some(Reverse((due, name))) = self.order.peek() {
            let slot = self.slots.get(name);
            if slot.is_some_and(|slot| !slot.is_under_way && slot.due == *due) {
                return Some(*due);
            }
            self.order.pop();
        }
        None
    }

    /// A letter is not under way any more, and due again.
    pub(super) fn again(&mut self, name: Arc<str>, due: u64, attempts: u32) {
        self.forget(&name);
        self.enter(name, due, attempts);
    }
}

/// One letter less.
fn forget_one(bundles: &mut HashMap<String, usize>, name: &str) {
    let Some(bundle) = bundle_of(name) else {
        return;
    };
    match bundles.get_mut(bundle) {
        Some(letters) if *letters > 1 => *letters -= 1,
        _ => drop(bundles.remove(bundle)),
    }
}
