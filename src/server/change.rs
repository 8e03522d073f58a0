//! From one set of listeners to the next: sockets that are in both stay open.

use std::io;
use std::sync::Arc;

use super::door::Door;
use super::listener::Bound;
use super::{Address, PassedSockets, Server};

impl Server {
    /// Sockets for these addresses, in their order; several where systemd has passed several under
    /// one name. One that is open already is kept: the same address as it is written, or the same
    /// port. Clients notice nothing before [`open`](Self::open), and where what this gives is
    /// dropped instead, all is as it was.
    ///
    /// # Errors
    ///
    /// What the system says, and of which address. A socket of systemd that was used and is not
    /// named any more is one, as its clients would wait for ever.
    pub fn bind(
        &self,
        addresses: &[Address],
        passed: &mut PassedSockets,
    ) -> Result<Vec<Vec<Bound>>, (Address, io::Error)> {
        let mut left = self.doors();
        let mut kept: Vec<_> = addresses
            .iter()
            .map(|address| take(&mut left, address, |door| is_for(door, address)))
            .collect();
        for (address, kept) in addresses.iter().zip(&mut kept) {
            if kept.is_empty() {
                *kept = take(&mut left, address, |door| {
                    door.offering().address == *address
                });
            }
        }
        if let Some(door) = left.iter().find(|door| is_systemd(&door.asked)) {
            let message = format!("no listener has the address {}", door.asked);
            return Err((door.asked.clone(), io::Error::other(message)));
        }
        let mut bound = Vec::new();
        for (address, kept) in addresses.iter().zip(&kept) {
            let mut here = Vec::new();
            while kept.is_empty() {
                let new = address.bind_beside(&left, passed);
                here.push(new.map_err(|error| (address.clone(), error))?);
                if !matches!(address, Address::Systemd(name) if passed.has(name)) {
                    break;
                }
            }
            bound.push(here);
        }
        // Who may connect is changed last: clients could notice that.
        for ((address, kept), bound) in addresses.iter().zip(kept).zip(&mut bound) {
            for door in kept {
                let door = Bound::kept(door, address);
                bound.push(door.map_err(|error| (address.clone(), error))?);
            }
        }
        Ok(bound)
    }
}

/// The first of the doors that fits, or, of sockets that systemd has passed under one name, all.
fn take(
    doors: &mut Vec<Arc<Door>>,
    address: &Address,
    fits: impl Fn(&Door) -> bool,
) -> Vec<Arc<Door>> {
    let mut taken = Vec::new();
    while let Some(index) = doors.iter().position(|door| fits(door)) {
        taken.push(doors.remove(index));
        if !is_systemd(address) {
            break;
        }
    }
    taken
}

/// Whether it was opened for that address. Who may connect to a Unix socket can be changed.
fn is_for(door: &Door, address: &Address) -> bool {
    match (&door.asked, address) {
        (Address::Unix(old, _), Address::Unix(new, _)) => old == new && door.socket.can_be_found(),
        (old, new) => old == new,
    }
}

fn is_systemd(address: &Address) -> bool {
    matches!(address, Address::Systemd(_))
}
