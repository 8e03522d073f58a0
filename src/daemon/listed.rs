//! The listeners of a configuration, and what they are called.

use std::sync::Arc;

use crate::config::{Config, ListenerConfig};
use crate::server::Address;

/// The listeners of a configuration that is in force.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) config: Arc<Config>,
    /// Where clients find each of them, if they do: with the port that was taken, for port 0.
    places: Vec<Option<Address>>,
}

impl Listed {
    /// Those of `config`, found at `places`.
    pub(super) fn new(config: &Arc<Config>, places: Vec<Option<Address>>) -> Self {
        Self {
            config: Arc::clone(config),
            places,
        }
    }

    pub(super) fn listener(&self, index: usize) -> &ListenerConfig {
        &self.config.listeners[index]
    }

    /// Where clients find one.
    pub(super) fn place(&self, index: usize) -> Option<&Address> {
        self.places.get(index)?.as_ref()
    }

    /// What one is called: as clients know it, or, where they do not, as it is written.
    pub(super) fn name(&self, index: usize) -> &Address {
        self.place(index).unwrap_or(&self.listener(index).address)
    }

    /// The one that clients find there.
    pub(super) fn at(&self, address: &Address) -> Option<usize> {
        let is_there =
            |place: &Option<Address>| place.as_ref().is_some_and(|it| is_same(it, address));
        self.places.iter().position(is_there)
    }

    /// Which one each was before: that which clients have found at the same place, else one that is
    /// written the same and was switched off, or is now.
    pub(super) fn since(&self, before: &Self) -> Vec<Option<usize>> {
        let same_place = |old, new| {
            let places = before.place(old).zip(self.place(new));
            places.is_some_and(|(old, new)| is_same(old, new))
        };
        let same_text = |old, new| {
            let is_off = before.place(old).is_none() || self.place(new).is_none();
            is_off && is_same(&before.listener(old).address, &self.listener(new).address)
        };
        let rules: [&dyn Fn(usize, usize) -> bool; 2] = [&same_place, &same_text];
        let mut left: Vec<usize> = (0..before.config.listeners.len()).collect();
        let mut since = vec![None; self.config.listeners.len()];
        for is_it in rules {
            for (new, known) in since.iter_mut().enumerate() {
                if known.is_none() {
                    let found = left.iter().position(|old| is_it(*old, new));
                    *known = found.map(|index| left.remove(index));
                }
            }
        }
        since
    }
}

/// Who may connect to a Unix socket is a part of its address.
fn is_same(one: &Address, other: &Address) -> bool {
    match (one, other) {
        (Address::Unix(one, _), Address::Unix(other, _)) => one == other,
        (one, other) => one == other,
    }
}
