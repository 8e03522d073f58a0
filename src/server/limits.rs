//! How many may come, and how much of their mail is held in memory.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::counts::Counts;
use crate::locks::lock;

/// Counts connections and octets of mail in flight against their limits.
#[derive(Debug)]
pub struct Limits {
    connections: usize,
    connections_per_ip: usize,
    memory: u64,
    places: Arc<Mutex<Places>>,
    in_flight: Arc<AtomicU64>,
}

/// The places that are taken.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Limits {
    /// At most `connections`, of them `connections_per_ip` from one address
    /// (an IPv6 /64 counts as one), and `memory` octets of mail.
    pub fn new(connections: usize, connections_per_ip: usize, memory: u64) -> Self {
        Self {
            connections,
            connections_per_ip,
            memory,
            places: Arc::default(),
            in_flight: Arc::default(),
        }
    }

    /// The same limits, with what is counted already.
    #[must_use]
    pub fn sharing(self, counts: &Counts) -> Self {
        Self {
            places: Arc::clone(&counts.places),
            in_flight: Arc::clone(&counts.in_flight),
            ..self
        }
    }

    /// A place for a connection, as long as it is kept; none when full.
    /// Clients without an address (Unix sockets) count in the total only.
    pub fn admit(&self, address: Option<IpAddr>) -> Option<Place> {
        let mut places = lock(&self.places);
        if places.taken >= self.connections {
            return None;
        }
        let network = address.map(network);
        if !places.enter(network, self.connections_per_ip) {
            return None;
        }
        places.taken += 1;
        Some(Place {
            network,
            per_ip: self.connections_per_ip,
            places: Arc::clone(&self.places),
        })
    }

    /// How many connections there may be, and how many octets of mail in memory.
    pub fn most(&self) -> (usize, u64) {
        (self.connections, self.memory)
    }

    /// Connections now.
    pub fn connections(&self) -> usize {
        lock(&self.places).taken
    }

    /// Octets of mail in memory now.
    pub fn memory(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// An empty share of the memory for mail.
    pub fn share(&self) -> Share {
        Share {
            octets: 0,
            limit: self.memory,
            in_flight: Arc::clone(&self.in_flight),
        }
    }
}

impl Places {
    /// Counts one more from this network, unless there are enough.
    fn enter(&mut self, network: Option<IpAddr>, limit: usize) -> bool {
        let Some(network) = network else {
            return true;
        };
        let count = self.by_address.entry(network).or_insert(0);
        let has_room = *count < limit;
        *count += usize::from(has_room);
        has_room
    }

    fn leave(&mut self, network: Option<IpAddr>) {
        if let Some(network) = network
            && let Some(count) = self.by_address.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&network);
            }
        }
    }
}

/// One connection's place.
#[derive(Debug)]
pub struct Place {
    network: Option<IpAddr>,
    per_ip: usize,
    places: Arc<Mutex<Places>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = lock(&self.places);
        places.taken -= 1;
        places.leave(self.network);
    }
}

impl Place {
    /// Counts for another address from now on: the client's, where a proxy has told it. False if
    /// there are enough from there; then it counts for none.
    pub fn move_to(&mut self, address: Option<IpAddr>) -> bool {
        let mut places = lock(&self.places);
        places.leave(self.network.take());
        let network = address.map(network);
        let is_in = places.enter(network, self.per_ip);
        self.network = network.filter(|_| is_in);
        is_in
    }
}

/// One message's share of the memory for mail.
#[derive(Debug)]
pub struct Share {
    octets: u64,
    limit: u64,
    in_flight: Arc<AtomicU64>,
}

impl Share {
    /// Grows to `octets` if there is room for it: in all of the memory, or in half of it.
    pub fn grow(&mut self, octets: u64, all: bool) -> bool {
        let limit = if all { self.limit } else { self.limit / 2 };
        let more = octets.saturating_sub(self.octets);
        let room = |taken: u64| taken.checked_add(more).filter(|taken| *taken <= limit);
        let grown = self
            .in_flight
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .is_ok();
        if grown {
            self.octets += more;
        }
        grown
    }

    /// Gives back what is beyond `octets`.
    pub fn shrink(&mut self, octets: u64) {
        let less = self.octets.saturating_sub(octets);
        self.in_flight.fetch_sub(less, Ordering::Relaxed);
        self.octets -= less;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

/// One customer's network: an IPv4 address, or an IPv6 /64 (RFC 6177).
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(limits: &Limits, address: &str) -> Option<Place> {
        limits.admit(Some(address.parse().unwrap()))
    }

    #[test]
    fn places_are_counted_and_given_back() {
        let limits = Limits::new(4, 2, 0);
        let first = admit(&limits, "192.0.2.1");
        let second = admit(&limits, "::ffff:192.0.2.1");
        assert!(first.is_some() && second.is_some());
        assert!(
            admit(&limits, "192.0.2.1").is_none(),
            "two from one address"
        );
        let third = admit(&limits, "2001:db8::1");
        let fourth = admit(&limits, "2001:db8::2");
        assert!(third.is_some() && fourth.is_some());
        assert!(limits.admit(None).is_none(), "four in all");
        drop(third);
        assert!(admit(&limits, "2001:db8::ffff:1").is_some(), "the same /64");
        drop((first, second, fourth));
        assert!(lock(&limits.places).by_address.is_empty());
        assert_eq!(lock(&limits.places).taken, 0);
    }

    #[test]
    fn who_came_before_the_limits_were_changed_counts() {
        let counts = Counts::default();
        let before = Limits::new(4, 2, 100).sharing(&counts);
        let after = Limits::new(2, 1, 50).sharing(&counts);
        let first = admit(&before, "192.0.2.1");
        let mut mail = before.share();
        assert!(first.is_some() && mail.grow(40, true));
        assert!(admit(&after, "192.0.2.1").is_none(), "one from one address");
        let second = admit(&after, "192.0.2.2");
        assert!(second.is_some());
        assert!(admit(&after, "192.0.2.3").is_none(), "two in all");
        assert!(!after.share().grow(11, true) && mail.grow(60, true));
        drop((first, second, mail));
        assert!(admit(&after, "192.0.2.1").is_some() && after.share().grow(50, true));
    }

    #[test]
    fn memory_is_shared() {
        let limits = Limits::new(1, 1, 100);
        let (mut one, mut other) = (limits.share(), limits.share());
        assert!(one.grow(60, true) && one.grow(70, true) && other.grow(30, true));
        assert!(!other.grow(31, true));
        one.shrink(20);
        assert!(!other.grow(31, false), "that is more than half of it");
        one.shrink(19);
        assert!(other.grow(31, false) && other.grow(81, true) && !other.grow(82, true));
        one.shrink(0);
        assert!(other.grow(100, true));
        drop(other);
        assert_eq!(limits.in_flight.load(Ordering::Relaxed), 0);
    }
}
