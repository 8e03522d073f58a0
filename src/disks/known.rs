//! The file systems that are worked on, whichever configuration named them: one that hangs has no
//! more turns for being named twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use super::health::Health;
use super::turns::Turns;
use super::{Limits, System};
use crate::locks::lock;

/// All file systems that somebody has not done with.
#[derive(Debug, Default)]
pub struct Known(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By device; none where that cannot be told.
    systems: HashMap<Option<u64>, Weak<System>>,
    several: Weak<Turns>,
}

impl Known {
    pub(super) fn system(&self, device: Option<u64>, limits: Limits, shares: usize) -> Arc<System> {
        let mut state = lock(&self.0);
        state.systems.retain(|_, system| system.strong_count() > 0);
        let known = state.systems.get(&device).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let system = Arc::new(System {
                turns: Turns::new(limits.deliveries, shares),
                health: Health::new(limits.errors),
            });
            state.systems.insert(device, Arc::downgrade(&system));
            system
        })
    }

    pub(super) fn several(&self, limits: Limits, shares: usize) -> Arc<Turns> {
        let mut state = lock(&self.0);
        state.several.upgrade().unwrap_or_else(|| {
            let turns = Arc::new(Turns::new(limits.deliveries, shares));
            state.several = Arc::downgrade(&turns);
            turns
        })
    }

    /// How many kinds of turns can be taken, those of file systems that only mail from before still
    /// needs among them.
    pub fn kinds(&self) -> usize {
        let state = lock(&self.0);
        let systems = state.systems.values();
        super::shares(systems.filter(|system| system.strong_count() > 0).count())
    }
}
