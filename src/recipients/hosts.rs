//! Our hosts: those of the patterns, and for the postmaster our own name.

use std::collections::BTreeMap;

use super::names::is_postmaster;
use super::pattern::HostPatterns;
use crate::smtp::address::{Domain, Mailbox};

#[derive(Clone, Debug)]
pub(super) struct Hosts {
    patterns: HostPatterns,
    own_name: Domain,
}

/// Why a host is ours.
#[derive(Clone, Debug)]
pub(super) struct Ours<'a> {
    /// The pattern that says so; none for the postmaster at our own name.
    pub(super) pattern: Option<&'a str>,
    /// What its captures stand for.
    pub(super) captures: BTreeMap<String, String>,
}

impl Hosts {
    pub(super) fn new(patterns: HostPatterns, own_name: Domain) -> Self {
        Self { patterns, own_name }
    }

    pub(super) fn patterns(&self) -> &HostPatterns {
        &self.patterns
    }

    /// Whether, and why, the host of a folded address is ours.
    pub(super) fn find(&self, address: &Mailbox) -> Option<Ours<'_>> {
        if let Some(found) = self.patterns.find(address.domain()) {
            return Some(Ours {
                pattern: Some(found.pattern),
                captures: found.captures,
            });
        }
        let is_own = *address.domain() == self.own_name && is_postmaster(address.local_part());
        is_own.then(|| Ours {
            pattern: None,
            captures: BTreeMap::new(),
        })
    }
}
